//! What a worker says of a task that failed.

use std::time::Duration;

use crate::Task;
use crate::moment::to_s;
use crate::proto::FailTaskRequest;

/// The longest message that the server takes.
const MAX_MESSAGE_BYTES: usize = 1024;
/// The longest wait that the server takes: 365 days.
const MAX_RETRY_S: i64 = 365 * 24 * 3600;
/// No more attempts, as the server has it.
const NEVER: i64 = -1;

/// Why an attempt failed, and when the next one may begin: after the task's own backoff, at once if it has none,
/// unless more is said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "hand it to `Client::fail`"]
pub struct Failure {
    message: String,
    /// As it goes over the wire, where 0 leaves it to the task's backoff.
    retry_after_s: i64,
}

impl Failure {
    /// A failure for this reason: the task's `last_error` from then on, cut off after 1,024 bytes.
    pub fn because(message: impl Into<String>) -> Self {
        let mut message = message.into();
        let mut end = message.len().min(MAX_MESSAGE_BYTES);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        Self {
            message,
            retry_after_s: 0,
        }
    }

    /// It may be claimed again after that time, whatever its backoff is; whole seconds, rounded up, from a second
    /// to 365 days: what is longer is cut off.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after_s = to_s(delay).min(MAX_RETRY_S);
        self
    }

    /// No other attempt can help: it goes to the state `dead` now.
    pub fn dead(mut self) -> Self {
        self.retry_after_s = NEVER;
        self
    }

    /// The request for a task as it is now.
    pub(crate) fn request(self, task: &Task) -> FailTaskRequest {
        FailTaskRequest {
            uuid: task.uuid.to_string(),
            queue: task.queue.clone(),
            current_state: task.state.clone(),
            attempt: task.attempt,
            retry_after: self.retry_after_s,
            message: self.message,
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_off_at_a_character() {
        let of = |text: String| Failure::because(text).message;
        assert_eq!(of("x".repeat(1024)), "x".repeat(1024));
        assert_eq!(of("x".repeat(1025)), "x".repeat(1024));
        let odd = format!("x{}", "\u{fc}".repeat(600));
        assert_eq!(of(odd), format!("x{}", "\u{fc}".repeat(511)));
    }

    #[test]
    fn a_wait_is_one_that_the_server_takes() {
        let after = |delay| Failure::because("").retry_after(delay).retry_after_s;
        assert_eq!(after(Duration::ZERO), 1);
        assert_eq!(after(Duration::from_millis(1500)), 2);
        assert_eq!(after(Duration::MAX), 31_536_000);
        assert_eq!(Failure::because("").retry_after_s, 0);
        assert_eq!(Failure::because("").dead().retry_after_s, -1);
    }
}
