//! Openraft's own suite over our log and state machine.

use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{StorageError, type_config::TypeConfigExt};
use tempfile::TempDir;

use super::log::LogStore;
use super::machine::Machine;
use super::types::TypeConfig;
use crate::store::{Options, Store};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let log = LogStore::open(&dir.path().join("log")).unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        Ok((dir, log, Machine::new(store)))
    }
}

#[test]
fn openraft_suite_passes() {
    TypeConfig::run(async { Suite::test_all(Builder).await }).unwrap();
}

#[test]
fn a_log_comes_back_after_it_was_dropped() {
    use super::types::{Entry, Group, LeaderId, LogId, Payload, Vote};
    use crate::proto::durable;
    use openraft::RaftLogReader;
    use openraft::storage::{RaftLogStorage, RaftLogStorageExt};

    let dir = tempfile::tempdir().unwrap();
    let leader_id = LeaderId {
        term: 3,
        node_id: 1,
    };
    let entry = |index| Entry {
        log_id: LogId { leader_id, index },
        payload: Payload::Normal(Group::encode(&durable::Group {
            now_ns: index as i64,
            commands: Vec::new(),
        })),
    };
    let vote = Vote {
        leader_id,
        committed: true,
    };
    TypeConfig::run(async {
        let mut log = LogStore::open(dir.path()).unwrap();
        log.save_vote(&vote).await.unwrap();
        log.blocking_append((0..100).map(entry)).await.unwrap();
        assert_eq!(*log.durable_index().borrow(), 99);
        log.purge(LogId {
            leader_id,
            index: 9,
        })
        .await
        .unwrap();
        log.truncate_after(Some(LogId {
            leader_id,
            index: 49,
        }))
        .await
        .unwrap();
        assert_eq!(*log.durable_index().borrow(), 49);
    });
    TypeConfig::run(async {
        let mut log = LogStore::open(dir.path()).unwrap();
        assert_eq!(log.read_vote().await.unwrap(), Some(vote));
        assert_eq!((log.first_index(), log.last_index()), (10, 49));
        let read = log.try_get_log_entries(10..50).await.unwrap();
        assert_eq!(read, (10..50).map(entry).collect::<Vec<_>>());
        assert_eq!(*log.durable_index().borrow(), 49);
    });
}

#[test]
fn a_long_purge_goes_in_steps_while_the_log_grows() {
    use super::types::{Entry, LeaderId, LogId, Payload};
    use openraft::storage::{RaftLogStorage, RaftLogStorageExt};

    let dir = tempfile::tempdir().unwrap();
    let leader_id = LeaderId {
        term: 1,
        node_id: 1,
    };
    let entry = |index| Entry {
        log_id: LogId { leader_id, index },
        payload: Payload::Blank,
    };
    TypeConfig::run(async {
        let mut log = LogStore::open(dir.path()).unwrap();
        log.blocking_append((0..3000).map(entry)).await.unwrap();
        let upto = |index| LogId { leader_id, index };
        log.purge(upto(2000)).await.unwrap();
        log.purge(upto(2499)).await.unwrap();
        let mut next = 3000;
        while log.first_index() < 2500 {
            log.blocking_append([entry(next)]).await.unwrap();
            next += 1;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert_eq!((log.first_index(), log.last_index()), (2500, next - 1));
    });
}

#[test]
fn a_damaged_log_is_refused() {
    use super::types::{Entry, LeaderId, LogId, Payload};
    use openraft::storage::RaftLogStorageExt;

    let dir = tempfile::tempdir().unwrap();
    let leader_id = LeaderId {
        term: 1,
        node_id: 1,
    };
    let entries = (0..100).map(|index| Entry {
        log_id: LogId { leader_id, index },
        payload: Payload::Blank,
    });
    TypeConfig::run(async {
        let mut log = LogStore::open(dir.path()).unwrap();
        log.blocking_append(entries).await.unwrap();
    });
    let mut files = std::fs::read_dir(dir.path()).unwrap();
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
    assert!(LogStore::open(dir.path()).is_err());
}
