//! Claim tasks: one after the other, as long as there is one and the limits are kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::size::answer_bytes;
use super::{Outcome, Refusal, Row, claim, limits};
use crate::proto::durable::{Claim, ClaimTasks};
use crate::store::record::Place;
use crate::store::{Change, Changes, StoreError, View};

pub(super) fn perform(
    store: &mut impl Changes,
    now_ns: i64,
    batch: ClaimTasks,
) -> Result<Outcome, StoreError> {
    let Some(claim) = &batch.next else {
        return Ok(Outcome::Refused(Refusal::Malformed {
            reason: "it holds no claim",
        }));
    };
    let max_tasks = usize::try_from(batch.max_tasks).unwrap_or(usize::MAX);
    let mut lines = Lines::of(store, now_ns, claim)?;
    let mut rows = Vec::new();
    let mut bytes = 0;
    while rows.len() < max_tasks
        && let Some((line, uuid)) = lines.best()
    {
        let Some(before) = store.live(uuid)? else {
            let detail = format!("task {uuid} is no live task");
            return Err(StoreError::damaged("ready index", detail));
        };
        let after = Arc::new(claim::claimed(store, now_ns, claim, &before));
        bytes += answer_bytes(&after);
        if bytes > batch.max_bytes && !rows.is_empty() {
            break;
        }
        rows.push(Row::Live(after.clone()));
        let spent = limits::spend(store, &before.queue, now_ns);
        store.record(Change::Replace { before, after })?;
        if let Some(spent) = spent {
            store.record(spent)?;
        }
        lines.advance(line, store, now_ns)?;
    }
    Ok(Outcome::Tasks(rows))
}

/// Who stands first in each of the queues that let a claim through, but for those that were claimed already.
///
/// A task may be claimed into the very state that it came from: it keeps its place there, and
/// the line goes on behind it. So no task is claimed twice.
struct Lines<'a> {
    state: &'a str,
    heads: Vec<(&'a str, Place, Uuid)>,
}

impl<'a> Lines<'a> {
    fn of(view: &impl View, now_ns: i64, claim: &'a Claim) -> Result<Self, StoreError> {
        let state = claim.current_state.as_str();
        let mut heads = Vec::new();
        for queue in claim::queues(claim).collect::<BTreeSet<_>>() {
            if limits::claims_left(view, queue, now_ns) > 0
                && let Some(task) = view.first_ready(queue, state)?
            {
                heads.push((queue, task.place(), task.uuid));
            }
        }
        Ok(Self { state, heads })
    }

    /// The best of all, and in which line it stands.
    fn best(&self) -> Option<(usize, Uuid)> {
        let heads = self.heads.iter().enumerate();
        let best = heads.min_by_key(|(_, (_, place, _))| *place);
        best.map(|(line, (_, _, uuid))| (line, *uuid))
    }

    fn advance(&mut self, line: usize, view: &impl View, now_ns: i64) -> Result<(), StoreError> {
        let Some((queue, place, uuid)) = self.heads.get_mut(line) else {
            return Ok(());
        };
        let next = match limits::claims_left(view, queue, now_ns) {
            0 => None,
            _ => view.next_ready(queue, self.state, *place)?,
        };
        match next {
            Some(task) => (*place, *uuid) = (task.place(), task.uuid),
            None => drop(self.heads.swap_remove(line)),
        }
        Ok(())
    }
}
