//! Rows as the messages of a snapshot file.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::StoreError;
use super::answer::Answer;
use super::documents::DocumentKey;
use super::keys::{join_uuids, split_uuids};
use super::record::{Backoff, Bucket, BucketKey, Extras, Header, Name, Position, Task, Totals};
use super::view::Result;
use crate::proto::durable;

const WHAT: &str = "a record";

/// A row of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A live task.
    Live(Arc<Task>),
    /// An archived task.
    Archived(Arc<Task>),
    /// A bucket of the archive, by its queue and log index.
    Bucket(BucketKey, Bucket),
    /// A remembered answer, by its request key.
    Answer(Name, Arc<Answer>),
    /// A document, by its kind and name.
    Document(DocumentKey, Bytes),
}

impl Record {
    /// As a message.
    pub fn to_message(&self) -> durable::Record {
        let kind = match self {
            Record::Live(task) => durable::record::Kind::Live(task_to_message(task)),
            Record::Archived(task) => durable::record::Kind::Archived(task_to_message(task)),
            Record::Bucket(key, bucket) => durable::record::Kind::Bucket(durable::Bucket {
                index: key.index,
                queue: key.queue.to_string(),
                archived_ns: bucket.archived_ns,
                hash_sum: bucket.hash_sum,
                uuids: join_uuids(&bucket.uuids).into(),
            }),
            Record::Answer(key, answer) => durable::record::Kind::Answer(durable::Answer {
                key: key.to_string(),
                request_digest: digest_to_bytes(answer.request_digest),
                expires_ns: answer.expires_ns,
                outcome: answer.outcome.clone(),
            }),
            Record::Document(key, value) => durable::record::Kind::Document(durable::Document {
                kind: key.kind.into(),
                name: key.name.to_string(),
                value: value.clone(),
            }),
        };
        durable::Record { kind: Some(kind) }
    }

    /// From a message.
    ///
    /// # Errors
    /// If it holds no row.
    pub fn from_message(message: durable::Record) -> Result<Self> {
        let unknown = || StoreError::damaged(WHAT, "of an unknown kind");
        Ok(match message.kind.ok_or_else(unknown)? {
            durable::record::Kind::Live(task) => Record::Live(task_from_message(task)?),
            durable::record::Kind::Archived(task) => Record::Archived(task_from_message(task)?),
            durable::record::Kind::Bucket(bucket) => {
                let uuids = split_uuids(WHAT, &bucket.uuids)?;
                let row = Bucket {
                    archived_ns: bucket.archived_ns,
                    hash_sum: bucket.hash_sum,
                    uuids,
                };
                let key = BucketKey {
                    queue: bucket.queue.into(),
                    index: bucket.index,
                };
                Record::Bucket(key, row)
            }
            durable::record::Kind::Answer(answer) => {
                let row = Answer {
                    request_digest: digest_from_bytes(&answer.request_digest)?,
                    expires_ns: answer.expires_ns,
                    // Its own copy: a share of the block would keep all of it in memory.
                    outcome: Bytes::copy_from_slice(&answer.outcome),
                };
                Record::Answer(answer.key.into(), Arc::new(row))
            }
            durable::record::Kind::Document(document) => {
                let kind = u8::try_from(document.kind);
                let kind = kind.map_err(|_| StoreError::damaged(WHAT, "a kind of document"))?;
                let name = document.name.into();
                let value = Bytes::copy_from_slice(&document.value);
                Record::Document(DocumentKey { kind, name }, value)
            }
        })
    }
}

/// A task as a message.
pub fn task_to_message(task: &Task) -> durable::Task {
    let digest = match task.request_digest {
        0 => Bytes::new(),
        digest => digest_to_bytes(digest),
    };
    let extras = task.extras.as_deref().cloned().unwrap_or_default();
    let backoff = extras.backoff.map(|backoff| durable::Backoff {
        initial_s: backoff.initial_s,
        cap_s: backoff.cap_s,
        factor_percent: backoff.factor_percent,
        jitter_percent: backoff.jitter_percent,
    });
    durable::Task {
        uuid: Bytes::copy_from_slice(task.uuid.as_bytes()),
        seq: task.seq,
        queue: task.queue.to_string(),
        current_state: task.current_state.to_string(),
        auto_target_state: task.auto_target_state.to_string(),
        submit_time_ns: task.submit_time_ns,
        update_time_ns: task.update_time_ns,
        timeout_s: task.timeout_s,
        priority: task.priority,
        payload: task.payload.clone(),
        attempt: task.attempt,
        worker: task.worker.to_string(),
        claim_timeout_s: task.claim_timeout_s,
        request_digest: digest,
        not_before_ns: task.not_before_ns,
        unique_key: extras.unique_key.to_string(),
        metadata: extras.metadata,
        max_attempts: task.max_attempts,
        is_delayed: task.is_delayed,
        claimed_ns: task.claimed_ns,
        group: extras.group.to_string(),
        spared_attempts: extras.spared_attempts,
        backoff,
    }
}

