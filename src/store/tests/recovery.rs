//! Damaged files, full disks and late logs.

use std::time::Duration;

use tokio::sync::watch;

use super::harness::{Harness, copy_dir};
use crate::store::keys::Tree;
use crate::store::{Changes, Options, Store, StoreError, View};

/// Overwrites half of a file.
fn damage(path: &std::path::Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let length = bytes.len();
    let middle = &mut bytes[length / 1000..length / 2];
    middle.iter_mut().for_each(|byte| *byte = !*byte);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_rebuilt_from_the_snapshot() {
    let mut harness = Harness::new();
    harness.grow_much(1, 200);
    let snapshot = harness.store().write_snapshot(true).unwrap();
    harness.grow_much(2, 100);
    harness.checkpoint();
    harness.close();
    for file in ["db", "conf"] {
        damage(&harness.path().join("checkpoint").join(file));
        harness.reopen();
        assert_eq!(harness.index(), snapshot.index, "{file}");
        harness.log.check(harness.store());
        harness.checkpoint();
        harness.reopen();
        assert_eq!(harness.index(), 300, "{file}");
        harness.close();
    }
}

#[test]
fn a_checkpoint_that_lost_its_end_is_noticed() {
    let mut harness = Harness::new();
    harness.grow_much(1, 100);
    let snapshot = harness.store().write_snapshot(true).unwrap();
    harness.close();
    let old = tempfile::tempdir().unwrap();
    copy_dir(&harness.path().join("checkpoint"), old.path());
    harness.reopen();
    harness.grow_much(2, 100);
    harness.checkpoint();
    harness.close();
    std::fs::remove_dir_all(harness.path().join("checkpoint")).unwrap();
    copy_dir(old.path(), &harness.path().join("checkpoint"));
    harness.reopen();
    assert_eq!(harness.index(), snapshot.index);
    assert!(!harness.path().join("redo.done").exists());
    harness.log.check(harness.store());
}

#[test]
fn without_a_snapshot_it_starts_at_the_beginning() {
    let mut harness = Harness::new();
    harness.grow_much(1, 100);
    harness.checkpoint();
    harness.close();
    std::fs::remove_file(harness.path().join("checkpoint/db")).unwrap();
    harness.reopen();
    assert_eq!(harness.index(), 0);
    harness.log.check(harness.store());
}

#[test]
fn a_noted_damage_is_believed() {
    let mut harness = Harness::new();
    harness.grow_much(1, 100);
    harness.checkpoint();
    harness.close();
    std::fs::write(harness.path().join("checkpoint.damaged"), b"").unwrap();
    harness.reopen();
    assert_eq!(harness.index(), 0);
    harness.log.check(harness.store());
    harness.checkpoint();
    harness.reopen();
    assert_eq!(harness.index(), 100);
}

#[test]
fn a_swap_that_was_cut_short_is_made_again() {
    let mut harness = Harness::new();
    harness.grow_much(1, 100);
    let snapshot = harness.store().write_snapshot(true).unwrap();
    harness.grow_much(2, 20);
    harness.checkpoint();
    harness.close();
    let [checkpoint, new, marker] =
        ["", ".new", ".damaged"].map(|end| harness.path().join(format!("checkpoint{end}")));
    std::fs::write(&marker, b"").unwrap();
    std::fs::rename(&checkpoint, &new).unwrap();
    harness.reopen();
    assert_eq!(harness.index(), snapshot.index);
    assert!(!marker.exists() && !new.exists());
    harness.log.check(harness.store());
}

#[test]
fn an_older_snapshot_serves_where_the_newest_is_damaged() {
    let mut harness = Harness::new();
    harness.grow_much(1, 100);
    let older = harness.store().write_snapshot(true).unwrap();
    let kept = std::fs::read(&older.path).unwrap();
    harness.grow_much(2, 100);
    let newest = harness.store().write_snapshot(true).unwrap();
    harness.close();
    std::fs::write(&older.path, kept).unwrap();
    damage(&harness.path().join("checkpoint/db"));
    damage(&newest.path);
    harness.reopen();
    assert_eq!(harness.index(), older.index);
    harness.log.check(harness.store());
}

#[test]
fn where_all_snapshots_are_damaged_too_it_says_so() {
    let mut harness = Harness::new();
    harness.grow_much(1, 100);
    let snapshot = harness.store().write_snapshot(true).unwrap();
    harness.close();
    damage(&harness.path().join("checkpoint/db"));
    damage(&snapshot.path);
    let error = Store::open(&harness.path(), Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert!(
        error.to_string().contains("00000000000000000100.snap"),
        "{error}"
    );
}

#[test]
fn two_processes_cannot_hold_it() {
    let harness = Harness::new();
    let error = Store::open(&harness.path(), Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Sled { .. }), "{error}");
    harness.log.check(harness.store());
}

#[test]
fn a_checkpoint_waits_for_thelog() {
    let mut harness = Harness::new();
    let (log, durable_index) = watch::channel(0);
    harness.options.durable_index = Some(durable_index);
    harness.reopen();
    harness.grow_much(1, 10);
    harness.freeze();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(harness.store().checkpoint_index(), 0);
    assert!(harness.store().metrics().checkpoint_running);
    log.send_replace(9);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(harness.store().checkpoint_index(), 0);
    log.send_replace(10);
    harness.checkpoint();
    assert_eq!(harness.store().checkpoint_index(), 10);
}

#[test]
fn memory_is_bounded_while_checkpoints_fail() {
    let mut harness = Harness::new();
    harness.options.memtable_bytes = 64 * 1024;
    harness.reopen();
    let in_the_way = harness.path().join("redo.tmp");
    std::fs::create_dir(&in_the_way).unwrap();
    let mut entries = 0;
    while harness.store().room() {
        harness.grow_much(entries, 1);
        harness.store().freeze_if_due();
        entries += 1;
        assert!(entries < 100_000);
    }
    assert!(harness.store().metrics().memtable_bytes < 5 * 64 * 1024);
    futures::executor::block_on(harness.store().checkpoint_now()).unwrap_err();
    assert!(harness.store().health().is_some());
    std::fs::remove_dir(&in_the_way).unwrap();
    futures::executor::block_on(harness.store().wait_for_room());
    assert!(harness.store().room());
    while harness.store().checkpoint_index() < u64::from(entries) {
        std::thread::sleep(Duration::from_millis(10));
        harness.freeze();
    }
    assert_eq!(harness.store().health(), None);
    harness.log.check(harness.store());
}

#[test]
fn nothing_is_frozen_in_the_middle_of_an_entry() {
    let harness = Harness::new();
    harness.store().lock().begin_entry(5);
    harness.freeze();
    assert!(!harness.store().metrics().checkpoint_running);
    let position = harness.store().lock().header().position.clone();
    harness.store().lock().end_entry(position).unwrap();
    harness.freeze();
    assert!(
        harness.store().metrics().checkpoint_running || harness.store().metrics().checkpoints == 1
    );
}

#[test]
fn damage_met_while_running_is_remembered() {
    let mut harness = Harness::new();
    harness.grow_much(1, 100);
    harness.checkpoint();
    let task = harness.log.model.live_tasks().next().unwrap().clone();
    let disk = harness.store().inner.writer.lock().disk().unwrap();
    let broken: &[u8] = &[1, 2, 3];
    disk.apply(Tree::Live, &[(task.uuid.as_bytes(), Some(broken))])
        .unwrap();
    drop(disk);
    let error = harness.store().lock().live(task.uuid).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    harness.reopen();
    assert_eq!(harness.index(), 0);
    harness.log.check(harness.store());
}

#[test]
fn a_snapshot_ends_the_wait_for_thelog() {
    let mut other = Harness::new();
    other.grow_much(1, 100);
    let snapshot = other.store().write_snapshot(true).unwrap();
    let mut harness = Harness::new();
    let (log, durable_index) = watch::channel(0);
    harness.options.durable_index = Some(durable_index);
    harness.reopen();
    harness.grow_much(2, 10);
    harness.freeze();
    std::thread::sleep(Duration::from_millis(20));
    harness.store().install_snapshot(&snapshot.path).unwrap();
    log.send_replace(200);
    other.log.check(harness.store());
    other.log.grow(&[]).apply(&mut *harness.store().lock());
    harness.checkpoint();
    assert_eq!(harness.store().checkpoint_index(), 101);
    other.log.check(harness.store());
}
