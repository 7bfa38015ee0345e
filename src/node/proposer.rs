//! Groups commands into log entries.
//!
//! A small window: take all that waits, propose it as one entry, and once the window is full
//! wait for the oldest entry's answer, repeat. Groups size themselves, without a timer: while the
//! disk syncs, the next group gathers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message;
use tokio::sync::{mpsc, oneshot};

use super::NodeError;
use crate::clock::Clock;
use crate::proto::durable;
use crate::queue::Outcome;
use crate::raft::{Raft, RaftFailure};

/// Commands that may wait for their turn; more are refused.
const MAX_WAITING: usize = 16_384;
/// Bytes of commands that may wait or be under way; more are refused.
const MAX_IN_FLIGHT_BYTES: usize = 256 << 20;
/// Entries under way at once. While one is synced, the next is already being replicated and
/// written: a tenth more calls a second than with one; three made it less again.
const WINDOW: usize = 2;
/// Commands in one entry.
const MAX_GROUP_COMMANDS: usize = 1024;
/// Bytes of commands in one entry, give or take one command.
const MAX_GROUP_BYTES: usize = 4 << 20;

/// A command and who waits for its outcome.
struct Proposal {
    command: durable::Command,
    bytes: InFlight,
    answer: oneshot::Sender<Result<Outcome, NodeError>>,
}

/// A command's share of the bytes in flight; given back when dropped.
struct InFlight {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Where commands are handed in; clones share the queue.
#[derive(Clone)]
pub struct Proposer {
    waiting: mpsc::Sender<Proposal>,
    in_flight: Arc<AtomicUsize>,
}

impl Proposer {
    /// Starts to propose to that group; stops when all handles are gone.
    pub fn start(raft: Raft, clock: Arc<Clock>) -> Self {
        let (waiting, proposals) = mpsc::channel(MAX_WAITING);
        tokio::spawn(run(raft, clock, proposals));
        Self {
            waiting,
            in_flight: Arc::default(),
        }
    }

    /// Proposes one command and waits for its outcome.
    ///
    /// # Errors
    /// Unavailable when it was not proposed, unknown when it may still be applied.
    pub async fn propose(&self, command: durable::Command) -> Result<Outcome, NodeError> {
        let bytes = self.admit(command.encoded_len())?;
        let (answer, outcome) = oneshot::channel();
        let proposal = Proposal {
            command,
            bytes,
            answer,
        };
        match self.waiting.try_send(proposal) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(overloaded()),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                return Err(NodeError::Unavailable("the node is shutting down".into()));
            }
        }
        outcome.await.unwrap_or_else(|_| {
            let why = "the node stopped before the outcome was known";
            Err(NodeError::Unknown(why.into()))
        })
    }

    /// Commands that wait for their turn now.
    pub fn waiting(&self) -> usize {
        self.waiting.max_capacity() - self.waiting.capacity()
    }

    fn admit(&self, bytes: usize) -> Result<InFlight, NodeError> {
        let before = self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        let admitted = InFlight {
            bytes,
            total: self.in_flight.clone(),
        };
        if before + bytes > MAX_IN_FLIGHT_BYTES {
            return Err(overloaded());
        }
        Ok(admitted)
    }
}

fn overloaded() -> NodeError {
    NodeError::Unavailable(
        "the node is overloaded: too many commands wait for the log; nothing was done".into(),
    )
}

async fn run(raft: Raft, clock: Arc<Clock>, mut proposals: mpsc::Receiver<Proposal>) {
    let mut under_way = VecDeque::with_capacity(WINDOW);
    let mut waiting = Vec::with_capacity(MAX_GROUP_COMMANDS);
    while proposals.recv_many(&mut waiting, MAX_GROUP_COMMANDS).await > 0 {
        // Whoever gave up before its turn gets nothing done.
        waiting.retain(|proposal| !proposal.answer.is_closed());
        while !waiting.is_empty() {
            let rest = waiting.split_off(group_len(&waiting));
            let group = std::mem::replace(&mut waiting, rest);
            under_way.extend(propose_group(&raft, &clock, group).await);
            if under_way.len() == WINDOW
                && let Some(oldest) = under_way.pop_front()
            {
                drop(oldest.await);
            }
        }
    }
}

/// How many of the proposals, in order, go into one entry.
fn group_len(proposals: &[Proposal]) -> usize {
    let mut bytes = 0;
    let fit = proposals.iter().take_while(|proposal| {
        let fits = bytes == 0 || bytes + proposal.bytes.bytes <= MAX_GROUP_BYTES;
        bytes += proposal.bytes.bytes;
        fits
    });
    fit.count()
}

/// Hands a group to Raft. What comes back resolves when its waiters have their answers.
async fn propose_group(
    raft: &Raft,
    clock: &Clock,
    proposals: Vec<Proposal>,
) -> Option<oneshot::Receiver<()>> {
    metrics::histogram!("corndogs_group_commands").record(proposals.len() as f64);
    let mut group = durable::Group {
        now_ns: clock.now_ns(),
        commands: Vec::with_capacity(proposals.len()),
    };
    let mut waiters = Vec::with_capacity(proposals.len());
    for proposal in proposals {
        group.commands.push(proposal.command);
        waiters.push((proposal.answer, proposal.bytes));
    }
    let (finished, done) = oneshot::channel();
    let on_done = move |result| {
        answer(waiters, result);
        // If the proposer is gone, nobody is left to tell.
        let _ = finished.send(());
    };
    // A node that has stopped drops `on_done`, and with it every waiter's sender.
    raft.propose(&group, on_done).await.ok().map(|()| done)
}

type Waiter = (oneshot::Sender<Result<Outcome, NodeError>>, InFlight);

fn answer(waiters: Vec<Waiter>, result: Result<Vec<Outcome>, RaftFailure>) {
    // A waiter that is gone has given up: its outcome stands all the same.
    match result {
        Ok(outcomes) => {
            for ((waiter, _), outcome) in waiters.into_iter().zip(outcomes) {
                drop(waiter.send(Ok(outcome)));
            }
        }
        Err(failure) => {
            for (waiter, _) in waiters {
                drop(waiter.send(Err(failure.clone().into())));
            }
        }
    }
}
