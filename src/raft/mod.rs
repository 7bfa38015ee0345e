//! Consensus: openraft over our log, our state machine and our network.
//!
//! The only place that names openraft. To the rest of the program a group is
//! something that takes proposals in one order and tells when a read is fresh.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, LinearizableReadError, RaftError};
use openraft::impls::BasicNode;
use openraft::metrics::RaftServerMetrics;
use openraft::type_config::alias::WatchReceiverOf;
use openraft::{Config, Instant, OptionalSend, OptionalSync, ReadPolicy, SnapshotPolicy};

pub mod batches;
mod change;
pub mod codec;
#[cfg(test)]
mod fuzz;
pub mod log;
pub mod machine;
pub mod network;
mod purge;
pub mod ready;
#[cfg(feature = "simulation")]
mod simulated;
mod status;
mod synced;
pub mod tail;
#[cfg(test)]
mod tests;
pub mod types;
pub mod verify;

use crate::clock;
use crate::store::Store;
use crate::store::record::Position;
use batches::Batches;
pub use change::ChangeFailure;
use log::LogStore;
use machine::Machine;
use network::Network;
use ready::ReadyHook;
pub use status::{Member, Role, Status};
use types::{CallBack, Group, LeaderId, TypeConfig, WriteResult};

/// What the library calls itself in the log.
pub const LIBRARY: &str = "openraft";
/// A follower that has heard nothing of its leader for this long knows none.
const CONTACT_LIMIT: Duration = Duration::from_millis(1200);

/// Why a proposal or a read was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RaftFailure {
    /// Nothing was done: this node doesn't lead.
    #[error("this node is not the leader")]
    NotLeader,
    /// Too few nodes answer.
    #[error("no quorum of the cluster answers")]
    NoQuorum,
    /// The node has stopped and needs a restart.
    #[error("{0}")]
    Stopped(String),
}

/// Who leads, as far as this node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leadership {
    /// This node does.
    Mine {
        /// In this term.
        term: u64,
    },
    /// Another node does.
    Of {
        /// Its id.
        leader: u64,
        /// In this term.
        term: u64,
    },
    /// Nobody that is known.
    Nobody,
}

/// A handle of the group; clones share it.
#[derive(Clone)]
pub struct Raft {
    raft: openraft::Raft<TypeConfig, Machine>,
    /// Looked at for each command: a receiver at hand spares making one each time.
    server: WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>,
    log: LogStore,
    store: Store,
    batches: Arc<Batches>,
    ready: Arc<ReadyHook>,
    /// When the leader was last heard of, in milliseconds of the monotonic clock.
    contact_ms: Arc<AtomicU64>,
    incoming: Arc<AtomicU64>,
}

impl Raft {
    /// Starts the node on its log and store.
    ///
    /// # Errors
    /// If the log can't be read.
    pub async fn start(
        id: u64,
        log: LogStore,
        store: Store,
        network: Network,
        options: &Options,
    ) -> Result<Self, io::Error> {
        let config = config(options).validate().map_err(io::Error::other)?;
        let batches = Arc::new(Batches::default());
        let ready = Arc::new(ReadyHook::default());
        let machine = Machine::new(store.clone(), batches.clone(), ready.clone())?;
        let raft = openraft::Raft::new(id, Arc::new(config), network, log.clone(), machine)
            .await
            .map_err(|error| io::Error::other(error.to_string()))?;
        let started = Self {
            server: raft.server_metrics(),
            raft,
            log,
            store,
            batches,
            ready,
            contact_ms: Arc::default(),
            incoming: Arc::default(),
        };
        if started.is_founded().await && started.status().is_only_voter() {
            // Nobody else can lead: don't wait for a timeout.
            let elect = started.raft.trigger().elect(false).await;
            elect.map_err(io::Error::other)?;
        }
        Ok(started)
    }

    /// Whether the group has ever been founded, as far as this node knows: it has a log or a vote.
    pub async fn is_founded(&self) -> bool {
        // A node that has stopped was something before.
        self.raft.is_initialized().await.unwrap_or(true)
    }

    /// Founds the group, once in its life, with these members as voters.
    ///
    /// # Errors
    /// If it was founded already, or the log can't be written.
    pub async fn found(&self, members: &BTreeMap<u64, String>) -> Result<(), io::Error> {
        let node = |(id, address): (&u64, &String)| (*id, BasicNode::new(address));
        let members: BTreeMap<u64, BasicNode> = members.iter().map(node).collect();
        self.raft
            .initialize(members)
            .await
            .map_err(io::Error::other)
    }

