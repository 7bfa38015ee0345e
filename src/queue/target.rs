//! Which task an update, complete, cancel, extend or fail is meant for.

use std::sync::Arc;

use uuid::Uuid;

use super::Refusal;
use super::step::read_uuid;
use crate::proto::durable::Target;
use crate::store::record::Task;
use crate::store::{StoreError, View};

/// What a target names.
pub(super) enum Found {
    /// The live task to act on.
    Live(Arc<Task>),
    /// No task in that queue and state.
    Nothing,
    /// The act has to be refused.
    Refused(Refusal),
}

/// A target that names a task.
pub(super) fn read(target: Option<&Target>) -> Result<(&Target, Uuid), Refusal> {
    let target = target.ok_or(Refusal::Malformed {
        reason: "it names no task",
    })?;
    Ok((target, read_uuid(&target.uuid)?))
}

/// Looks a target up. Its attempt is compared before its state: a worker whose
/// lease is over learns so, wherever the task went meanwhile.
pub(super) fn find(view: &impl View, target: Option<&Target>) -> Result<Found, StoreError> {
    let (target, uuid) = match read(target) {
        Ok(read) => read,
        Err(refusal) => return Ok(Found::Refused(refusal)),
    };
    let Some(task) = view.live(uuid)? else {
        return Ok(Found::Nothing);
    };
    if *task.queue != *target.queue {
        return Ok(Found::Nothing);
    }
    if target.attempt > 0 && target.attempt != task.attempt {
        return Ok(Found::Refused(Refusal::StaleAttempt {
            uuid,
            attempt: task.attempt,
            worker: task.worker.clone(),
        }));
    }
    Ok(match *task.current_state == *target.current_state {
        true => Found::Live(task),
        false => Found::Nothing,
    })
}
