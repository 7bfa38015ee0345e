//! Linearizable reads: all that wait share one ReadIndex.

use tokio::sync::{mpsc, oneshot};

use super::NodeError;
use crate::raft::Raft;

/// Reads that may wait; more are refused.
const MAX_WAITING: usize = 16_384;

type Waiter = oneshot::Sender<Result<(), NodeError>>;

/// Where reads wait until the state is fresh; clones share the queue.
#[derive(Clone)]
pub struct Reader {
    waiting: mpsc::Sender<Waiter>,
}

impl Reader {
    /// Starts to answer; stops when all handles are gone.
    pub fn start(raft: Raft) -> Self {
        let (waiting, reads) = mpsc::channel(MAX_WAITING);
        tokio::spawn(run(raft, reads));
        Self { waiting }
    }

    /// Returns once the state holds all that was acknowledged before the call.
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

async fn run(raft: Raft, mut reads: mpsc::Receiver<Waiter>) {
    let mut waiting = Vec::new();
    while reads.recv_many(&mut waiting, MAX_WAITING).await > 0 {
        // Only reads that came before it are covered by a ReadIndex: later ones wait for the next.
        let fresh = raft.read_index().await.map_err(NodeError::from);
        for waiter in waiting.drain(..) {
            drop(waiter.send(fresh.clone()));
        }
    }
}
