//! Remembered answers: what they cost, and what of them is read.

use std::sync::Arc;

use bytes::Bytes;

use super::harness::Harness;
use crate::store::answer::Answer;
use crate::store::keys::Tree;
use crate::store::record::Position;
use crate::store::scan::CHUNK_BYTES;
use crate::store::{Change, Changes, Store, StoreError, View};

const OUTCOME_BYTES: usize = 100_000;
const ANSWERS: usize = 30;

/// One entry, beside the harness's log.
fn entry(store: &Store, changes: impl IntoIterator<Item = Change>) {
    let mut state = store.lock();
    let index = state.header().position.index + 1;
    state.begin_entry(1);
    for change in changes {
        state.record(change).unwrap();
    }
    let position = Position {
        index,
        ..Position::default()
    };
    state.end_entry(position).unwrap();
}

fn remember(number: usize) -> Change {
    Change::Remember {
        key: format!("{number:04}").into(),
        answer: Arc::new(Answer {
            request_digest: number as u128,
            expires_ns: number as i64,
            outcome: Bytes::from(vec![1; OUTCOME_BYTES]),
        }),
    }
}

fn forget_first(store: &Store) -> Change {
    let next = store.lock().next_expiring_answer(None).unwrap();
    let (expiry, footprint) = next.unwrap();
    Change::Forget { expiry, footprint }
}

/// About how much memory, and how much of the disk, the state says that it takes.
fn sizes(store: &Store) -> (usize, u64) {
    let state = store.lock();
    (state.active_bytes(), state.held_bytes)
}

#[test]
fn they_count_in_memory_and_on_disk_until_they_are_forgotten() {
    let mut harness = Harness::new();
    let store = harness.store().clone();
    let empty = sizes(&store);
    entry(&store, (0..ANSWERS).map(remember));
    let (memory, held) = sizes(&store);
    let outcomes = ANSWERS * OUTCOME_BYTES;
    assert!((outcomes..outcomes + 50_000).contains(&memory), "{memory}");
    assert!(
        (outcomes..outcomes + 50_000).contains(&(held as usize)),
        "{held}"
    );
    // Forgotten before a checkpoint: no trace.
    entry(&store, [forget_first(&store)]);
    let (less, _) = sizes(&store);
    assert!((OUTCOME_BYTES..OUTCOME_BYTES + 2000).contains(&(memory - less)));

    // A checkpoint built from the snapshot holds as much as the one that grew.
    let grown = sizes(&store).1;
    store.write_snapshot(true).unwrap();
    drop(store);
    harness.close();
    std::fs::remove_dir_all(harness.path().join("checkpoint")).unwrap();
    harness.reopen();
    let store = harness.store();
    assert_eq!(sizes(store), (0, grown));
    store.lock().check().unwrap();

    for _ in 1..ANSWERS {
        entry(store, [forget_first(store)]);
    }
    let (memory, held) = sizes(store);
    assert!(memory < 20_000, "{memory}");
    assert_eq!(held, empty.1);
    assert_eq!(store.lock().header().state_hash, 0);
    harness.checkpoint();
    let disk = harness.store().inner.writer.lock().disk().unwrap();
    for tree in [Tree::Answers, Tree::Expiries] {
        assert_eq!(disk.last_key(tree).unwrap(), None, "{tree:?}");
    }
}

#[test]
fn a_snapshot_reads_a_few_large_ones_at_a_time() {
    let harness = Harness::new();
    entry(harness.store(), (0..ANSWERS).map(remember));
    harness.checkpoint();
    let disk = harness.store().inner.writer.lock().disk().unwrap();
    disk.begin_scan().unwrap();
    let (mut rows, mut chunks) = (0, 0);
    while let Some((_, chunk)) = disk.next_chunk().unwrap() {
        let bytes: usize = chunk.iter().map(|(_, value)| value.len()).sum();
        assert!(bytes <= CHUNK_BYTES + 2 * OUTCOME_BYTES, "{bytes}");
        rows += chunk.len();
        chunks += 1;
    }
    disk.end_scan();
    assert_eq!((rows, chunks), (ANSWERS, 3));
}

#[test]
fn a_change_that_does_not_follow_is_damage() {
    let harness = Harness::new();
    let store = harness.store();
    entry(store, [remember(1)]);
    let Change::Forget { expiry, footprint } = forget_first(store) else {
        unreachable!("it is a forgetting");
    };
    for checkpointed in [false, true] {
        if checkpointed {
            harness.checkpoint();
        }
        let mut other = footprint;
        other.hash ^= 1;
        let mut later = expiry.clone();
        later.expires_ns += 1;
        let wrong = [
            remember(1),
            Change::Forget {
                expiry: expiry.clone(),
                footprint: other,
            },
            Change::Forget {
                expiry: later,
                footprint,
            },
        ];
        for change in wrong {
            let result = store.lock().record(change.clone());
            assert!(
                matches!(result, Err(StoreError::Damaged { .. })),
                "{change:?}: {result:?}"
            );
        }
    }
    store.lock().check().unwrap();
}
