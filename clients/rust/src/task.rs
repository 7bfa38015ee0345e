//! A task as the server answered it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::moment::{from_ns, optional_from_ns, optional_from_s};
use crate::{Error, RetryBackoff, proto};

/// A task as it was when the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task {
    /// Names it for ever.
    pub uuid: Uuid,
    /// Where it lies.
    pub queue: String,
    /// Its state.
    pub state: String,
    /// The state that the next claim or timeout puts it in.
    pub auto_target_state: String,
    /// What it is about; empty once it is archived.
    pub payload: Bytes,
    /// Higher ones are claimed first.
    pub priority: i64,
    /// When it was submitted.
    pub submit_time: SystemTime,
    /// When it was last changed.
    pub update_time: SystemTime,
    /// How long it may stay as it is.
    pub timeout: Option<Duration>,
    /// When that is over, by the server's clock.
    pub expires_at: Option<SystemTime>,
    /// Not claimable earlier.
    pub not_before: Option<SystemTime>,
    /// How often it was claimed: the fencing token of its lease.
    pub attempt: i64,
    /// Who claimed it last.
    pub worker: String,
    /// What the submitter wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// At most one live task of its queue has this key; empty if it has none.
    pub unique_key: String,
    /// The timeout that each claim starts with, where the claim names none.
    pub claim_timeout: Option<Duration>,
    /// How many claims it gets before a failure or a timeout sends it to the state `dead`; 0 means no limit.
    pub max_attempts: i64,
    /// How long it waits after an attempt that failed or timed out; not at all where there is none.
    pub retry_backoff: Option<RetryBackoff>,
    /// Why the last attempt failed that a worker gave back; empty if none did.
    pub last_error: String,
}

impl Task {
    /// The payload, read as JSON.
    ///
    /// # Errors
    /// [`Error::Payload`] if it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_slice(&self.payload)?)
    }
}

impl TryFrom<proto::Task> for Task {
    type Error = Error;

    fn try_from(task: proto::Task) -> Result<Self, Error> {
        let uuid = Uuid::try_parse(&task.uuid);
        let not_one = |_| Error::Protocol(format!("{:?} is no uuid", task.uuid));
        Ok(Self {
            uuid: uuid.map_err(not_one)?,
            queue: task.queue,
            state: task.current_state,
            auto_target_state: task.auto_target_state,
            payload: task.payload,
            priority: task.priority,
            submit_time: from_ns(task.submit_time),
            update_time: from_ns(task.update_time),
            timeout: optional_from_s(task.timeout),
            expires_at: optional_from_ns(task.expires_at),
            not_before: optional_from_ns(task.not_before),
            attempt: task.attempt,
            worker: task.worker,
            metadata: task.metadata,
            unique_key: task.unique_key,
            claim_timeout: optional_from_s(task.claim_timeout),
            max_attempts: task.max_attempts,
            retry_backoff: task.retry_backoff.map(RetryBackoff::from),
            last_error: task.last_error,
        })
    }
}
