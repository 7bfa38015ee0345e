//! Claims that find nothing and wait for a task.
//!
//! A claim that finds nothing stands in the leader's lines, wherever it came in, until the leader
//! says that there is a task for it; then it is proposed like any other claim. A turn is a hint and no
//! promise: whoever finds nothing stands at its old place again, and the last try, when the wait is
//! over, is an ordinary claim whose answer is the answer. So no answer depends on what is told here.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::OptionFuture;
use metrics::{Counter, counter};

mod leader;
mod lines;
mod room;
mod route;
#[cfg(test)]
mod tests;
mod tickets;

use super::health::HealthBoard;
use super::{Node, NodeError};
use crate::clock::Clock;
use crate::proto::durable::{self, RequestKey, command::Kind};
use crate::proto::peer;
use crate::queue::Outcome;
use crate::raft::Raft;
use crate::raft::network::peers::Peers;
use crate::raft::network::wait::Follower;
use crate::store::Store;
use crate::store::awaited::Wait;
use crate::store::ready::Line;
use leader::LeaderLines;
use tickets::Tickets;

/// A try that was refused is not made again before this time has passed.
const PAUSE: Duration = Duration::from_millis(100);

/// Which of a claim's tries it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// It has just come, and would wait if it finds nothing.
    First,
    /// The leader says that there is a task for it.
    Turn,
    /// It waits no longer: what it finds, or does not find, is the answer.
    Last,
}

/// What the leader must know of a claim.
pub enum Step {
    /// It begins to wait, or waits again at its old place since it found nothing.
    Enter {
        /// Its number on its node.
        ticket: u64,
        /// Since when it waits, nanoseconds since 1970.
        since_ns: i64,
        /// Where it looks for a task.
        lines: Arc<[Line]>,
    },
    /// It waits no more.
    Leave {
        /// Its number on its node.
        ticket: u64,
    },
}

impl Step {
    /// As it is sent.
    pub fn into_message(self) -> peer::WaitRequest {
        use peer::wait_request::Step as Message;
        let step = match self {
            Self::Enter {
                ticket,
                since_ns,
                lines,
            } => {
                let state = lines.first().map(|(_, state)| state.to_string());
                Message::Enter(peer::WaitEnter {
                    ticket,
                    queues: lines.iter().map(|(queue, _)| queue.to_string()).collect(),
                    current_state: state.unwrap_or_default(),
                    since_ns,
                })
            }
            Self::Leave { ticket } => Message::Leave(peer::WaitLeave { ticket }),
        };
        peer::WaitRequest { step: Some(step) }
    }

    /// As it was sent; none if it makes no sense.
    pub fn of_message(message: peer::WaitRequest) -> Option<Self> {
        use peer::wait_request::Step as Message;
        Some(match message.step? {
            Message::Enter(enter) => Self::Enter {
                ticket: enter.ticket,
                since_ns: enter.since_ns,
                lines: lines(enter.queues, &enter.current_state).into(),
            },
            Message::Leave(leave) => Self::Leave {
                ticket: leave.ticket,
            },
        })
    }
}

