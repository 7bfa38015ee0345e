//! Where commands are handed in, and find their way into the log by themselves.
//!
//! On the leader the [`super::orderer`] groups them into entries, on other nodes the
//! [`super::forwarder`] passes them on. A command that is certain not to be in the log is
//! handed in again, until its patience is over: a change of leaders is a pause, not an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::orderer::Item;
use super::{NodeError, forwarder, orderer};
use crate::clock::{self, Clock};
use crate::proto::durable::{self, command::Kind};
use crate::queue::Outcome;
use crate::raft::batches::{Done, Lost};
use crate::raft::network::peers::Peers;
use crate::raft::network::service::Forwarded;
use crate::raft::types::Group;
use crate::raft::{Leadership, Raft};

/// Commands that may wait for their turn; more are refused.
pub const MAX_WAITING: usize = 16_384;
/// Bytes of commands that may wait or be under way; more are refused.
const MAX_IN_FLIGHT_BYTES: usize = 256 << 20;
/// What a task that a claim of many may find counts for, among the bytes in flight and in an
/// entry: such a command is short, but its changes and its answer are not.
const CLAIMED_TASK_BYTES: usize = 4 << 10;
/// The same of a task that a step of an act on many may change, which is answered as a number.
const CHANGED_TASK_BYTES: usize = 1 << 10;
/// How long a command waits for a leader before it is refused: longer than an election.
pub const PATIENCE: Duration = Duration::from_millis(2500);

/// A command, and who waits for its outcome.
pub struct Proposal {
    /// As it stands in a group.
    pub command: Bytes,
    /// When to give up looking for a leader.
    patient_until: Duration,
    in_flight: InFlight,
    answer: oneshot::Sender<Result<Outcome, NodeError>>,
}

impl Proposal {
    /// The bytes that it counts for.
    pub fn bytes(&self) -> usize {
        self.in_flight.bytes
    }

    /// Whoever gave up before its turn gets nothing done.
    pub fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    /// Whether it has waited long enough for a leader.
    pub fn is_overdue(&self, now: Duration) -> bool {
        now >= self.patient_until
    }

    /// Answers it.
    pub fn answer(self, result: Result<Outcome, NodeError>) {
        // A waiter that is gone has given up: its outcome stands all the same.
        drop(self.answer.send(result));
    }
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

/// Where commands are handed in; clones share the queues.
#[derive(Clone)]
pub struct Proposer {
    raft: Raft,
    orderer: mpsc::Sender<Item>,
    forwarder: mpsc::Sender<Proposal>,
    in_flight: Arc<AtomicUsize>,
}

impl Proposer {
    /// Starts to propose to that group, or to pass on to its leader.
    pub fn start(raft: Raft, peers: Peers, clock: Arc<Clock>) -> Self {
        let (orderer, items) = mpsc::channel(MAX_WAITING);
        let (forwarder, proposals) = mpsc::channel(MAX_WAITING);
        let proposer = Self {
            raft,
            orderer,
            forwarder,
            in_flight: Arc::default(),
        };
        tokio::spawn(orderer::run(proposer.clone(), clock, items));
        tokio::spawn(forwarder::run(proposer.clone(), peers, proposals));
        proposer
    }

    /// Proposes one command and waits for its outcome.
    ///
    /// # Errors
    /// Unavailable when it was not proposed, unknown when it may still be applied.
    pub async fn propose(&self, command: durable::Command) -> Result<Outcome, NodeError> {
        let claimed = claimed_bytes(&command);
        let command = Group::encode_command(&command);
        let in_flight = admit(&self.in_flight, command.len() + claimed)?;
        let (answer, outcome) = oneshot::channel();
        self.hand_in(Proposal {
            command,
            patient_until: clock::monotonic() + PATIENCE,
            in_flight,
            answer,
        });
        outcome.await.unwrap_or_else(|_| {
            let why = "the node stopped before the outcome was known";
            Err(NodeError::Unknown(why.into()))
        })
    }

    /// The group that commands go to.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// Commands that wait for their turn now.
    pub fn waiting(&self) -> usize {
        let used = |queue: usize, free: usize| queue - free;
        used(self.orderer.max_capacity(), self.orderer.capacity())
            + used(self.forwarder.max_capacity(), self.forwarder.capacity())
    }

    /// Takes commands from a follower.
    pub fn forwarded(&self, commands: Forwarded) {
        if let Err(refused) = self.orderer.try_send(Item::Forwarded(commands))
            && let Item::Forwarded(commands) = refused.into_inner()
        {
            let batch = commands.origin.batch;
            commands.refusals.refuse(batch, Lost::Overloaded);
        }
    }