    /// Proposes a group as one log entry of the leadership of `term`.
    ///
    /// Returns as soon as the proposal is on its way. `settled` is called when it is applied
    /// (true), or when it is certain that it was not even appended (false). It may be dropped
    /// uncalled: then what became of the entry shows in the log.
    ///
    /// # Errors
    /// If the node has stopped.
    pub async fn propose(
        &self,
        group: Group,
        term: u64,
        settled: impl FnOnce(bool) + Send + 'static,
    ) -> Result<(), RaftFailure> {
        let responder = CallBack::new(move |result: WriteResult| match result {
            Ok(_) => settled(true),
            Err(ClientWriteError::ForwardToLeader(_)) => settled(false),
            // Discarded for a later leader's entries: `batches` finds out by that leader's term.
            Err(_) => {}
        });
        let leader = LeaderId {
            term,
            node_id: *self.raft.node_id(),
        };
        let write = self.raft.write(group).with_leader(leader);
        let sent = write.responder(responder).await;
        sent.map_err(|fatal| stopped(&fatal))
    }

    /// The index that a state must have reached to hold all that was acknowledged before this
    /// call, on whatever node (ReadIndex).
    ///
    /// # Errors
    /// If this node doesn't lead, or no quorum answers.
    pub async fn read_index(&self) -> Result<u64, RaftFailure> {
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(linearizer.read_log_id().index()),
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(RaftFailure::NoQuorum)
            }
            Err(RaftError::APIError(_)) => Err(RaftFailure::NotLeader),
            Err(RaftError::Fatal(fatal)) => Err(stopped(&fatal)),
        }
    }

    /// This node's id.
    pub fn id(&self) -> u64 {
        *self.raft.node_id()
    }

    /// The batches that this process waits for.
    pub fn batches(&self) -> &Batches {
        &self.batches
    }

    /// Who is told that entries brought tasks.
    pub fn ready(&self) -> &ReadyHook {
        &self.ready
    }

    /// The group as this node sees it now.
    pub fn status(&self) -> Status {
        Status::of(&self.raft.metrics().borrow_watched())
    }

    /// Whether this node leads, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    /// Whether the group has no other node.
    pub fn is_alone(&self) -> bool {
        let metrics = self.server.borrow_watched();
        metrics.membership_config.nodes().nth(1).is_none()
    }

    /// Who leads, as far as this node knows.
    pub fn leadership(&self) -> Leadership {
        let metrics = self.server.borrow_watched();
        let term = metrics.vote.leader_id.term;
        match metrics.current_leader {
            Some(leader) if leader == metrics.id => Leadership::Mine { term },
            Some(leader) if self.is_in_contact() => Leadership::Of { leader, term },
            _ => Leadership::Nobody,
        }
    }

    /// Waits until who leads may have changed, or some time has passed.
    pub async fn leadership_changed(&self, at_most: Duration) {
        changed(self.server.clone(), at_most).await;
    }

    /// Takes note of a leader's message; false if that leader's time is over.
    fn heard_from_leader(&self, leader: LeaderId) -> bool {
        let is_current = leader >= self.server.borrow_watched().vote.leader_id;
        if is_current {
            self.contact_ms.store(now_ms(), Ordering::Relaxed);
        }
        is_current
    }

    fn is_in_contact(&self) -> bool {
        let contact = Duration::from_millis(self.contact_ms.load(Ordering::Relaxed));
        Duration::from_millis(now_ms()).saturating_sub(contact) < CONTACT_LIMIT
    }

    /// How long ago a quorum last answered this node; none if it doesn't lead, or nobody ever did.
    pub fn quorum_age(&self) -> Option<Duration> {
        let metrics = self.raft.data_metrics();
        let acked = metrics.borrow_watched().last_quorum_acked;
        acked.map(|acked| acked.into_inner().elapsed())
    }

    /// Writes a snapshot, and lets the log be purged behind it.
    ///
    /// # Errors
    /// If it can't be written, which harms nothing, or if the node has stopped.
    pub async fn snapshot(&self) -> Result<(), io::Error> {
        // A snapshot that raft asks for and does not get stops it for good, so there must be one before it asks.
        machine::write_snapshot(&self.store).await?;
        let asked = self.raft.trigger().snapshot().await;
        asked.map_err(io::Error::other)
    }

    /// The log, for its figures.
    pub fn log(&self) -> &LogStore {
        &self.log
    }

    /// Stops taking part.
    pub async fn shutdown(&self) {
        // An error means that it has stopped already.
        drop(self.raft.shutdown().await);
        if let Err(error) = self.log.note_synced() {
            tracing::warn!(%error, "it can't be noted up to where the log is synced");
        }
    }

    fn openraft(&self) -> &openraft::Raft<TypeConfig, Machine> {
        &self.raft
    }

    /// A name for a snapshot that comes from a peer, until it is whole.
    fn incoming_snapshot(&self) -> PathBuf {
        let number = self.incoming.fetch_add(1, Ordering::Relaxed);
        self.store.incoming_snapshot(number)
    }
}