fn lines(queues: impl IntoIterator<Item = String>, state: &str) -> Vec<Line> {
    let state: Arc<str> = state.into();
    let queues = queues.into_iter();
    let mut lines: Vec<Line> = queues.map(|queue| (queue.into(), state.clone())).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// The claim in a command for a task or for several.
pub fn claim_of(kind: &Kind) -> Option<&durable::Claim> {
    match kind {
        Kind::Claim(claim) => Some(claim),
        Kind::ClaimTasks(batch) => batch.next.as_ref(),
        _ => None,
    }
}

/// Where a claim looks for a task.
fn lines_of(claim: &durable::Claim) -> Vec<Line> {
    let queue = Some(&claim.queue).filter(|queue| !queue.is_empty());
    let queues = queue.into_iter().chain(&claim.queues);
    lines(queues.cloned(), &claim.current_state)
}

/// The claims that wait on this node, and those of all nodes while it leads; clones share them.
#[derive(Clone)]
pub struct Waits {
    tickets: Tickets,
    leader: LeaderLines,
    turns: Counter,
    empty_turns: Counter,
}

impl Waits {
    /// Starts to let claims wait for tasks of that store.
    pub fn start(
        raft: &Raft,
        peers: &Peers,
        store: &Store,
        clock: &Arc<Clock>,
        health: &Arc<HealthBoard>,
    ) -> Self {
        let tickets = Tickets::new(clock.clone(), health.clone());
        let leader = LeaderLines::start(raft, store.clone(), clock.clone());
        let route = route::run(tickets.clone(), leader.clone(), raft.clone(), peers.clone());
        tokio::spawn(route);
        tokio::spawn(watch_health(tickets.clone(), health.clone()));
        Self {
            tickets,
            leader,
            turns: counter!("corndogs_wait_turns_total"),
            empty_turns: counter!("corndogs_wait_empty_turns_total"),
        }
    }

    /// How many claims wait on this node.
    pub fn count(&self) -> usize {
        self.tickets.count()
    }
}

/// Claims can't wait where they would be refused: a node that shuts down answers them at once.
async fn watch_health(tickets: Tickets, health: Arc<HealthBoard>) {
    let mut changes = health.subscribe();
    loop {
        let why = changes.borrow_and_update().refuses_writes();
        if let Some(why) = why {
            tickets.refuse(&why);
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

impl Node {
    /// Claims a task, or several, and waits up to `wait` for the first one.
    ///
    /// Claims that wait are served in the order in which they came. One whose future is dropped takes
    /// no task, unless it is in the log already.
    ///
    /// # Errors
    /// As [`Node::execute`]; unavailable as soon as the node refuses claims.
    pub async fn claim(
        &self,
        kind: Kind,
        key: Option<RequestKey>,
        wait: Duration,
    ) -> Result<Outcome, NodeError> {
        let lines = claim_of(&kind).map(lines_of);
        let Some(lines) = lines.filter(|_| !wait.is_zero()) else {
            return self.claim_now(kind, key).await;
        };
        let answered = key
            .as_ref()
            .map(|key| self.store.lock().await_answer(&key.key));
        if self.is_answered(key.as_ref()).await? {
            return self.claim_now(kind, key).await;
        }
        // Another try by this key may be answered meanwhile: its answer is this one's.
        let answered = OptionFuture::from(answered.map(Wait::answered));
        let over = async {
            tokio::select! {
                () = tokio::time::sleep(wait) => (),
                Some(()) = answered => (),
            }
        };
        self.claim_waiting(lines, over, |turn| {
            let (node, kind, key) = (self.clone(), kind.clone(), key_of(key.as_ref(), turn));
            async move {
                match turn {
                    Try::First | Try::Last => node.claim_now(kind, key).await,
                    // Its task may not have come to this node's state yet.
                    Try::Turn => node.execute(kind, key).await,
                }
            }
        })
        .await
    }

    /// Whether an answer is remembered under that key: then nobody need wait, whoever asks.
    async fn is_answered(&self, key: Option<&RequestKey>) -> Result<bool, NodeError> {
        let Some(key) = key else {
            return Ok(false);
        };
        let now_ns = self.clock.now_ns();
        self.read(|view| {
            let answer = view.answer(&key.key)?;
            Ok(answer.is_some_and(|answer| answer.expires_ns > now_ns))
        })
        .await
    }

    /// Tries until there is a task in one of the lines, or the wait is `over`.
    async fn claim_waiting<Tried>(
        &self,
        lines: Vec<Line>,
        over: impl Future<Output = ()>,
        attempt: impl Fn(Try) -> Tried,
    ) -> Result<Outcome, NodeError>
    where
        Tried: Future<Output = Result<Outcome, NodeError>>,
    {
        let mut over = pin!(over);
        let ticket = self.waits.tickets.draw(lines);
        // Whoever finds others waiting stands behind them.
        if !ticket.is_behind_others() {
            let outcome = attempt(Try::First).await?;
            if !outcome.is_empty() {
                return Ok(outcome);
            }
        }
        loop {
            let turn = ticket.enter()?;
            tokio::select! {
                biased;
                () = &mut over => break,
                turn = turn => turn.unwrap_or_else(|_| Err(ended()))?,
            }
            self.waits.turns.increment(1);
            match attempt(Try::Turn).await {
                Ok(outcome) if outcome.is_empty() => self.waits.empty_turns.increment(1),
                // Nothing was done, and there is time left. The turn is kept meanwhile: others
                // would only be refused as well.
                Err(NodeError::Unavailable(why)) => {
                    tracing::debug!("a claim waits on: {why}");
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
        drop(ticket);
        attempt(Try::Last).await
    }

    /// Lets a follower's claims stand in line here.
    pub(super) fn serve_waits(&self, follower: Follower) -> Result<(), String> {
        self.waits.leader.serve(&self.raft, follower)
    }
}

/// The key of one of the tries: only what the last one comes to is the answer, found or not.
fn key_of(key: Option<&RequestKey>, turn: Try) -> Option<RequestKey> {
    key.map(|key| RequestKey {
        skips_empty: turn != Try::Last,
        ..key.clone()
    })
}

fn ended() -> NodeError {
    NodeError::Unavailable("the node is shutting down".into())
}
