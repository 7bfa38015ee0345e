//! Snapshots beside everything else.

use super::harness::Harness;
use crate::store::durable::Record;
use crate::store::figures::hash;
use crate::store::snapshot::SnapshotWriter;
use crate::store::{Options, Store, StoreError, View, read_snapshot};

#[test]
fn a_scan_sees_the_state_of_its_beginning() {
    let mut harness = Harness::new();
    harness.grow_much(1, 1500);
    harness.checkpoint();
    let started = harness.index();
    let disk = harness.store().inner.writer.lock().disk().unwrap();
    disk.begin_scan().unwrap();
    let mut rows = Vec::new();
    let mut seed = 2;
    while let Some((tree, chunk)) = disk.next_chunk().unwrap() {
        rows.extend(chunk.into_iter().map(|(key, value)| (tree, key, value)));
        harness.grow_much(seed, 150);
        harness.checkpoint();
        seed += 1;
    }
    disk.end_scan();
    assert!(seed > 5);
    // A store that stopped where the scan began has the same rows.
    let other = tempfile::tempdir().unwrap();
    let other = Store::open(other.path(), Options::default()).unwrap();
    for entry in &harness.log.entries[..started as usize] {
        entry.apply(&mut *other.lock());
    }
    futures::executor::block_on(other.checkpoint_now()).unwrap();
    let disk = other.inner.writer.lock().disk().unwrap();
    disk.begin_scan().unwrap();
    let mut wanted = Vec::new();
    while let Some((tree, chunk)) = disk.next_chunk().unwrap() {
        wanted.extend(chunk.into_iter().map(|(key, value)| (tree, key, value)));
    }
    assert_eq!(rows.len(), wanted.len());
    assert!(rows == wanted);
}

#[test]
fn one_is_written_while_checkpoints_go_on() {
    let mut harness = Harness::new();
    harness.grow_much(1, 1000);
    harness.checkpoint();
    let store = harness.store().clone();
    let writer = std::thread::spawn(move || {
        for _ in 0..4 {
            store.write_snapshot(false).unwrap();
        }
        store.write_snapshot(false).unwrap()
    });
    for seed in 2..30 {
        harness.grow_much(seed, 40);
        harness.freeze();
    }
    let snapshot = writer.join().unwrap();
    assert_eq!(
        harness.store().newest_snapshot().unwrap(),
        Some(snapshot.clone())
    );
    let other = tempfile::tempdir().unwrap();
    let store = Store::open(other.path(), Options::default()).unwrap();
    let received = other.path().join("received");
    std::fs::copy(&snapshot.path, &received).unwrap();
    let installed = store.install_snapshot(&received).unwrap();
    assert_eq!(installed.index, snapshot.index);
    assert_eq!(installed.bytes, snapshot.bytes);
    harness.log.check(&store);
}

#[test]
fn installing_replaces_everything() {
    let mut harness = Harness::new();
    harness.grow_much(1, 400);
    let snapshot = harness.store().write_snapshot(true).unwrap();
    let mut other = Harness::new();
    other.grow_much(9, 300);
    other.checkpoint();
    other.grow_much(8, 20);
    other.freeze();
    let received = other.dir.path().join("received");
    std::fs::copy(&snapshot.path, &received).unwrap();
    other.store().install_snapshot(&received).unwrap();
    harness.log.check(other.store());
    assert!(!received.exists());
    other.checkpoint();
    other.reopen();
    assert_eq!(other.index(), 400);
    harness.log.check(other.store());
    // What was received is what a rebuild starts from.
    other.close();
    std::fs::remove_dir_all(other.path().join("checkpoint")).unwrap();
    other.reopen();
    harness.log.check(other.store());
}

#[test]
fn a_damaged_one_changes_nothing() {
    let mut harness = Harness::new();
    harness.grow_much(1, 100);
    let snapshot = harness.store().write_snapshot(true).unwrap();
    let whole = std::fs::read(&snapshot.path).unwrap();
    harness.grow_much(2, 10);
    let received = harness.dir.path().join("received");
    for at in [0, 3, 11, 20, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        for bytes in [&whole[..at], &flipped] {
            std::fs::write(&received, bytes).unwrap();
            let error = harness.store().install_snapshot(&received).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("received"), "{error}");
        }
    }
    harness.log.check(harness.store());
}

#[test]
fn an_empty_state_has_one_too() {
    let mut harness = Harness::new();
    let snapshot = harness.store().write_snapshot(true).unwrap();
    assert_eq!(snapshot.index, 0);
    harness.close();
    std::fs::remove_dir_all(harness.path().join("checkpoint")).unwrap();
    harness.reopen();
    harness.log.check(harness.store());
}

/// What a version wrote that kept no figures.
#[test]
fn one_without_figures_is_read_too() {
    let mut harness = Harness::new();
    harness.grow_much(1, 300);
    let snapshot = harness.store().write_snapshot(true).unwrap();
    let mut reader = read_snapshot(&snapshot.path).unwrap();
    let mut header = reader.header().clone();
    let mut records = Vec::new();
    for record in reader.by_ref() {
        match record.unwrap() {
            Record::Figure(key, cell) => {
                header.state_hash = header.state_hash.wrapping_sub(hash(&key, &cell));
            }
            record => records.push(record),
        }
    }
    let old = harness.dir.path().join("old");
    let mut writer = SnapshotWriter::create(&old, &header).unwrap();
    records
        .iter()
        .for_each(|record| writer.push(record).unwrap());
    writer.finish().unwrap();
    let mut other = Harness::new();
    other.store().install_snapshot(&old).unwrap();
    {
        let mut state = other.store().lock();
        assert_eq!(state.figures().rows().count(), 0);
        state.check().unwrap();
        // From here on it keeps them.
        harness.log.grow(&[0]).apply(&mut *state);
        assert_eq!(state.figures().rows().count(), 1);
        state.check().unwrap();
    }
    other.checkpoint();
    other.reopen();
    let state = other.store().lock();
    assert_eq!(state.figures().rows().count(), 1);
    state.check().unwrap();
}
