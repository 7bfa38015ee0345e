//! Openraft's own suite over our log and state machine.

use std::sync::Arc;
use std::time::Duration;

use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{StorageError, type_config::TypeConfigExt};
use tempfile::TempDir;

use super::log::LogStore;
use super::machine::Machine;
use super::types::{Entry, LeaderId, LogId, Payload, TypeConfig, Vote};
use crate::clock;
use crate::store::{Options, Store};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let log = LogStore::open(&dir.path().join("log")).unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let machine = Machine::new(store, Arc::default(), Arc::default()).unwrap();
        Ok((dir, log, machine))
    }
}

fn log_id(index: u64) -> LogId {
    let leader_id = LeaderId {
        term: 3,
        node_id: 1,
    };
    LogId { leader_id, index }
}

fn blank(index: u64) -> Entry {
    Entry {
        log_id: log_id(index),
        payload: Payload::Blank,
    }
}

#[tokio::test]
async fn who_waits_for_news_of_a_raft_that_has_stopped_does_not_spin() {
    let (news, watched) = TypeConfig::watch_channel(());
    drop(news);
    let (began, at_most) = (clock::monotonic(), Duration::from_millis(20));
    super::changed(watched, at_most).await;
    assert!(clock::monotonic() - began >= at_most);
}

#[test]
fn openraft_suite_passes() {
    TypeConfig::run(async { Suite::test_all(Builder).await }).unwrap();
}

#[test]
fn a_log_comes_back_after_it_was_dropped() {
    use super::types::{Group, Vote};
    use openraft::RaftLogReader;
    use openraft::storage::{RaftLogStorage, RaftLogStorageExt};

    let dir = tempfile::tempdir().unwrap();
    let entry = |index| Entry {
        log_id: log_id(index),
        payload: Payload::Normal(Group::splice(index as i64, [].iter(), Vec::new())),
    };
    let vote = Vote {
        leader_id: log_id(0).leader_id,
        committed: true,
    };
    TypeConfig::run(async {
        let mut log = LogStore::open(&dir.path().join("log")).unwrap();
        log.save_vote(&vote).await.unwrap();
        log.blocking_append((0..100).map(entry)).await.unwrap();
        assert_eq!(*log.durable_index().borrow(), 99);
        log.purge(log_id(9)).await.unwrap();
        log.truncate_after(Some(log_id(49))).await.unwrap();
        assert_eq!(*log.durable_index().borrow(), 49);
    });
    TypeConfig::run(async {
        let mut log = LogStore::open(&dir.path().join("log")).unwrap();
        assert_eq!(log.read_vote().await.unwrap(), Some(vote));
        assert_eq!((log.first_index(), log.last_index()), (10, 49));
        let read = log.try_get_log_entries(10..50).await.unwrap();
        assert_eq!(read, (10..50).map(entry).collect::<Vec<_>>());
        assert_eq!(*log.durable_index().borrow(), 49);
    });
}

#[test]
fn a_vote_is_given_once_it_is_synced() {
    use openraft::storage::RaftLogStorage;

    let dir = tempfile::tempdir().unwrap();
    TypeConfig::run(async {
        let mut log = LogStore::open(&dir.path().join("log")).unwrap();
        for term in 1..10 {
            let before = log.figures().flushes.sync_batch_count;
            log.save_vote(&Vote::new(term, 2)).await.unwrap();
            assert!(log.figures().flushes.sync_batch_count > before);
        }
    });
}

#[test]
fn a_long_purge_ends_while_the_log_grows() {
    use openraft::storage::{RaftLogStorage, RaftLogStorageExt};

    let dir = tempfile::tempdir().unwrap();
    TypeConfig::run(async {
        let mut log = LogStore::open(&dir.path().join("log")).unwrap();
        log.blocking_append((0..3000).map(blank)).await.unwrap();
        log.purge(log_id(2000)).await.unwrap();
        log.purge(log_id(2499)).await.unwrap();
        let mut next = 3000;
        while log.first_index() < 2500 {
            log.blocking_append([blank(next)]).await.unwrap();
            next += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!((log.first_index(), log.last_index()), (2500, next - 1));
    });
}

#[test]
fn a_long_purge_goes_in_steps() {
    use openraft::storage::RaftLogStorageExt;

    let dir = tempfile::tempdir().unwrap();
    TypeConfig::run(async {
        let mut log = LogStore::open(&dir.path().join("log")).unwrap();
        log.blocking_append((0..3000).map(blank)).await.unwrap();
        *log.purge_to.lock() = Some(log_id(1200));
        let mut steps = Vec::new();
        while let Some(step) = log.next_purge() {
            log.purge_now(step).await.unwrap();
            steps.push((step.index, log.first_index()));
        }
        assert_eq!(steps, [(511, 512), (1023, 1024), (1200, 1201)]);
    });
}

#[test]
fn a_damaged_log_is_refused() {
    use openraft::storage::RaftLogStorageExt;

    let dir = tempfile::tempdir().unwrap();
    TypeConfig::run(async {
        let mut log = LogStore::open(&dir.path().join("log")).unwrap();
        log.blocking_append((0..100).map(blank)).await.unwrap();
    });
    let mut files = std::fs::read_dir(dir.path().join("log")).unwrap();
    let chunk = files.find_map(|file| {
        let path = file.unwrap().path();
        path.extension()
            .is_some_and(|extension| extension == "wal")
            .then_some(path)
    });
    let chunk = chunk.unwrap();
    let mut bytes = std::fs::read(&chunk).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&chunk, bytes).unwrap();
    assert!(LogStore::open(&dir.path().join("log")).is_err());
}

/// A group that a later version of the program would write.
fn newer_group() -> super::types::Group {
    use prost::Message;

    let group = crate::proto::durable::Group {
        version: crate::queue::VERSION + 1,
        ..Default::default()
    };
    let tagged = [&[super::types::Group::TAG], &group.encode_to_vec()[..]];
    super::types::Group::from_tagged(tagged.concat().into())
}

#[test]
fn a_node_stops_at_an_entry_of_a_later_version() {
    use openraft::storage::RaftStateMachine;

    TypeConfig::run(async {
        let (_dir, _log, mut machine) = Builder.build().await.unwrap();
        let entry = Entry {
            log_id: log_id(1),
            payload: Payload::Normal(newer_group()),
        };
        let entries = futures::stream::iter([Ok((entry, None))]);
        let stopped = machine.apply(entries).await.unwrap_err();
        assert_eq!(stopped.kind(), std::io::ErrorKind::Unsupported);
        assert!(stopped.to_string().contains("log entry 1 is of version 2"));
        // Nothing of it was applied.
        assert_eq!(machine.applied_state().await.unwrap().0, None);
    });
}