/// A task from a message.
///
/// # Errors
/// If its uuid or digest is none.
pub fn task_from_message(message: durable::Task) -> Result<Arc<Task>> {
    let uuid = Uuid::from_slice(&message.uuid);
    let uuid = uuid.map_err(|_| StoreError::damaged(WHAT, "a uuid of a wrong length"))?;
    let request_digest = match &message.request_digest[..] {
        [] => 0,
        digest => digest_from_bytes(digest)?,
    };
    let extras = Extras {
        unique_key: message.unique_key.into(),
        metadata: message.metadata,
        group: message.group.into(),
        backoff: message.backoff.as_ref().map(backoff_from_message),
        spared_attempts: message.spared_attempts,
    };
    Ok(Arc::new(Task {
        uuid,
        seq: message.seq,
        queue: message.queue.into(),
        current_state: message.current_state.into(),
        auto_target_state: message.auto_target_state.into(),
        submit_time_ns: message.submit_time_ns,
        update_time_ns: message.update_time_ns,
        timeout_s: message.timeout_s,
        priority: message.priority,
        // Its own copy: a share of the block would keep all of it in memory.
        payload: Bytes::copy_from_slice(&message.payload),
        attempt: message.attempt,
        worker: message.worker.into(),
        claim_timeout_s: message.claim_timeout_s,
        request_digest,
        not_before_ns: message.not_before_ns,
        max_attempts: message.max_attempts,
        is_delayed: message.is_delayed,
        claimed_ns: message.claimed_ns,
        extras: extras.shared(),
    }))
}

/// A backoff from a message.
pub fn backoff_from_message(message: &durable::Backoff) -> Backoff {
    Backoff {
        initial_s: message.initial_s,
        cap_s: message.cap_s,
        factor_percent: message.factor_percent,
        jitter_percent: message.jitter_percent,
    }
}

fn digest_to_bytes(digest: u128) -> Bytes {
    Bytes::copy_from_slice(&digest.to_be_bytes())
}

fn digest_from_bytes(bytes: &[u8]) -> Result<u128> {
    let digest = bytes.try_into();
    let digest = digest.map_err(|_| StoreError::damaged(WHAT, "a digest of a wrong length"))?;
    Ok(u128::from_be_bytes(digest))
}

/// A header as a message.
pub fn header_to_message(header: &Header) -> durable::Header {
    let totals = durable::Totals {
        submitted: header.totals.submitted,
        completed: header.totals.completed,
        canceled: header.totals.canceled,
        timed_out: header.totals.timed_out,
    };
    let position = durable::Position {
        index: header.position.index,
        log_id: header.position.log_id.clone(),
        membership: header.position.membership.clone(),
    };
    durable::Header {
        position: Some(position),
        clock_ns: header.clock_ns,
        next_seq: header.next_seq,
        totals: Some(totals),
        state_hash: header.state_hash,
    }
}

/// A header from a message.
pub fn header_from_message(message: durable::Header) -> Header {
    let position = message.position.unwrap_or_default();
    let totals = message.totals.unwrap_or_default();
    Header {
        position: Position {
            index: position.index,
            log_id: Bytes::copy_from_slice(&position.log_id),
            membership: Bytes::copy_from_slice(&position.membership),
        },
        clock_ns: message.clock_ns,
        next_seq: message.next_seq,
        totals: Totals {
            submitted: totals.submitted,
            completed: totals.completed,
            canceled: totals.canceled,
            timed_out: totals.timed_out,
        },
        state_hash: message.state_hash,
    }
}
