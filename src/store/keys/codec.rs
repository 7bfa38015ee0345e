//! Values as bytes: a version byte, then bincode.

use std::sync::Arc;

use bincode::Options as _;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::history::HistoryRow;
use crate::store::StoreError;
use crate::store::history::History;
use crate::store::record::{Backoff, Extras, Task};
use crate::store::view::Result;

/// The version of all values. A change of a row's shape is a new one.
const VERSION: u8 = 1;
/// Tasks with fields that came later; all others are still written in the first version.
const LATER_TASK_VERSION: u8 = 2;
/// Tasks with fields that came after those.
const NEWEST_TASK_VERSION: u8 = 3;

/// Encodes a row.
///
/// # Errors
/// If bincode refuses.
pub fn encode(row: &impl Serialize) -> Result<Vec<u8>> {
    encode_as(VERSION, row)
}

/// Encodes a row of a later version than the first.
///
/// # Errors
/// If bincode refuses.
pub fn encode_as(version: u8, row: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = vec![version];
    let encoded = bincode::options().serialize_into(&mut bytes, row);
    encoded.map_err(|error| StoreError::Checkpoint(error.to_string()))?;
    Ok(bytes)
}

/// Decodes a row of `what`.
///
/// # Errors
/// If the bytes are no row of this version.
pub fn decode<'a, T: Deserialize<'a>>(what: &str, bytes: &'a [u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&VERSION, row)) => decode_row(what, row),
        Some((version, _)) => Err(unreadable(what, format!("unknown version {version}"))),
        None => Err(unreadable(what, "an empty value".to_owned())),
    }
}

/// Decodes a row of `what` behind its version byte.
///
/// # Errors
/// If the bytes are no such row.
pub fn decode_row<'a, T: Deserialize<'a>>(what: &str, row: &'a [u8]) -> Result<T> {
    let options = bincode::options().with_limit(row.len() as u64);
    let decoded = options.deserialize(row);
    decoded.map_err(|error| StoreError::damaged(what, error.to_string()))
}

fn unreadable(what: &str, detail: String) -> StoreError {
    StoreError::damaged(what, detail)
}

/// A key of fixed length.
///
/// # Errors
/// If the length is another.
pub fn fixed<const N: usize>(what: &str, bytes: &[u8]) -> Result<[u8; N]> {
    let detail = || StoreError::damaged(what, format!("a key of {} bytes", bytes.len()));
    bytes.try_into().map_err(|_| detail())
}

/// Makes the order of bytes the order of signed numbers.
pub fn ordered(number: i64) -> [u8; 8] {
    ((number as u64) ^ (1 << 63)).to_be_bytes()
}

/// The number behind [`ordered`] bytes.
pub fn from_ordered(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)) as i64
}

/// Appends a key of a time and an order of arrival, in their order.
pub fn write_moment(bytes: &mut Vec<u8>, at_ns: i64, seq: u64) {
    bytes.extend_from_slice(&ordered(at_ns));
    bytes.extend_from_slice(&seq.to_be_bytes());
}

/// The time and the order of arrival behind [`write_moment`] bytes.
///
/// # Errors
/// If the length is not theirs.
pub fn parse_moment(what: &str, bytes: &[u8]) -> Result<(i64, u64)> {
    let [at_ns, seq] = parts(what, bytes)?;
    Ok((from_ordered(at_ns), u64::from_be_bytes(seq)))
}

/// Splits a key of some numbers.
///
/// # Errors
/// If the length is not theirs.
pub fn parts<const N: usize>(what: &str, bytes: &[u8]) -> Result<[[u8; 8]; N]> {
    let (parts, rest) = bytes.as_chunks::<8>();
    let wrong = || StoreError::damaged(what, format!("a key of {} bytes", bytes.len()));
    if !rest.is_empty() {
        return Err(wrong());
    }
    parts.try_into().map_err(|_| wrong())
}

/// Encodes a task.
///
/// # Errors
/// If bincode refuses.
pub fn encode_task(task: &Task) -> Result<Vec<u8>> {
    let row = TaskRow {
        uuid: task.uuid.into_bytes(),
        seq: task.seq,
        queue: &task.queue,
        current_state: &task.current_state,
        auto_target_state: &task.auto_target_state,
        submit_time_ns: task.submit_time_ns,
        update_time_ns: task.update_time_ns,
        timeout_s: task.timeout_s,
        priority: task.priority,
        payload: Raw(&task.payload),
        attempt: task.attempt,
        worker: &task.worker,
        claim_timeout_s: task.claim_timeout_s,
        request_digest: task.request_digest,
    };
    if !task.has_later_fields() && !task.has_newest_fields() {
        return encode(&row);
    }
    let extras = task.extras.as_deref();
    let metadata = extras.iter().flat_map(|extras| &extras.metadata);
    let later = LaterTaskRow {
        row,
        not_before_ns: task.not_before_ns,
        max_attempts: task.max_attempts,
        is_delayed: task.is_delayed,
        unique_key: extras.map_or("", |extras| &extras.unique_key),
        metadata: metadata.map(|(key, value)| (&**key, &**value)).collect(),
    };
    if !task.has_newest_fields() {
        return encode_as(LATER_TASK_VERSION, &later);
    }
    let newest = NewestTaskRow {
        row: later,
        claimed_ns: task.claimed_ns,
        group: extras.map_or("", |extras| &extras.group),
        spared_attempts: extras.map_or(0, |extras| extras.spared_attempts),
        backoff: extras
            .and_then(|extras| extras.backoff)
            .map(|backoff| backoff.numbers()),
        last_error: extras.map_or("", |extras| &extras.last_error),
        history: HistoryRow::of(task),
    };
    encode_as(NEWEST_TASK_VERSION, &newest)
}

