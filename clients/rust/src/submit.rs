//! What is put into a queue.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::Serialize;
use uuid::Uuid;

use crate::moment::{to_ns, to_s};
use crate::proto::SubmitTaskRequest;
use crate::{Client, Error, RetryBackoff, Task};

/// A task to submit: by itself for [`Client::submit_many`] and [`crate::Outcome::Next`], or, as [`Client::submit`]
/// makes it, with the client that sends it.
#[derive(Debug, Clone)]
#[must_use = "a task is submitted by `send`, or where the value is handed to"]
pub struct Submit<C = ()> {
    /// Boxed, since it goes through many hands.
    request: Box<SubmitTaskRequest>,
    /// Why the payload can't be written; told when the task is to be sent.
    fault: Option<std::sync::Arc<serde_json::Error>>,
    client: C,
}

impl Submit {
    /// A task for a queue, its payload written as JSON.
    pub fn json<T: Serialize + ?Sized>(queue: impl Into<String>, payload: &T) -> Self {
        match serde_json::to_vec(payload) {
            Ok(payload) => Self::bytes(queue, payload),
            Err(error) => Self {
                fault: Some(std::sync::Arc::new(error)),
                ..Self::bytes(queue, Bytes::new())
            },
        }
    }

    /// A task for a queue, its payload as it is.
    pub fn bytes(queue: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            request: Box::new(SubmitTaskRequest {
                queue: queue.into(),
                payload: payload.into(),
                ..Default::default()
            }),
            fault: None,
            client: (),
        }
    }

    /// The same, with the client that sends it.
    pub(crate) fn by(self, client: Client) -> Submit<Client> {
        Submit {
            request: self.request,
            fault: self.fault,
            client,
        }
    }
}

impl<C> Submit<C> {
    /// Higher ones are claimed first; 0 by default.
    pub fn priority(mut self, priority: i64) -> Self {
        self.request.priority = priority;
        self
    }

    /// The state that it starts in; `submitted` by default.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.request.current_state = state.into();
        self
    }

    /// The state that its first claim or timeout puts it in; the state with `-working` by default.
    pub fn auto_target_state(mut self, state: impl Into<String>) -> Self {
        self.request.auto_target_state = state.into();
        self
    }

    /// How long it may lie unclaimed before it changes its state; whole seconds, rounded up. The server's default
    /// where this is not called.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = to_s(timeout);
        self
    }

    /// Never times out unclaimed, whatever the server's default is.
    pub fn no_timeout(mut self) -> Self {
        self.request.timeout = -1;
        self
    }

    /// The timeout that each claim starts with, where the claim names none; whole seconds, rounded up. A
    /// [`crate::Worker`] always names its lease.
    pub fn claim_timeout(mut self, timeout: Duration) -> Self {
        self.request.claim_timeout = to_s(timeout);
        self
    }

    /// Not claimable earlier.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.request.not_before = to_ns(time);
        self
    }

    /// Not claimable before so much time has passed by this machine's clock.
    pub fn delay(self, delay: Duration) -> Self {
        let now = SystemTime::now();
        self.not_before(now.checked_add(delay).unwrap_or(now))
    }

    /// A name and a value that go along with it.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.metadata.insert(key.into(), value.into());
        self
    }

    /// At most one live task of the queue has this key: where there is one already, that one is answered.
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.request.unique_key = key.into();
        self
    }

    /// How many claims it gets before a failure or a timeout sends it to the state `dead`.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.request.max_attempts = attempts.into();
        self
    }

    /// How long it waits after an attempt that failed or timed out; not at all where this is not called.
    pub fn retry_backoff(mut self, backoff: RetryBackoff) -> Self {
        self.request.retry_backoff = Some(backoff.into());
        self
    }

    /// A uuid of the submitter's choice: submitted again, by whatever process and whenever, it is the same task.
    pub fn uuid(mut self, uuid: Uuid) -> Self {
        self.request.uuid = uuid.to_string();
        self
    }

    /// The request as it goes over the wire.
    ///
    /// # Errors
    /// [`Error::Payload`] if the payload can't be written as JSON.
    pub fn into_request(self) -> Result<SubmitTaskRequest, Error> {
        match self.fault {
            None => Ok(*self.request),
            Some(fault) => Err(Error::Payload(serde::ser::Error::custom(fault))),
        }
    }
}

impl Submit<Client> {
    /// Submits it, once.
    ///
    /// # Errors
    /// [`Error::Payload`] if the payload can't be written; [`Error::AlreadyExists`] if its uuid belongs to another
    /// task; what a call can fail for otherwise.
    pub async fn send(self) -> Result<Task, Error> {
        let client = self.client.clone();
        client.send(self.into_request()?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_said_goes_over_the_wire() {
        let uuid = Uuid::from_u128(7);
        let submit = Submit::json("mail", &[1, 2])
            .priority(-3)
            .state("new")
            .auto_target_state("old")
            .timeout(Duration::from_millis(1500))
            .claim_timeout(Duration::from_secs(9))
            .not_before(SystemTime::UNIX_EPOCH + Duration::from_nanos(5))
            .metadata("a", "b")
            .unique_key("only")
            .max_attempts(4)
            .retry_backoff(
                RetryBackoff::starting_at(Duration::from_millis(1500))
                    .cap(Duration::from_secs(60))
                    .factor_percent(150)
                    .jitter_percent(10),
            )
            .uuid(uuid);
        let expected = SubmitTaskRequest {
            queue: "mail".into(),
            current_state: "new".into(),
            auto_target_state: "old".into(),
            timeout: 2,
            payload: Bytes::from_static(b"[1,2]"),
            priority: -3,
            uuid: uuid.to_string(),
            not_before: 5,
            unique_key: "only".into(),
            metadata: [("a".to_owned(), "b".to_owned())].into(),
            claim_timeout: 9,
            max_attempts: 4,
            retry_backoff: Some(crate::proto::RetryBackoff {
                initial: 2,
                cap: 60,
                factor_percent: 150,
                jitter_percent: 10,
            }),
            ..Default::default()
        };
        assert_eq!(submit.into_request().unwrap(), expected);
    }

    #[test]
    fn a_payload_that_is_no_json_is_an_error() {
        let keys_are_no_strings = std::collections::BTreeMap::from([(vec![1], 2)]);
        let submit = Submit::json("mail", &keys_are_no_strings).priority(1);
        assert!(matches!(submit.into_request(), Err(Error::Payload(_))));
    }
}