    /// Sends a command the way that looks right now. A wrong guess comes back.
    pub fn hand_in(&self, proposal: Proposal) {
        let refused = match self.raft.leadership() {
            Leadership::Mine { .. } => {
                let sent = self.orderer.try_send(Item::Own(proposal));
                sent.err().map(mpsc::error::TrySendError::into_inner)
            }
            _ => {
                let sent = self.forwarder.try_send(proposal);
                sent.err().map(|refused| Item::Own(refused.into_inner()))
            }
        };
        if let Some(Item::Own(proposal)) = refused {
            proposal.answer(Err(overloaded()));
        }
    }

    /// What to do with the outcomes of a batch of these commands, or without them.
    pub fn answering(&self, proposals: Vec<Proposal>) -> Done {
        let proposer = self.clone();
        Box::new(move |result| match result {
            Ok(outcomes) => {
                for (proposal, outcome) in proposals.into_iter().zip(outcomes) {
                    proposal.answer(Ok(outcome));
                }
            }
            Err(Lost::NothingDone) => proposer.try_again(proposals),
            Err(Lost::Overloaded) => refuse(proposals, &overloaded()),
            Err(Lost::Unknown) => {
                let why =
                    "the leader was lost before it was known whether the command is committed";
                refuse(proposals, &NodeError::Unknown(why.into()));
            }
        })
    }

    /// Hands in again what is certain not to be done, unless it has waited long enough.
    fn try_again(&self, proposals: Vec<Proposal>) {
        let now = clock::monotonic();
        for proposal in proposals {
            if !proposal.is_wanted() {
                continue;
            }
            if proposal.is_overdue(now) {
                proposal.answer(Err(no_leader()));
            } else if let Err(refused) = self.forwarder.try_send(proposal) {
                refused.into_inner().answer(Err(overloaded()));
            }
        }
    }
}

/// Takes a share of the bytes in flight.
fn admit(total: &Arc<AtomicUsize>, bytes: usize) -> Result<InFlight, NodeError> {
    if bytes > MAX_IN_FLIGHT_BYTES {
        // No retry can help.
        let why =
            format!("a command may take {MAX_IN_FLIGHT_BYTES} bytes, and this one takes {bytes}");
        return Err(NodeError::TooLarge(why));
    }
    let before = total.fetch_add(bytes, Ordering::Relaxed);
    let admitted = InFlight {
        bytes,
        total: total.clone(),
    };
    if before + bytes > MAX_IN_FLIGHT_BYTES {
        return Err(overloaded());
    }
    Ok(admitted)
}

/// What a command counts for beside its own bytes.
fn claimed_bytes(command: &durable::Command) -> usize {
    match &command.kind {
        Some(Kind::ClaimTasks(batch)) => batch.max_tasks as usize * CLAIMED_TASK_BYTES,
        Some(Kind::Bulk(step)) => step.limit as usize * CHANGED_TASK_BYTES,
        _ => 0,
    }
}

/// Answers all with the same error.
pub fn refuse(proposals: impl IntoIterator<Item = Proposal>, error: &NodeError) {
    for proposal in proposals {
        proposal.answer(Err(error.clone()));
    }
}

fn overloaded() -> NodeError {
    NodeError::Unavailable("the node is overloaded: too many commands wait for the log".into())
}

/// Nobody leads.
pub fn no_leader() -> NodeError {
    NodeError::Unavailable("no leader with a quorum is known".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_flight_are_bounded() {
        let total = Arc::new(AtomicUsize::new(0));
        let half = admit(&total, MAX_IN_FLIGHT_BYTES / 2);
        let rest = admit(&total, MAX_IN_FLIGHT_BYTES / 2);
        assert!(half.is_ok() && rest.is_ok());
        assert!(matches!(admit(&total, 1), Err(NodeError::Unavailable(_))));
        drop(half);
        assert!(admit(&total, 1).is_ok());
        let never = admit(&total, MAX_IN_FLIGHT_BYTES + 1);
        assert!(matches!(never, Err(NodeError::TooLarge(_))));
        drop(rest);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_claim_of_many_counts_for_what_it_may_find() {
        let claims = |max_tasks| durable::Command {
            kind: Some(Kind::ClaimTasks(durable::ClaimTasks {
                max_tasks,
                ..Default::default()
            })),
            key: None,
        };
        assert_eq!(claimed_bytes(&claims(1000)), 1000 * CLAIMED_TASK_BYTES);
        let submits = Kind::SubmitTasks(durable::SubmitTasks::default());
        let submits = durable::Command {
            kind: Some(submits),
            key: None,
        };
        assert_eq!(claimed_bytes(&submits), 0);
    }
}
