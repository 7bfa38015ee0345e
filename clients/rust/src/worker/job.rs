//! What a handler gets, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::{Error, Submit, Task, Update};

/// A claimed task in a handler's hands.
#[derive(Debug, Clone)]
pub struct Job {
    pub(super) task: Arc<Task>,
    pub(super) cancelled: CancellationToken,
    pub(super) stopping: CancellationToken,
}

impl Job {
    /// The task as it was claimed.
    #[must_use]
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The payload, read as JSON.
    ///
    /// # Errors
    /// [`Error::Payload`] if it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.task.json()
    }

    /// Is cancelled when the task is not this handler's any more: whatever it does from then on may be done by
    /// another one too, and what it answers is dropped.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Is cancelled when the worker stops, at the begin of the grace period.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }
}

/// How a task goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// It is completed.
    Done,
    /// It is completed, and this one is submitted in the same atomic step.
    Next(Submit),
    /// It stays alive, in another state.
    Move(Update),
    /// It goes back to the state that it was claimed from, claimable after that time; without one, after its own
    /// backoff, or after [`super::Worker::retry_delay`] if it has none. With no attempts left it goes to the state `dead`.
    Retry {
        /// How long it stays away; whole seconds, rounded up, 365 days at most. Zero means not at all, or a second
        /// if the task has a backoff of its own.
        after: Option<Duration>,
    },
    /// It can't be done: it goes to the state `dead`, for somebody to look at.
    Dead,
}
