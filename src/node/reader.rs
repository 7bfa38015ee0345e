//! Linearizable reads: all that wait share one ReadIndex, asked of the leader wherever it is.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::NodeError;
use super::proposer::PATIENCE;
use crate::clock;
use crate::raft::network::peers::Peers;
use crate::raft::{Leadership, Raft, RaftFailure};

/// Reads that may wait; more are refused.
const MAX_WAITING: usize = 16_384;
/// How soon to look again for somebody to lead.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

type Waiter = oneshot::Sender<Result<(), NodeError>>;

/// Where reads wait until the state is fresh; clones share the queue.
#[derive(Clone)]
pub struct Reader {
    waiting: mpsc::Sender<Waiter>,
}

impl Reader {
    /// Starts to answer; stops when all handles are gone.
    pub fn start(raft: Raft, peers: Peers) -> Self {
        let (waiting, reads) = mpsc::channel(MAX_WAITING);
        tokio::spawn(run(raft, peers, reads));
        Self { waiting }
    }

    /// Returns once the state holds all that was acknowledged before the call, on any node.
    ///
    /// # Errors
    /// If this can't be vouched for.
    pub async fn fresh(&self) -> Result<(), NodeError> {
        let (waiter, fresh) = oneshot::channel();
        if self.waiting.try_send(waiter).is_err() {
            let why = "the node is overloaded: too many reads wait";
            return Err(NodeError::Unavailable(why.into()));
        }
        fresh
            .await
            .unwrap_or_else(|_| Err(NodeError::Unavailable("the node is shutting down".into())))
    }
}

async fn run(raft: Raft, peers: Peers, mut reads: mpsc::Receiver<Waiter>) {
    let mut waiting = Vec::new();
    while reads.recv_many(&mut waiting, MAX_WAITING).await > 0 {
        // Whoever gave up needs no answer.
        waiting.retain(|waiter| !waiter.is_closed());
        if waiting.is_empty() {
            continue;
        }
        // Only reads that came before it are covered by a ReadIndex: later ones wait for the next.
        let fresh = fresh(&raft, &peers).await;
        for waiter in waiting.drain(..) {
            drop(waiter.send(fresh.clone()));
        }
    }
}

/// A read that failed did nothing: it is tried again until patience is over.
async fn fresh(raft: &Raft, peers: &Peers) -> Result<(), NodeError> {
    let until = clock::monotonic() + PATIENCE;
    loop {
        let why = match read_index(raft, peers).await {
            Ok(index) => return reached(raft, index, until).await,
            Err(NodeError::Unavailable(why)) => why,
            Err(other) => return Err(other),
        };
        if clock::monotonic() >= until {
            return Err(NodeError::Unavailable(why));
        }
        raft.leadership_changed(LOOK_AGAIN).await;
    }
}

async fn read_index(raft: &Raft, peers: &Peers) -> Result<u64, NodeError> {
    match raft.leadership() {
        Leadership::Mine { .. } => match raft.read_index().await {
            Ok(index) => Ok(index),
            Err(RaftFailure::Stopped(why)) => Err(NodeError::Unknown(why)),
            Err(failure) => Err(NodeError::Unavailable(failure.to_string())),
        },
        Leadership::Of { leader, .. } => {
            let index = peers.read_index(leader).await;
            index.map_err(|why| NodeError::Unavailable(format!("leader {leader}: {why}")))
        }
        Leadership::Nobody => {
            let why = "no leader with a quorum is known";
            Err(NodeError::Unavailable(why.into()))
        }
    }
}

/// Waits until the state here is that new; a follower that is cut off may never get there.
async fn reached(raft: &Raft, index: u64, until: Duration) -> Result<(), NodeError> {
    let limit = until.saturating_sub(clock::monotonic()).max(LOOK_AGAIN);
    match tokio::time::timeout(limit, raft.batches().reached(index)).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(NodeError::Unavailable("the node has stopped".into())),
        Err(_) => {
            let why = format!("this node has not applied entry {index} yet");
            Err(NodeError::Unavailable(why))
        }
    }
}
