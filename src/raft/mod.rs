//! Consensus: openraft over our log, our state machine and our network.
//!
//! The only place that names openraft. To the rest of the program a group is
//! something that takes proposals in one order and tells when a read is fresh.

use std::io;
use std::path::Path;
use std::sync::Arc;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, LinearizableReadError, RaftError};
use openraft::impls::BasicNode;
use openraft::{Config, ReadPolicy, SnapshotPolicy};
use std::collections::BTreeMap;

pub mod codec;
pub mod log;
pub mod machine;
pub mod network;
mod purge;
#[cfg(test)]
mod tests;
pub mod types;

use crate::proto::durable;
use crate::queue::Outcome;
use crate::store::Store;
use crate::store::record::Position;
use log::LogStore;
use machine::Machine;
use network::NoPeers;
use types::{CallBack, Group, TypeConfig, WriteResult};

/// Why a proposal or a read was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RaftFailure {
    /// Nothing was done: this node doesn't lead.
    #[error("this node is not the leader")]
    NotLeader {
        /// Who leads, if known.
        leader: Option<u64>,
    },
    /// It is not known whether it was done.
    #[error("leadership was lost after the proposal: its outcome is not known")]
    Unknown,
    /// Too few nodes answer.
    #[error("no quorum of the cluster answers")]
    NoQuorum,
    /// The node has stopped and needs a restart.
    #[error("{0}")]
    Stopped(String),
}

/// What a node is in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It orders the log.
    Leader,
    /// It votes and follows.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It follows without a vote.
    Learner,
}

/// A group as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub id: u64,
    /// What it is.
    pub role: Role,
    /// Who leads, if known.
    pub leader: Option<u64>,
    /// The current term.
    pub term: u64,
    /// The last index in the log.
    pub last_log_index: u64,
    /// The last index that is known to be committed.
    pub committed_index: u64,
    /// The last index applied.
    pub applied_index: u64,
    /// The index of the newest snapshot.
    pub snapshot_index: u64,
    /// Voters and learners, with their addresses.
    pub members: Vec<(u64, String)>,
    /// Why the node has stopped, if it has.
    pub failure: Option<String>,
}

/// A handle of the group; clones share it.
#[derive(Clone)]
pub struct Raft {
    raft: openraft::Raft<TypeConfig, Machine>,
    log: LogStore,
}

impl Raft {
    /// Starts the node on its log and store; the first start founds a group of one.
    ///
    /// # Errors
    /// If the log can't be read.
    pub async fn start_single(
        id: u64,
        address: &str,
        log: LogStore,
        store: Store,
    ) -> Result<Self, io::Error> {
        let config = Arc::new(config().validate().map_err(io::Error::other)?);
        let machine = Machine::new(store);
        let raft = openraft::Raft::new(id, config, NoPeers, log.clone(), machine)
            .await
            .map_err(|error| io::Error::other(error.to_string()))?;
        if !raft.is_initialized().await.map_err(io::Error::other)? {
            let members = BTreeMap::from([(id, BasicNode::new(address))]);
            raft.initialize(members).await.map_err(io::Error::other)?;
        } else {
            // Nobody else can lead a group of one: don't wait for a timeout.
            raft.trigger()
                .elect(false)
                .await
                .map_err(io::Error::other)?;
        }
        Ok(Self { raft, log })
    }

    /// Proposes a group of commands as one log entry; `done` gets its outcomes once it is applied.
    ///
    /// Returns as soon as the proposal is on its way.
    pub async fn propose(
        &self,
        group: &durable::Group,
        done: impl FnOnce(Result<Vec<Outcome>, RaftFailure>) + Send + 'static,
    ) -> Result<(), RaftFailure> {
        let responder = CallBack::new(move |result: WriteResult| done(outcomes(result)));
        let sent = self
            .raft
            .client_write_ff(Group::encode(group), Some(responder))
            .await;
        sent.map_err(|fatal| stopped(&fatal))
    }