/// Decodes a task of `what`.
///
/// # Errors
/// If the bytes are no task of a known version.
pub fn decode_task(what: &str, bytes: &[u8]) -> Result<Arc<Task>> {
    let task = match bytes.split_first() {
        Some((&NEWEST_TASK_VERSION, row)) => newest_task(what, decode_row(what, row)?)?,
        Some((&LATER_TASK_VERSION, row)) => decode_row::<LaterTaskRow<'_>>(what, row)?.into(),
        _ => decode::<TaskRow<'_>>(what, bytes)?.into(),
    };
    Ok(Arc::new(task))
}

fn newest_task(what: &str, newest: NewestTaskRow<'_>) -> Result<Task> {
    let extras = Extras {
        group: newest.group.into(),
        spared_attempts: newest.spared_attempts,
        backoff: newest.backoff.map(Backoff::from),
        last_error: newest.last_error.into(),
        ..newest.row.extras()
    };
    let mut task = Task {
        claimed_ns: newest.claimed_ns,
        extras: extras.shared(),
        ..newest.row.into()
    };
    if let Some(history) = newest.history {
        task.history = history.read(what, &task)?;
    }
    Ok(task)
}

impl From<LaterTaskRow<'_>> for Task {
    fn from(later: LaterTaskRow<'_>) -> Self {
        Task {
            not_before_ns: later.not_before_ns,
            max_attempts: later.max_attempts,
            is_delayed: later.is_delayed,
            extras: later.extras().shared(),
            ..later.row.into()
        }
    }
}

impl LaterTaskRow<'_> {
    fn extras(&self) -> Extras {
        let metadata = self.metadata.iter();
        let metadata = metadata.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Extras {
            unique_key: self.unique_key.into(),
            metadata: metadata.collect(),
            ..Extras::default()
        }
    }
}

impl From<TaskRow<'_>> for Task {
    fn from(row: TaskRow<'_>) -> Self {
        Task {
            uuid: Uuid::from_bytes(row.uuid),
            seq: row.seq,
            queue: row.queue.into(),
            current_state: row.current_state.into(),
            auto_target_state: row.auto_target_state.into(),
            submit_time_ns: row.submit_time_ns,
            update_time_ns: row.update_time_ns,
            timeout_s: row.timeout_s,
            priority: row.priority,
            payload: Bytes::copy_from_slice(row.payload.0),
            attempt: row.attempt,
            worker: row.worker.into(),
            claim_timeout_s: row.claim_timeout_s,
            request_digest: row.request_digest,
            not_before_ns: 0,
            max_attempts: 0,
            is_delayed: false,
            claimed_ns: 0,
            history: History::default(),
            extras: None,
        }
    }
}

/// A task on disk. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
struct TaskRow<'a> {
    uuid: [u8; 16],
    seq: u64,
    queue: &'a str,
    current_state: &'a str,
    auto_target_state: &'a str,
    submit_time_ns: i64,
    update_time_ns: i64,
    timeout_s: i64,
    priority: i64,
    #[serde(borrow)]
    payload: Raw<'a>,
    attempt: i64,
    worker: &'a str,
    claim_timeout_s: i64,
    request_digest: u128,
}

/// A task on disk that has fields which came later. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
struct LaterTaskRow<'a> {
    #[serde(borrow)]
    row: TaskRow<'a>,
    not_before_ns: i64,
    max_attempts: i64,
    is_delayed: bool,
    unique_key: &'a str,
    #[serde(borrow)]
    metadata: Vec<(&'a str, &'a str)>,
}

/// A task on disk that has the newest fields. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
struct NewestTaskRow<'a> {
    #[serde(borrow)]
    row: LaterTaskRow<'a>,
    claimed_ns: i64,
    group: &'a str,
    spared_attempts: i64,
    backoff: Option<[i64; 4]>,
    last_error: &'a str,
    #[serde(borrow)]
    history: Option<HistoryRow<'a>>,
}

/// Bytes that are copied at once; serde would take them one by one.
pub struct Raw<'a>(pub &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        <&'a [u8]>::deserialize(deserializer).map(Raw)
    }
}
