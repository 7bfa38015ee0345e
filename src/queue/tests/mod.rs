//! The rules as scripts, a naive model beside the machine, and input that no client sends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "a test fails by panicking, and need not be fast"
)]

mod figures;
mod fuzz;
mod limits_model;
mod looking;
mod malformed;
mod model;
mod property;
mod ripening;
mod script;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::proto::durable::{Command, RequestKey, Submit, command::Kind};
use crate::store::{MemoryStore, View};

/// A script's or test's name for a task, as its uuid: its letters, then zeros.
fn uuid_of(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    let length = name.len().min(16);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    Uuid::from_bytes(bytes)
}

fn bytes_of(uuid: Uuid) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(uuid.as_bytes())
}

fn command(kind: Kind) -> Command {
    Command {
        kind: Some(kind),
        key: None,
    }
}

/// A key for a request that is told from others by its number.
fn request_key(key: &str, request: u8, window_ns: i64) -> RequestKey {
    RequestKey {
        key: key.into(),
        request_digest: bytes::Bytes::from(vec![request; 16]),
        window_ns,
        skips_empty: false,
    }
}

/// A submit with the defaults that the API fills in.
fn submit(name: &str) -> Submit {
    Submit {
        uuid: bytes_of(uuid_of(name)),
        queue: "default".into(),
        current_state: "submitted".into(),
        auto_target_state: "submitted-working".into(),
        ..Submit::default()
    }
}

/// What is kept with each change must equal what a scan of all rows finds.
pub(crate) fn assert_in_step(store: &MemoryStore) {
    let rows = || store.live_tasks().chain(store.archived_tasks());
    let hash = rows().fold(0u64, |sum, task| sum.wrapping_add(task.hash()));
    let answers = store.remembered();
    let footprints = answers.map(|(key, answer)| (answer.expiry(key), answer.footprint(key)));
    let footprints: BTreeMap<_, _> = footprints.collect();
    let hashes = footprints.values().map(|footprint| footprint.hash);
    let hash = hashes.fold(hash, u64::wrapping_add);
    let figures = store.figures().rows();
    let hashes = figures.map(|(key, cell)| crate::store::figures::hash(&key, cell));
    let hash = hashes.fold(hash, u64::wrapping_add);
    let mut after = None;
    for footprint in &footprints {
        let next = store.next_expiring_answer(after).unwrap();
        assert_eq!(
            next.as_ref().map(|next| (&next.0, &next.1)),
            Some(footprint)
        );
        after = Some(footprint.0);
    }
    let documents = store.documents().all().map(|(key, value)| key.hash(value));
    let hash = documents.fold(hash, u64::wrapping_add);
    assert_eq!(store.next_expiring_answer(after).unwrap(), None, "expiries");
    assert_eq!(store.header().state_hash, hash, "state hash");

    let mut counted: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for task in store.live_tasks() {
        let states = counted.entry(&task.queue).or_default();
        *states.entry(&task.current_state).or_default() += 1;
    }
    let mut kept: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (queue, counts) in store.counts().queues() {
        let states = counts.states.iter();
        let states: BTreeMap<&str, u64> =
            states.map(|(name, count)| (&**name, count.live)).collect();
        assert_eq!(
            counts.total,
            states.values().sum::<u64>(),
            "total of {queue}"
        );
        kept.insert(queue, states);
    }
    assert_eq!(kept, counted, "counts");
    assert_delayed_in_step(store);
    assert_eq!(
        store.counts().total(),
        store.live_tasks().count() as u64,
        "total"
    );
}

/// Delayed tasks stand in no line, and unique keys lead to the live tasks that have them.
fn assert_delayed_in_step(store: &MemoryStore) {
    let mut delayed = Vec::new();
    let mut after = None;
    while let Some((ripening, uuid)) = store.next_delayed(after).unwrap() {
        delayed.push(uuid);
        after = Some(ripening);
    }
    let is_delayed = |task: &&std::sync::Arc<crate::store::record::Task>| task.is_delayed;
    let rows = store.live_tasks().filter(is_delayed);
    let mut found: Vec<_> = rows.map(|task| (task.not_before_ns, task.seq)).collect();
    found.sort_unstable();
    assert_eq!(delayed.len(), found.len(), "delayed");
    assert_eq!(store.counts().any_delayed(), !found.is_empty());
    assert_eq!(store.archived_tasks().filter(is_delayed).count(), 0);
    for task in store.live_tasks() {
        let (queue, state) = (&task.queue, &task.current_state);
        let ready = store.ready_tasks(queue, state).count() as u64;
        assert_eq!(store.claimable(queue, state), ready, "claimable");
        if let Some(key) = task.unique_key() {
            assert_eq!(store.unique(queue, key).unwrap(), Some(task.uuid), "{key}");
        }
    }
    for task in store.archived_tasks() {
        if let Some(key) = task.unique_key() {
            assert_ne!(store.unique(&task.queue, key).unwrap(), Some(task.uuid));
        }
    }
}
