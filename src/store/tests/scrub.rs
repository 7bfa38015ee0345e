//! Rows that are not what was written are found, and no snapshot is made of them.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::harness::Harness;
use crate::store::keys::Tree;
use crate::store::options::Hook;
use crate::store::record::Position;
use crate::store::scrub::Scrubbed;
use crate::store::verify;
use crate::store::{Changes, Options, StoreError, View};

/// Changes one row of a tree as a rotten disk would that no checksum tells of; a row that can't be read any more counts too.
fn rot(harness: &Harness, tree: Tree) {
    let disk = harness.store().inner.writer.lock().disk().unwrap();
    let (unbounded, all) = (Bound::Unbounded, usize::MAX);
    let rows = disk.read_bytes(tree, unbounded, unbounded, all).unwrap();
    let (key, value) = &rows[rows.len() / 2];
    let mut rotten = value.to_vec();
    let last = rotten.len() - 1;
    rotten[last] ^= 1;
    disk.apply(tree, &[(key, Some(&rotten))]).unwrap();
}

fn lose(harness: &Harness, tree: Tree) {
    let disk = harness.store().inner.writer.lock().disk().unwrap();
    let rows = disk.read_bytes(tree, Bound::Unbounded, Bound::Unbounded, 1);
    let key = rows.unwrap()[0].0.clone();
    disk.apply(tree, &[(&key, None)]).unwrap();
}

fn grown() -> Harness {
    let mut harness = Harness::new();
    harness.grow_much(1, 400);
    harness.checkpoint();
    harness
}

fn assert_damaged(found: Result<impl std::fmt::Debug, StoreError>) {
    let error = found.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_sound_store_is_sound_while_it_changes() {
    let mut harness = grown();
    let scrubber = harness.store().scrubber();
    for seed in 2..6 {
        let pass = {
            let scrubber = scrubber.clone();
            std::thread::spawn(move || scrubber.run().unwrap())
        };
        while !pass.is_finished() {
            harness.grow_much(seed, 40);
            harness.checkpoint();
        }
        let Scrubbed::Sound { rows, index } = pass.join().unwrap() else {
            panic!("nothing was in its way");
        };
        assert!(rows > 0 && index >= 400, "{rows} rows at {index}");
    }
}

#[test]
fn a_rotten_or_lost_row_is_found() {
    let trees = [
        Tree::Live,
        Tree::Archive,
        Tree::Answers,
        Tree::Documents,
        Tree::Figures,
        Tree::Buckets,
    ];
    for tree in trees {
        assert_found(tree, lose);
        // Which uuids are in a bucket, no sum tells.
        if tree != Tree::Buckets {
            assert_found(tree, rot);
        }
    }
}

fn assert_found(tree: Tree, change: fn(&Harness, Tree)) {
    let harness = grown();
    let scrubber = harness.store().scrubber();
    let before = scrubber.run().unwrap();
    assert!(matches!(before, Scrubbed::Sound { .. }));
    change(&harness, tree);
    assert_damaged(scrubber.run());
    assert!(harness.path().join("checkpoint.damaged").exists());
}

/// Older snapshots go, and the log is purged, behind a new one.
#[test]
fn no_snapshot_is_made_of_rotten_rows() {
    let mut harness = Harness::new();
    harness.grow_much(1, 200);
    let older = harness.store().write_snapshot(true).unwrap();
    harness.grow_much(2, 200);
    harness.checkpoint();
    rot(&harness, Tree::Live);
    assert_damaged(harness.store().write_snapshot(true));
    let left = verify::snapshots(&harness.path()).unwrap();
    assert_eq!(left, std::slice::from_ref(&older));
    // The next start rebuilds from it.
    harness.close();
    harness.reopen();
    assert_eq!(harness.index(), older.index);
    harness.log.check(harness.store());
}

/// A checkpoint that failed in its middle has rows of two moments until it is tried again.
#[test]
fn no_snapshot_is_made_of_a_half_written_checkpoint() {
    let mut harness = grown();
    let fails = Arc::new(AtomicBool::new(true));
    let (hook, pieces) = (fails.clone(), std::sync::atomic::AtomicUsize::new(0));
    harness.options = Options {
        hook: Hook {
            step: Some(Arc::new(move |step| {
                let is_later = step == "piece" && pieces.fetch_add(1, Ordering::SeqCst) > 0;
                !(is_later && hook.load(Ordering::SeqCst))
            })),
        },
        ..Options::default()
    };
    harness.reopen();
    harness.grow_much(2, 300);
    futures::executor::block_on(harness.store().checkpoint_now()).unwrap_err();
    let store = harness.store().clone();
    let written = std::thread::spawn(move || store.write_snapshot(false));
    std::thread::sleep(std::time::Duration::from_millis(200));
    fails.store(false, Ordering::SeqCst);
    let snapshot = written.join().unwrap().unwrap();
    verify::check_snapshot(&snapshot.path, snapshot.index).unwrap();
}

#[test]
fn it_gives_way_to_a_snapshot() {
    let harness = grown();
    let scrubber = harness.store().scrubber();
    let _wanted = harness.store().inner.snapshots.lock();
    assert_eq!(scrubber.run().unwrap(), Scrubbed::GaveWay);
}

#[test]
fn hashes_are_those_of_the_state() {
    let mut harness = grown();
    harness.grow_much(2, 300);
    let hashes = harness.store().lock().hashes();
    let indexes: Vec<u64> = hashes.iter().map(|at| at.index).collect();
    assert_eq!(indexes, [256, 512, 700]);
    for at in hashes {
        let model = harness.log.model_at(at.index);
        assert_eq!(model.header().state_hash, at.hash, "at {}", at.index);
    }
    let mut state = harness.store().lock();
    state.begin_entry(0);
    assert_eq!(state.hashes().len(), 2, "in the middle of an entry");
    let position = Position {
        index: 701,
        ..state.header().position.clone()
    };
    state.end_entry(position).unwrap();
    assert_eq!(state.hashes().len(), 3);
}

#[test]
fn a_state_that_is_wrong_stays_so_until_it_is_replaced() {
    let mut harness = grown();
    assert_eq!(harness.store().diverged().unwrap(), None);
    harness.store().mark_diverged("for a test").unwrap();
    harness.close();
    harness.reopen();
    let why = harness.store().diverged().unwrap();
    assert_eq!(why.as_deref(), Some("for a test"));
    let mut other = grown();
    let snapshot = other.store().write_snapshot(true).unwrap();
    let received = harness.dir.path().join("received");
    std::fs::copy(&snapshot.path, &received).unwrap();
    harness.store().install_snapshot(&received).unwrap();
    assert_eq!(harness.store().diverged().unwrap(), None);
    other.close();
}
