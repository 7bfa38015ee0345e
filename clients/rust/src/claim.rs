//! What a claim asks for.

use std::time::Duration;

use crate::moment::to_s;
use crate::proto::GetNextTaskRequest;

/// The longest that a server lets a claim wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Which task to claim, for whom, for how long.
#[derive(Debug, Clone, Default)]
#[must_use = "hand it to `Client::claim`"]
pub struct Claim {
    pub(crate) request: GetNextTaskRequest,
    pub(crate) wait: Duration,
}

impl Claim {
    /// The best task of a queue: highest priority, then first submitted.
    pub fn of(queue: impl Into<String>) -> Self {
        let mut claim = Self::default();
        claim.request.queue = queue.into();
        claim
    }

    /// Looks in these queues too: the best task of all of them is claimed.
    pub fn queues<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.request.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// The state that tasks are claimed from; `submitted` by default.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.request.current_state = state.into();
        self
    }

    /// How long it is held before it goes back by itself; whole seconds, rounded up. By default what the task says.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.request.override_timeout = to_s(lease);
        self
    }

    /// Who claims it.
    pub fn worker(mut self, name: impl Into<String>) -> Self {
        self.request.worker = name.into();
        self
    }

    /// How long to wait for a task where there is none: not at all by default, 60 s at most.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(LONGEST_WAIT);
        self.request.wait_ms = i64::try_from(self.wait.as_millis()).unwrap_or(i64::MAX);
        self
    }
}
