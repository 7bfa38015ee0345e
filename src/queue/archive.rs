//! The row that an ended task leaves in the archive.

use bytes::Bytes;

use super::transition;
use crate::store::history::TransitionKind;
use crate::store::record::{Name, Task};

/// The task in its last state, without its payload; all other fields are kept.
pub(super) fn ended(now_ns: i64, before: &Task, kind: TransitionKind, state: Name) -> Task {
    Task {
        current_state: state.clone(),
        auto_target_state: state,
        update_time_ns: now_ns,
        claimed_ns: 0,
        payload: Bytes::new(),
        queue: before.queue.clone(),
        worker: before.worker.clone(),
        history: transition::noted(before, kind, now_ns),
        extras: before.extras.clone(),
        is_delayed: false,
        ..*before
    }
}
