//! Rows as the messages of a snapshot file.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::StoreError;
use super::answer::Answer;
use super::documents::DocumentKey;
use super::figures::{Cell, FigureKey, Histogram, Kind, Resolution, SlotKey, Subject};
use super::history::{History, Transition, TransitionKind};
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
    /// Figures, by slot and subject.
    Figure(FigureKey, Box<Cell>),
}

impl Record {
    /// As a message.
    pub fn to_message(&self) -> durable::Record {
        let kind = match self {
            Record::Live(task) => durable::record::Kind::Live(with_history(task)),
            Record::Archived(task) => durable::record::Kind::Archived(with_history(task)),
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
            Record::Figure(key, cell) => {
                durable::record::Kind::Figure(figure_to_message(key, cell))
            }
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
            durable::record::Kind::Figure(figure) => figure_from_message(figure)?,
        })
    }
}

fn figure_to_message(key: &FigureKey, cell: &Cell) -> durable::Figure {
    let histogram = |histogram: &Histogram| durable::Histogram {
        buckets: histogram
            .buckets
            .iter()
            .map(|(bucket, _)| u32::from(*bucket))
            .collect(),
        counts: histogram.buckets.iter().map(|(_, count)| *count).collect(),
        max_us: histogram.max_us,
        sum_us: histogram.sum_us,
    };
    durable::Figure {
        resolution: (key.slot.resolution as u8).into(),
        slot: key.slot.number,
        kind: (key.subject.kind as u8).into(),
        queue: key.subject.queue.to_string(),
        state: key.subject.state.to_string(),
        worker: key.subject.worker.to_string(),
        counts: cell.used_counts().to_vec(),
        last_seen_ns: cell.last_seen_ns,
        waited: Some(histogram(&cell.waited)),
        worked: Some(histogram(&cell.worked)),
    }
}

fn figure_from_message(figure: durable::Figure) -> Result<Record> {
    let unknown = || StoreError::damaged(WHAT, "figures of an unknown kind");
    let number = |number: u32| u8::try_from(number).map_err(|_| unknown());
    let resolution = Resolution::from_number(number(figure.resolution)?);
    let kind = Kind::from_number(number(figure.kind)?);
    let key = FigureKey {
        slot: SlotKey {
            resolution: resolution.ok_or_else(unknown)?,
            number: figure.slot,
        },
        subject: Subject {
            kind: kind.ok_or_else(unknown)?,
            queue: figure.queue.into(),
            state: figure.state.into(),
            worker: figure.worker.into(),
        },
    };
    let histogram = |message: Option<durable::Histogram>| {
        let message = message.unwrap_or_default();
        let buckets = message.buckets.into_iter().zip(message.counts);
        let buckets = buckets.map(|(bucket, count)| Some((u16::try_from(bucket).ok()?, count)));
        Some(Histogram {
            buckets: buckets.collect::<Option<_>>()?,
            max_us: message.max_us,
            sum_us: message.sum_us,
        })
    };
    let cell = Cell {
        counts: Cell::read_counts(&figure.counts).ok_or_else(unknown)?,
        last_seen_ns: figure.last_seen_ns,
        waited: histogram(figure.waited).ok_or_else(unknown)?,
        worked: histogram(figure.worked).ok_or_else(unknown)?,
    };
    Ok(Record::Figure(key, Box::new(cell)))
}

/// A task with its history, as a snapshot holds it.
fn with_history(task: &Task) -> durable::Task {
    let transitions = task.history.newest_first();
    let mut history: Vec<_> = transitions.map(transition_to_message).collect();
    history.reverse();
    durable::Task {
        history,
        dropped_transitions: task.history.dropped(),
        ..task_to_message(task)
    }
}

fn transition_to_message(transition: &Transition) -> durable::Transition {
    durable::Transition {
        at_ns: transition.at_ns,
        kind: transition.kind.number().into(),
        from: transition.from.to_string(),
        worker: transition.worker.to_string(),
        attempt: transition.attempt,
    }
}

fn history_from_message(task: &mut durable::Task) -> Result<History> {
    let mut transitions: Vec<Transition> = Vec::with_capacity(task.history.len());
    for message in std::mem::take(&mut task.history) {
        let kind = u8::try_from(message.kind).ok();
        let kind = kind.and_then(TransitionKind::from_number);
        let kind = kind.ok_or_else(|| StoreError::damaged(WHAT, "a kind of transition"))?;
        // Most names are those of one of the two before.
        let before = || transitions.iter().rev().take(2);
        let shared = |name: &str, known: Option<Name>| known.unwrap_or_else(|| name.into());
        let from = before().map(|one| &one.from);
        let from = from.clone().find(|known| ***known == *message.from);
        let worker = before().map(|one| &one.worker);
        let worker = worker.clone().find(|known| ***known == *message.worker);
        transitions.push(Transition {
            at_ns: message.at_ns,
            kind,
            from: shared(&message.from, from.cloned()),
            worker: shared(&message.worker, worker.cloned()),
            attempt: message.attempt,
        });
    }
    Ok(History::from_oldest(task.dropped_transitions, transitions))
}

/// A task as a message, without its history.
pub fn task_to_message(task: &Task) -> durable::Task {
    let digest = match task.request_digest {
        0 => Bytes::new(),
        digest => digest_to_bytes(digest),
    };
    let extras = task.extras.as_deref().cloned().unwrap_or_default();
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
        backoff: extras.backoff.map(backoff_to_message),
        last_error: extras.last_error.to_string(),
        history: Vec::new(),
        dropped_transitions: 0,
    }
}

/// A task from a message.
///
/// # Errors
/// If its uuid or digest is none, or a transition is of no kind.
pub fn task_from_message(mut message: durable::Task) -> Result<Arc<Task>> {
    let history = history_from_message(&mut message)?;
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
        last_error: message.last_error.into(),
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
        history,
        extras: extras.shared(),
    }))
}

/// A backoff as a message.
pub fn backoff_to_message(backoff: Backoff) -> durable::Backoff {
    durable::Backoff {
        initial_s: backoff.initial_s,
        cap_s: backoff.cap_s,
        factor_percent: backoff.factor_percent,
        jitter_percent: backoff.jitter_percent,
    }
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
        failed: header.totals.failed,
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
            failed: totals.failed,
        },
        state_hash: message.state_hash,
    }
}
