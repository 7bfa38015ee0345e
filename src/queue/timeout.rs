//! Time out: tasks whose deadline passed go to the state that they came from, or end up dead.

use std::sync::Arc;

use super::step::Step;
use super::{Outcome, names, transition};
use crate::proto::durable::TimeOut;
use crate::store::history::TransitionKind;
use crate::store::record::{Deadline, Task};
use crate::store::{Change, StoreError, View};

/// How many tasks a step looks at where the command does not say.
pub(super) const DEFAULT_LIMIT: u32 = 1000;

pub(super) fn step(view: &impl View, now_ns: i64, time_out: TimeOut) -> Result<Step, StoreError> {
    let limit = match time_out.limit {
        0 => DEFAULT_LIMIT,
        limit => limit,
    };
    let mut after = time_out.after.map(|after| Deadline {
        at_ns: after.at_ns,
        seq: after.seq,
    });
    let mut changes = Vec::new();
    let mut looked_at = 0;
    while looked_at < limit {
        let next = view.next_deadline(after)?;
        let Some((deadline, uuid)) = next.filter(|next| next.0.at_ns < time_out.at_time_ns) else {
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

/// The row after its timeout: it keeps its place, and the timeout that claims start with.
fn timed_out(now_ns: i64, before: &Task) -> Task {
    let back = before.auto_target_state.clone();
    let was_last = before.max_attempts > 0 && before.counted_attempts() >= before.max_attempts;
    let (current_state, auto_target_state) = match was_last {
        true => (names::dead(), back),
        false => (back, before.current_state.clone()),
    };
    Task {
        current_state,
        auto_target_state,
        timeout_s: 0,
        update_time_ns: now_ns,
        claimed_ns: 0,
        queue: before.queue.clone(),
        history: transition::noted(before, TransitionKind::TimedOut, now_ns),
        extras: before.extras.clone(),
        payload: before.payload.clone(),
        worker: before.worker.clone(),
        ..*before
    }
}