/// What of raft depends on the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Entries that stay in the log behind a snapshot, for peers that are a little behind.
    pub keep_entries: u64,
}

/// The position of a state that was restored for one node alone: where that state is a cluster's,
/// it stands one entry further, which makes this node the only member.
///
/// # Errors
/// If the position makes no sense.
pub fn position_alone(node_id: u64, position: &Position) -> Result<Position, io::Error> {
    let membership = codec::membership_from_bytes(&position.membership)?;
    let log_id = codec::log_id_from_bytes(&position.log_id)?;
    let (Some(mut log_id), false) = (log_id, membership.voter_ids().eq([node_id])) else {
        return Ok(position.clone());
    };
    let behind_all = || io::Error::other("the position stands behind the last index that there is");
    log_id.index = log_id.index.checked_add(1).ok_or_else(behind_all)?;
    let address = membership.nodes().find(|(id, _)| **id == node_id);
    let address = address.map_or("127.0.0.1:5080", |(_, node)| node.addr.as_str());
    let nodes = BTreeMap::from([(node_id, BasicNode::new(address))]);
    let alone = types::Membership::new(vec![[node_id].into()], nodes);
    let alone = alone.map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Position {
        index: log_id.index,
        log_id: codec::log_id_to_bytes(Some(log_id)),
        membership: codec::membership_to_bytes(&types::StoredMembership::new(Some(log_id), alone)),
    })
}

/// Makes the log of a node whose state was put in place at `position`, as by a restore.
///
/// The vote is set to the position's term: a leader elected below it could not append.
///
/// # Errors
/// If the log can't be written.
pub fn begin_log_at(dir: &Path, position: &Position) -> Result<(), io::Error> {
    let Some(log_id) = codec::log_id_from_bytes(&position.log_id)? else {
        return Ok(());
    };
    LogStore::open(dir)?.begin_at(log_id)
}

/// Timeouts that fit fsync and pods: a follower stands for election 0.8 to 1 s after it last
/// heard of the leader (the lease of `election_timeout_max`, then its own timeout).
/// Snapshots are triggered by the node, by the log's size.
fn config(options: &Options) -> Config {
    Config {
        cluster_name: "corndogs".into(),
        heartbeat_interval: 100,
        election_timeout_min: 300,
        election_timeout_max: 500,
        install_snapshot_timeout: 10_000,
        max_payload_entries: 64,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: options.keep_entries,
        enable_pre_vote: Some(true),
        // A leader replicates entries before its own disk has them. If it went on in the same term after a
        // crash, it would write others under their log ids, and the nodes would come apart.
        enable_leader_restore: Some(false),
        // A follower whose disk lost the end of its log gets it again; a leader that went on counting on that end would
        // stop. No simulated disk loses what was synced: there it is a bug.
        allow_log_reversion: Some(!cfg!(feature = "simulation")),
        backoff: "50ms 100ms 200ms ...1s".into(),
        ..Config::default()
    }
}

/// Waits for news, or for some time.
async fn changed<T: OptionalSend + OptionalSync>(
    mut watched: WatchReceiverOf<TypeConfig, T>,
    at_most: Duration,
) {
    watched.borrow_and_update();
    let changed = async {
        if watched.changed().await.is_err() {
            // Raft has stopped. Who looked again at once, and again, would take the processor from the node's end.
            std::future::pending::<()>().await;
        }
    };
    // Either way the caller looks again.
    let _ = tokio::time::timeout(at_most, changed).await;
}

fn now_ms() -> u64 {
    u64::try_from(clock::monotonic().as_millis()).unwrap_or(u64::MAX)
}

fn stopped(fatal: &Fatal<TypeConfig>) -> RaftFailure {
    RaftFailure::Stopped(fatal.to_string())
}
