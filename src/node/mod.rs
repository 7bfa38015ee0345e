//! A node: takes commands and queries, and sees to it that answers are true.
//!
//! Writes go through the `proposer` into the log, reads wait until the state is
//! fresh (`reader`), and the `sweep` proposes what time brings.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

mod bulk;
mod disk;
mod forwarder;
pub mod health;
pub mod list;
mod maintenance;
mod members;
mod orderer;
mod peer;
mod proposer;
mod reader;
pub mod remedy;
pub mod schedules;
mod scrub;
mod sweep;
mod tend;
mod wait;

use crate::clock::Clock;
use crate::proto::durable::{self, command::Kind};
use crate::queue::{Outcome, query};
use crate::raft::network::peers::Peers;
use crate::raft::{Raft, Status};
use crate::store::{Store, StoreError, View};
use crate::work;
use health::{Health, HealthBoard};
use proposer::Proposer;
use reader::Reader;
use wait::Waits;

/// Why a node did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NodeError {
    /// Nothing was done; safe to retry.
    #[error("{0}; nothing was done")]
    Unavailable(String),
    /// Nothing was done, nor ever will be: it takes more than a node has room for.
    #[error("{0}; nothing was done")]
    TooLarge(String),
    /// It may have been done, or may still be.
    #[error("the outcome is not known: {0}")]
    Unknown(String),
}

impl NodeError {
    /// What an act in steps ends with whose earlier steps have changed so many tasks.
    fn after(self, changed: u64) -> Self {
        match self {
            Self::Unavailable(why) | Self::TooLarge(why) if changed > 0 => Self::Unknown(format!(
                "{changed} tasks were changed before it had to stop: {why}"
            )),
            other => other,
        }
    }

    fn unexpected() -> Self {
        Self::Unknown("the state machine answered another command".into())
    }
}

/// What the operator has set.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often due tasks are timed out; none means only when asked.
    pub timeout_sweep: Option<Duration>,
    /// How long archived tasks are kept; none means for ever.
    pub archive_retention: Option<Duration>,
    /// Log entries between snapshots.
    pub snapshot_every: u64,
    /// How often all rows on the disk are read and compared; none means never.
    pub scrub_every: Option<Duration>,
    /// Where the data lies, to watch its free space.
    pub data_dir: std::path::PathBuf,
}

/// A running node; clones share it.
#[derive(Clone)]
pub struct Node {
    clock: Arc<Clock>,
    health: Arc<HealthBoard>,
    store: Store,
    raft: Raft,
    peers: Peers,
    proposer: Proposer,
    reader: Reader,
    waits: Waits,
    /// Whether the cluster says that this node is no member any more.
    removed: Arc<AtomicBool>,
}

impl Node {
    /// Starts what a node does by itself. It serves once its health is ready.
    pub fn start(
        raft: Raft,
        peers: Peers,
        store: Store,
        clock: Arc<Clock>,
        health: Arc<HealthBoard>,
        options: &Options,
    ) -> Self {
        let node = Self {
            proposer: Proposer::start(raft.clone(), peers.clone(), clock.clone()),
            reader: Reader::start(raft.clone(), peers.clone()),
            waits: Waits::start(&raft, &peers, &store, &clock, &health),
            clock,
            health,
            store,
            raft,
            peers,
            removed: Arc::default(),
        };
        scrub::recall(&node);
        tokio::spawn(maintenance::watch_raft(node.clone()));
        tokio::spawn(maintenance::compact(node.clone(), options.snapshot_every));
        tokio::spawn(maintenance::note_synced(node.clone()));
        tokio::spawn(tend::run(node.clone()));
        tokio::spawn(disk::watch(node.clone(), options.data_dir.clone()));
        tokio::spawn(disk::relieve(node.clone()));
        tokio::spawn(scrub::compare(node.clone()));
        if let Some(every) = options.scrub_every {
            tokio::spawn(scrub::read_through(node.clone(), every));
        }
        tokio::spawn(sweep::ripen(node.clone()));
        tokio::spawn(schedules::run(node.clone()));
        tokio::spawn(sweep::regroup(node.clone()));
        if let Some(interval) = options.timeout_sweep {
            tokio::spawn(sweep::time_out(node.clone(), interval));
        }
        tokio::spawn(sweep::forget(node.clone(), options.archive_retention));
        node
    }

