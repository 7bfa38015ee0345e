//! Ripen: delayed tasks whose `not_before` the replicated clock has reached become claimable.

use std::sync::Arc;

use super::Outcome;
use super::step::{Step, limit};
use crate::proto::durable::Ripen;
use crate::store::record::Task;
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, ripen: Ripen) -> Result<Step, StoreError> {
    let limit = limit(ripen.limit);
    let (changes, more) = due(view, now_ns, limit)?;
    let tasks = changes.len() as u64;
    Ok((Outcome::Ripened { tasks, more }, changes))
}

/// What makes up to `limit` due tasks claimable, those that wait longest first, and whether more are due.
///
/// Costs nothing where no task is delayed.
pub(super) fn due(
    view: &impl View,
    now_ns: i64,
    limit: usize,
) -> Result<(Vec<Change>, bool), StoreError> {
    let mut changes = Vec::new();
    if !view.counts().any_delayed() {
        return Ok((changes, false));
    }
    let mut after = None;
    loop {
        let next = view.next_delayed(after)?;
        let Some((ripening, uuid)) = next.filter(|next| next.0.at_ns <= now_ns) else {
            return Ok((changes, false));
        };
        if changes.len() >= limit {
            return Ok((changes, true));
        }
        let missing = || StoreError::damaged("delayed", format!("task {uuid} is no live task"));
        let before = view.live(uuid)?.ok_or_else(missing)?;
        let ripe = Arc::new(Task {
            is_delayed: false,
            ..Task::clone(&before)
        });
        changes.push(Change::Replace {
            before,
            after: ripe,
        });
        after = Some(ripening);
    }
}
