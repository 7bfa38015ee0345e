//! The row that an ended task leaves in the archive.

use bytes::Bytes;

use crate::store::record::{Name, Task};

/// The task in its last state, without its payload; all other fields are kept.
pub(super) fn ended(now_ns: i64, before: &Task, state: Name) -> Task {
    Task {
        current_state: state.clone(),
        auto_target_state: state,
        update_time_ns: now_ns,
        claimed_ns: 0,
        payload: Bytes::new(),
        queue: before.queue.clone(),
        worker: before.worker.clone(),
        extras: before.extras.clone(),
        is_delayed: false,
        ..*before
    }
}
