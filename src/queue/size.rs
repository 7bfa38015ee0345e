//! How long a task is in a public answer: a claim of many stops by it.

use prost::encoding::{encoded_len_varint, key_len};

use crate::store::record::{Backoff, Task};

/// A uuid as text.
const UUID_LEN: usize = 36;

/// The bytes that a live task takes as one of several in a public answer.
///
/// Part of what a log entry means: the same on every node and in every version.
/// A field that is added to tasks counts only where it is set.
pub fn answer_bytes(task: &Task) -> u64 {
    let extras = task.extras.as_deref();
    let texts = [
        (1, UUID_LEN),
        (2, task.queue.len()),
        (3, task.current_state.len()),
        (4, task.auto_target_state.len()),
        (8, task.payload.len()),
        (11, task.worker.len()),
        (15, task.unique_key().map_or(0, |key| key.len())),
        (19, extras.map_or(0, |extras| extras.last_error.len())),
    ];
    let numbers = [
        (5, task.submit_time_ns),
        (6, task.update_time_ns),
        (7, task.timeout_s),
        (9, task.priority),
        (10, task.attempt),
        (12, task.deadline().map_or(0, |deadline| deadline.at_ns)),
        (13, task.not_before_ns),
        (16, task.claim_timeout_s),
        (17, task.max_attempts),
    ];
    let texts: usize = texts.iter().map(|(tag, len)| text_len(*tag, *len)).sum();
    let numbers: usize = numbers.iter().map(|(tag, n)| number_len(*tag, *n)).sum();
    let entries = extras.into_iter().flat_map(|extras| &extras.metadata);
    let entries: usize = entries.map(|(key, value)| entry_len(key, value)).sum();
    let backoff = extras.and_then(|extras| extras.backoff);
    let backoff = backoff.map_or(0, |backoff| backoff_len(&backoff));
    // The list of tasks is the answer's first field.
    text_len(1, texts + numbers + entries + backoff) as u64
}

/// A backoff: a message, and there even where all its numbers are 0.
fn backoff_len(backoff: &Backoff) -> usize {
    let numbers = (1..).zip(backoff.numbers());
    let len: usize = numbers.map(|(tag, number)| number_len(tag, number)).sum();
    key_len(18) + encoded_len_varint(len as u64) + len
}

/// An entry of the metadata: a message of key and value, and there even where both are empty.
fn entry_len(key: &str, value: &str) -> usize {
    let len = text_len(1, key.len()) + text_len(2, value.len());
    key_len(14) + encoded_len_varint(len as u64) + len
}

/// A text, bytes or a message with its tag and length; nothing where it is empty.
fn text_len(tag: u32, len: usize) -> usize {
    match len {
        0 => 0,
        len => key_len(tag) + encoded_len_varint(len as u64) + len,
    }
}

/// A number with its tag; nothing where it is 0.
fn number_len(tag: u32, number: i64) -> usize {
    match number {
        0 => 0,
        number => key_len(tag) + encoded_len_varint(number as u64),
    }
}
