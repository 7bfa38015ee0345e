//! Time out: tasks whose deadline passed go to the state that they came from, or end up dead.

use std::sync::Arc;

use super::Outcome;
use super::give_back::{Retry, given_back};
use super::step::{Step, limit};
use crate::proto::durable::TimeOut;
use crate::store::history::TransitionKind;
use crate::store::record::{Deadline, Task};
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, time_out: TimeOut) -> Result<Step, StoreError> {
    let limit = limit(time_out.limit);
    let at_time_ns = match time_out.at_time_ns {
        0 => now_ns,
        at_time_ns => at_time_ns,
    };
    let mut after = time_out.after.map(|after| Deadline {
        at_ns: after.at_ns,
        seq: after.seq,
    });
    let mut changes = Vec::new();
    let mut looked_at = 0;
    while looked_at < limit {
        let next = view.next_deadline(after)?;
        let Some((deadline, uuid)) = next.filter(|next| next.0.at_ns < at_time_ns) else {
            break;
        };
        let Some(before) = view.live(uuid)? else {
            let detail = format!("task {uuid} at {} is no live task", deadline.at_ns);
            return Err(StoreError::damaged("deadlines", detail));
        };
        if time_out.queue.is_empty() || *before.queue == *time_out.queue {
            let after = Arc::new(timed_out(now_ns, &before));
            changes.push(Change::TimeOut { before, after });
        }
        after = Some(deadline);
        looked_at += 1;
    }
    let outcome = Outcome::TimedOut {
        tasks: time_out.already.saturating_add(changes.len() as u64),
        resume: after.filter(|_| looked_at == limit),
    };
    Ok((outcome, changes))
}

/// The row after its timeout. Only a lease that a worker let pass counts as a failure that the next attempt waits for.
fn timed_out(now_ns: i64, before: &Task) -> Task {
    let retry = match before.is_in_flight() {
        true => Retry::ByBackoff,
        false => Retry::AtOnce,
    };
    given_back(now_ns, before, TransitionKind::TimedOut, &retry)
}
