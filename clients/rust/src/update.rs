//! What a held task is changed to.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::moment::to_s;
use crate::proto::UpdateTaskRequest;
use crate::{Error, Task};

/// A live task's next state, and what else changes with it. What is not named stays, but for the timeout: an
/// update always sets it, to none where none is given.
#[derive(Debug, Clone)]
#[must_use = "hand it to `Client::update`, or return it as `Outcome::Move`"]
pub struct Update {
    state: String,
    auto_target_state: String,
    timeout: Option<Duration>,
    payload: Bytes,
    priority: Option<i64>,
}

impl Update {
    /// To this state, from which it can be claimed.
    pub fn to(state: impl Into<String>) -> Self {
        Self {
            state: state.into(),
            auto_target_state: String::new(),
            timeout: None,
            payload: Bytes::new(),
            priority: None,
        }
    }

    /// The state that the next claim or timeout puts it in; the state with `-working` by default.
    pub fn auto_target_state(mut self, state: impl Into<String>) -> Self {
        self.auto_target_state = state.into();
        self
    }

    /// How long it may stay in the state; whole seconds, rounded up.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Another payload, written as JSON.
    ///
    /// # Errors
    /// [`Error::Payload`] if it can't be.
    pub fn json<T: Serialize + ?Sized>(self, payload: &T) -> Result<Self, Error> {
        Ok(self.bytes(serde_json::to_vec(payload)?))
    }

    /// Another payload, as it is; an empty one keeps what the task has.
    pub fn bytes(mut self, payload: impl Into<Bytes>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Another priority.
    pub fn priority(mut self, priority: i64) -> Self {
        self.priority = Some(priority);
        self
    }

    /// The request for a task as it is now.
    pub(crate) fn request(self, task: &Task) -> UpdateTaskRequest {
        UpdateTaskRequest {
            uuid: task.uuid.to_string(),
            queue: task.queue.clone(),
            current_state: task.state.clone(),
            attempt: task.attempt,
            new_state: self.state,
            auto_target_state: self.auto_target_state,
            timeout: self.timeout.map_or(0, to_s),
            payload: self.payload,
            priority: self.priority.unwrap_or(task.priority),
            ..Default::default()
        }
    }
}