    /// Proposes a command and waits for its outcome: with a key, the first one that it came to.
    ///
    /// # Errors
    /// Unavailable if nothing was done, unknown if it may have been.
    pub async fn execute(
        &self,
        kind: Kind,
        key: Option<durable::RequestKey>,
    ) -> Result<Outcome, NodeError> {
        if !self.health.is_ready()
            && let Some(why) = self.health.get().refuses_writes()
        {
            return Err(NodeError::Unavailable(why));
        }
        self.proposer
            .propose(durable::Command {
                kind: Some(kind),
                key,
            })
            .await
    }

    /// Claims a task, or several. A claim that finds nothing costs no log entry: a fresh read tells it.
    ///
    /// With a key it is always proposed: that nothing was found is an answer to be remembered,
    /// and whether the key has one already only the log's order tells.
    ///
    /// # Errors
    /// As [`Node::execute`].
    async fn claim_now(
        &self,
        kind: Kind,
        key: Option<durable::RequestKey>,
    ) -> Result<Outcome, NodeError> {
        if let Some(claim) = wait::claim_of(&kind)
            && key.is_none()
            && self.finds_nothing(claim).await?
        {
            return Ok(match kind {
                Kind::ClaimTasks(_) => Outcome::Tasks(Vec::new()),
                _ => Outcome::Task(None),
            });
        }
        self.execute(kind, key).await
    }

    async fn finds_nothing(&self, claim: &durable::Claim) -> Result<bool, NodeError> {
        let now_ns = self.clock.now_ns();
        let nothing = |view: &dyn View| query::finds_nothing(view, claim, now_ns);
        Ok(self.local(nothing)? && self.read(nothing).await?)
    }

    /// Answers a query from a state that holds all that was acknowledged before the call.
    ///
    /// # Errors
    /// If this can't be vouched for.
    pub async fn read<T>(
        &self,
        query: impl FnOnce(&dyn View) -> Result<T, StoreError>,
    ) -> Result<T, NodeError> {
        if !self.health.is_ready()
            && let Some(why) = self.health.get().refuses_reads()
        {
            return Err(NodeError::Unavailable(why));
        }
        self.reader.fresh().await?;
        self.local(query)
    }

    /// Answers a query from this node's state, however old.
    ///
    /// # Errors
    /// If the store can't be read; the node stops serving then.
    pub fn local<T>(
        &self,
        query: impl FnOnce(&dyn View) -> Result<T, StoreError>,
    ) -> Result<T, NodeError> {
        let result = query(&*self.store.lock());
        result.map_err(|error| {
            tracing::error!(%error, "the state can't be read: the node stops serving");
            self.health.set(Health::Failed(error.to_string()));
            NodeError::Unavailable(format!("the state can't be read: {error}"))
        })
    }

    /// Opens a snapshot that holds all that was acknowledged before the call.
    ///
    /// # Errors
    /// If none can be vouched for or written.
    pub async fn backup(&self) -> Result<std::fs::File, NodeError> {
        self.read(|_| Ok(())).await?;
        let store = self.store.clone();
        let written = work::blocking(move || {
            let snapshot = store
                .write_snapshot(true)
                .map_err(|error| error.to_string())?;
            // Held open, it can be read even when a newer snapshot takes its place.
            std::fs::File::open(&snapshot.path).map_err(|error| error.to_string())
        });
        let opened = written.await.unwrap_or_else(|error| Err(error.to_string()));
        opened.map_err(|why| NodeError::Unavailable(format!("no snapshot can be written: {why}")))
    }

    /// Whether this node leads, as far as it knows.
    pub fn leads(&self) -> bool {
        self.health.is_ready() && self.raft.is_leader()
    }

    /// The clock that stamps proposals.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether it serves.
    pub fn health(&self) -> &HealthBoard {
        &self.health
    }

    /// The group as this node sees it.
    pub fn status(&self) -> Status {
        self.raft.status()
    }

    /// The store, for figures and backups.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The group, for figures.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// The other nodes.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Claims that wait for a task on this node now.
    pub fn waiting_claims(&self) -> usize {
        self.waits.count()
    }

    /// Commands that wait for their turn now.
    pub fn waiting(&self) -> usize {
        self.proposer.waiting()
    }
}
