//! Openraft's state machine: decodes entries, applies them with [`crate::queue`] to the store.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{Stream, TryStreamExt};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};

use super::batches::{Applied, Batches};
use super::codec;
use super::ready::ReadyHook;
use super::types::{Entry, LogId, Payload, StoredMembership, TypeConfig};
use crate::proto::durable::Origin;
use crate::queue::{self, Outcome};
use crate::store::record::{Header, Position};
use crate::store::{Changes, SnapshotFile, State, Store, StoreError, View, read_snapshot};
use crate::work;

/// What works on snapshots.
pub(super) const THREAD: &str = "snapshot";
/// Entries applied before other tasks get their turn.
const ENTRIES_A_TURN: u64 = 64;

/// A snapshot on its way: a file.
#[derive(Debug, Clone)]
pub struct SnapshotData {
    /// Where it lies.
    pub path: PathBuf,
}

/// The state machine of a node; clones share the store.
#[derive(Clone)]
pub struct Machine {
    store: Store,
    batches: Arc<Batches>,
    ready: Arc<ReadyHook>,
    /// The index of the last snapshot that raft was given.
    given: Arc<AtomicU64>,
}

impl Machine {
    /// Applies to that store, and hands outcomes and news to whoever waits for them.
    ///
    /// # Errors
    /// If the store's position can't be read.
    pub fn new(
        store: Store,
        batches: Arc<Batches>,
        ready: Arc<ReadyHook>,
    ) -> Result<Self, io::Error> {
        let machine = Self {
            store,
            batches,
            ready,
            given: Arc::default(),
        };
        machine.tell_position()?;
        Ok(machine)
    }

    /// Tells who waits that the state is another one now.
    fn tell_position(&self) -> Result<(), io::Error> {
        let (log_id, _) = applied(self.store.lock().header())?;
        if let Some(log_id) = log_id {
            self.batches.installed(applied_at(&log_id));
        }
        Ok(())
    }

    fn apply_entry(&self, entry: Entry) -> Result<(), io::Error> {
        let entry_applied = applied_at(&entry.log_id);
        let (origins, outcomes, news) = {
            let mut state = self.store.lock();
            let (origins, outcomes) = apply_payload(&mut state, entry)?;
            (origins, outcomes, state.take_ready())
        };
        self.batches.applied(entry_applied, &origins, outcomes);
        self.ready.call(news);
        Ok(())
    }
}

fn applied_at(log_id: &LogId) -> Applied {
    Applied {
        index: log_id.index,
        leader: Some(log_id.leader_id),
    }
}

/// Stops the node at an entry that means more than it knows.
fn check_version(index: u64, version: u32) -> Result<(), io::Error> {
    let known = queue::VERSION;
    if version <= known {
        return Ok(());
    }
    let what = format!(
        "log entry {index} is of version {version}, and this program ({}) knows versions up to {known}: \
         start this node with the program that the others run; its data is in order",
        env!("CARGO_PKG_VERSION")
    );
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

fn apply_payload(
    state: &mut State,
    entry: Entry,
) -> Result<(Vec<Origin>, Vec<Outcome>), io::Error> {
    let mut position = Position {
        index: entry.log_id.index,
        log_id: codec::log_id_to_bytes(Some(entry.log_id)),
        membership: state.header().position.membership.clone(),
    };
    match entry.payload {
        Payload::Normal(group) => {
            let mut group = group.decode().map_err(|error| {
                let what = format!("log entry {} can't be decoded: {error}", position.index);
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?;
            check_version(position.index, group.version)?;
            let origins = std::mem::take(&mut group.origins);
            Ok((origins, queue::apply(state, group, position)?))
        }
        Payload::Membership(membership) => {
            let stored = StoredMembership::new(Some(entry.log_id), membership);
            position.membership = codec::membership_to_bytes(&stored);
            state.end_entry(position)?;
            Ok((Vec::new(), Vec::new()))
        }
        Payload::Blank => {
            state.end_entry(position)?;
            Ok((Vec::new(), Vec::new()))
        }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}

fn applied(header: &Header) -> Result<(Option<LogId>, StoredMembership), io::Error> {
    let log_id = codec::log_id_from_bytes(&header.position.log_id)?;
    let membership = codec::membership_from_bytes(&header.position.membership)?;
    Ok((log_id, membership))
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        applied(self.store.lock().header())
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut applied = 0;
        while let Some((entry, responder)) = entries.try_next().await? {
            applied += 1;
            if applied % ENTRIES_A_TURN == 0 {
                // A long replay must not keep probes and progress from running.
                tokio::task::yield_now().await;
            }
            self.store.wait_for_room().await;
            self.apply_entry(entry)?;
            if let Some(responder) = responder {
                responder.send(());
            }
            self.store.freeze_if_due();
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let store = self.store.clone();
        work::long(THREAD, move || store.install_snapshot(&snapshot.path)).await??;
        self.tell_position()
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotData>>, io::Error> {
        let Some(newest) = self.store.newest_snapshot()? else {
            return Ok(None);
        };
        let snapshot = match snapshot_of(newest.path) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                // Raft would stop here, and the state that the snapshot is made of is in order.
                tracing::error!(%error, "a snapshot is damaged: a new one takes its place");
                snapshot_of(write_snapshot(&self.store).await?.path)?
            }
        };
        Ok(Some(snapshot))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotData>, io::Error> {
        let newest = self.store.newest_snapshot()?;
        let given = self.given.load(Ordering::Relaxed);
        // One that was written for this already; else there has to be a new one.
        let snapshot = match newest.filter(|newest| newest.index > given) {
            Some(newest) => newest,
            None => write_snapshot(&self.store).await?,
        };
        self.given.store(snapshot.index, Ordering::Relaxed);
        snapshot_of(snapshot.path)
    }
}

/// Writes a snapshot of a checkpoint taken now: the log can be purged up to here.
pub(super) async fn write_snapshot(store: &Store) -> Result<SnapshotFile, io::Error> {
    store.until_durable().await?;
    let store = store.clone();
    Ok(work::long(THREAD, move || store.write_snapshot(true)).await??)
}

fn snapshot_of(path: PathBuf) -> Result<SnapshotOf<TypeConfig, SnapshotData>, io::Error> {
    let (last_log_id, last_membership) = applied(read_snapshot(&path)?.header())?;
    Ok(SnapshotOf::<TypeConfig, SnapshotData> {
        meta: SnapshotMetaOf::<TypeConfig> {
            last_log_id,
            last_membership,
        },
        snapshot: SnapshotData { path },
    })
}