    /// Waits until the state is at least as new as any answer given before this call (ReadIndex).
    ///
    /// # Errors
    /// If this node doesn't lead, or no quorum answers.
    pub async fn read_index(&self) -> Result<(), RaftFailure> {
        let linearizer = match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => linearizer,
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
                return Err(RaftFailure::NotLeader {
                    leader: to.leader_id,
                });
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                return Err(RaftFailure::NoQuorum);
            }
            Err(RaftError::Fatal(fatal)) => return Err(stopped(&fatal)),
        };
        let ready = linearizer.await_ready(&self.raft).await;
        ready.map(drop).map_err(|fatal| stopped(&fatal))
    }

    /// The group as this node sees it now.
    pub fn status(&self) -> Status {
        status_of(&self.raft.metrics().borrow_watched())
    }

    /// Whether this node leads, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    /// Waits until the status has changed.
    pub async fn changed(&self, seen: &Status) -> Status {
        let mut metrics = self.raft.metrics();
        loop {
            let now = status_of(&metrics.borrow_watched());
            if now != *seen || metrics.changed().await.is_err() {
                return now;
            }
        }
    }

    /// Starts a snapshot in the background; the log is purged behind it.
    ///
    /// # Errors
    /// If the node has stopped.
    pub async fn snapshot(&self) -> Result<(), RaftFailure> {
        self.raft
            .trigger()
            .snapshot()
            .await
            .map_err(|fatal| stopped(&fatal))
    }

    /// The log, for its figures.
    pub fn log(&self) -> &LogStore {
        &self.log
    }

    /// Stops taking part.
    pub async fn shutdown(&self) {
        // An error means that it has stopped already.
        drop(self.raft.shutdown().await);
    }
}

/// Makes the log of a node whose state was put in place at `position`, as by a restore.
///
/// The vote is set to the position's term: a leader elected below it could not append.
///
/// # Errors
/// If the log can't be written, or the state belongs to other nodes.
pub fn begin_log_at(dir: &Path, node_id: u64, position: &Position) -> Result<(), io::Error> {
    let membership = codec::membership_from_bytes(&position.membership)?;
    if membership.voter_ids().ne([node_id]) {
        let why = "the backup is of a cluster; this version restores single nodes only";
        return Err(io::Error::other(why));
    }
    let Some(log_id) = codec::log_id_from_bytes(&position.log_id)? else {
        return Ok(());
    };
    LogStore::open(dir)?.begin_at(log_id)
}

/// Timeouts that fit fsync and pods; snapshots are triggered by the node, by the log's size.
fn config() -> Config {
    Config {
        cluster_name: "corndogs".into(),
        heartbeat_interval: 250,
        election_timeout_min: 1000,
        election_timeout_max: 1500,
        install_snapshot_timeout: 10_000,
        max_payload_entries: 64,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        ..Config::default()
    }
}

fn stopped(fatal: &Fatal<TypeConfig>) -> RaftFailure {
    RaftFailure::Stopped(fatal.to_string())
}

fn outcomes(result: WriteResult) -> Result<Vec<Outcome>, RaftFailure> {
    match result {
        Ok(response) => Ok(response.data),
        Err(ClientWriteError::ForwardToLeader(to)) => Err(RaftFailure::NotLeader {
            leader: to.leader_id,
        }),
        Err(_) => Err(RaftFailure::Unknown),
    }
}

fn status_of(metrics: &openraft::RaftMetrics<TypeConfig>) -> Status {
    use openraft::ServerState;
    let index = |log_id: &Option<types::LogId>| log_id.map_or(0, |log_id| log_id.index);
    Status {
        id: metrics.id,
        role: match metrics.state {
            ServerState::Leader => Role::Leader,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner => Role::Learner,
            _ => Role::Follower,
        },
        leader: metrics.current_leader,
        term: metrics.current_term,
        last_log_index: metrics.last_log_index.unwrap_or(0),
        committed_index: index(&metrics.local_committed),
        applied_index: index(&metrics.last_applied),
        snapshot_index: index(&metrics.snapshot),
        members: metrics
            .membership_config
            .nodes()
            .map(|(id, node)| (*id, node.addr.clone()))
            .collect(),
        failure: metrics
            .running_state
            .as_ref()
            .err()
            .map(ToString::to_string),
    }
}
