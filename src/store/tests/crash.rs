//! A checkpoint that is cut short after any of its steps.

use std::sync::atomic::Ordering;

use super::harness::{Harness, copy_dir};
use crate::store::{Options, Store, View};

const FIRST: usize = 60;
const SECOND: usize = 300;

/// Returns whether the checkpoint had that many steps.
fn crash_after(step: usize) -> bool {
    let mut harness = Harness::new();
    harness.grow_much(1, FIRST);
    harness.checkpoint();
    let (copy, steps) = harness.crash_after(step);
    harness.reopen();
    harness.grow_much(2, SECOND);
    let done = futures::executor::block_on(harness.store().checkpoint_now()).is_ok();
    let crashed = steps.load(Ordering::SeqCst) > step;
    assert_eq!(done, !crashed);
    harness.close();
    harness.options = Options::default();
    if crashed {
        // As after kill -9 …
        let store = Store::open(copy.path(), Options::default()).unwrap();
        check(&harness, &store);
        drop(store);
    }
    // … and as after a clean end of the process.
    harness.reopen();
    check(&harness, harness.store());
    crashed
}

fn check(harness: &Harness, store: &Store) {
    let index = store.lock().header().position.index as usize;
    assert!(index == FIRST || index == FIRST + SECOND, "at {index}");
    harness.log.check(store);
}

#[test]
fn after_any_step() {
    let mut step = 0;
    while crash_after(step) {
        step += 1;
    }
    assert!(step >= 12, "{step} steps");
}

/// A checkpoint that fails once after any of its steps is finished by the next attempt.
#[test]
fn a_failed_attempt_is_made_good() {
    for step in 0.. {
        let mut harness = Harness::new();
        harness.grow_much(1, FIRST);
        harness.checkpoint();
        let steps = harness.fail_once_after(step);
        harness.reopen();
        harness.grow_much(2, SECOND);
        let first = futures::executor::block_on(harness.store().checkpoint_now());
        if steps.load(Ordering::SeqCst) <= step {
            assert!(step >= 12, "{step} steps");
            return;
        }
        assert!(first.is_err(), "step {step} failed");
        // What changes between the attempts waits for the next checkpoint.
        harness.grow_much(3, FIRST);
        harness.checkpoint();
        harness.log.check(harness.store());
        harness.reopen();
        assert_eq!(harness.index() as usize, FIRST + SECOND + FIRST);
        harness.log.check(harness.store());
    }
}

#[test]
fn in_the_middle_of_recovery() {
    let mut harness = Harness::new();
    harness.grow_much(1, FIRST);
    harness.checkpoint();
    let (copy, _) = harness.crash_after(4);
    harness.reopen();
    harness.grow_much(2, SECOND);
    assert!(futures::executor::block_on(harness.store().checkpoint_now()).is_err());
    harness.close();
    // The first recovery is repeated from the same redo file on top of what it did.
    let redo = copy.path().join("redo");
    let kept = std::fs::read(&redo).unwrap();
    drop(Store::open(copy.path(), Options::default()).unwrap());
    assert!(!redo.exists());
    std::fs::write(&redo, kept).unwrap();
    let store = Store::open(copy.path(), Options::default()).unwrap();
    assert_eq!(store.checkpoint_index() as usize, FIRST + SECOND);
    check(&harness, &store);
}

#[test]
fn a_torn_redo_file_is_ignored_before_it_has_its_name() {
    let mut harness = Harness::new();
    harness.grow_much(1, FIRST);
    harness.checkpoint();
    harness.close();
    std::fs::write(harness.path().join("redo.tmp"), b"cdogredo and then").unwrap();
    harness.reopen();
    assert_eq!(harness.index() as usize, FIRST);
    harness.log.check(harness.store());
}

#[test]
fn a_damaged_redo_file_makes_the_checkpoint_suspect() {
    let mut harness = Harness::new();
    harness.grow_much(1, FIRST);
    harness.store().write_snapshot(true).unwrap();
    harness.grow_much(2, 10);
    harness.checkpoint();
    harness.close();
    std::fs::write(harness.path().join("redo"), b"cdogredo and then").unwrap();
    harness.reopen();
    assert_eq!(harness.index() as usize, FIRST);
    harness.log.check(harness.store());
}

#[test]
fn a_copy_of_a_running_store_is_a_store() {
    let mut harness = Harness::new();
    harness.grow_much(1, FIRST);
    harness.checkpoint();
    harness.grow_much(3, 5);
    let copy = tempfile::tempdir().unwrap();
    copy_dir(&harness.path(), copy.path());
    let store = Store::open(copy.path(), Options::default()).unwrap();
    check(&harness, &store);
}
