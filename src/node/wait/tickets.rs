//! The claims that wait on this node, whoever leads.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::Step;
use crate::clock::Clock;
use crate::node::NodeError;
use crate::node::health::HealthBoard;
use crate::store::ready::Line;

/// Claims that may wait here; more are refused.
const MAX_WAITING: usize = 100_000;
/// Lines that they may stand in, all together: a claim for many queues stands in many.
const MAX_PLACES: usize = 1_000_000;

/// It is a claim's turn, or it must wait no more.
type Call = oneshot::Sender<Result<(), NodeError>>;

/// The claims that wait here; clones share them.
#[derive(Clone)]
pub struct Tickets {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<Clock>,
    health: Arc<HealthBoard>,
    table: Mutex<Table>,
    /// There is something to tell the leader.
    news: Notify,
}

#[derive(Default)]
struct Table {
    last_ticket: u64,
    last_since_ns: i64,
    waiting: HashMap<u64, Waiting>,
    /// How many of them stand in each line.
    lines: HashMap<Line, usize>,
    places: usize,
    /// The claims that the leader must be told of, since they came, stand in line again, or are gone.
    news: BTreeSet<u64>,
}

struct Waiting {
    since_ns: i64,
    lines: Arc<[Line]>,
    /// None while it is its turn.
    call: Option<Call>,
}

impl Tickets {
    /// None wait yet. They may while that node is ready.
    pub fn new(clock: Arc<Clock>, health: Arc<HealthBoard>) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                health,
                table: Mutex::default(),
                news: Notify::new(),
            }),
        }
    }

    /// A claim has come that may have to wait: its place is behind those that came before it.
    pub fn draw(&self, lines: Vec<Line>) -> Ticket {
        let mut table = self.inner.table.lock();
        table.last_ticket += 1;
        // This node's clock may be set back a little when it follows the leader's.
        table.last_since_ns = self.inner.clock.now_ns().max(table.last_since_ns + 1);
        Ticket {
            tickets: self.clone(),
            number: table.last_ticket,
            since_ns: table.last_since_ns,
            lines: lines.into(),
        }
    }

    /// How many claims wait.
    pub fn count(&self) -> usize {
        self.inner.table.lock().waiting.len()
    }

    /// Refuses all that stand in line, once none may any more.
    pub fn refuse(&self, why: &str) {
        let mut table = self.inner.table.lock();
        for waiting in table.waiting.values_mut() {
            if let Some(call) = waiting.call.take() {
                // A claim that is gone needs no answer.
                let _ = call.send(Err(NodeError::Unavailable(why.to_owned())));
            }
        }
    }

    /// It is that claim's turn. If it is gone, the leader is told so already, or will be.
    pub fn call(&self, ticket: u64) {
        let mut table = self.inner.table.lock();
        let waiting = table.waiting.get_mut(&ticket);
        if let Some(call) = waiting.and_then(|waiting| waiting.call.take()) {
            let _ = call.send(Ok(()));
        }
    }

    /// There is another leader: it must be told of all that stand in line.
    pub fn tell_all(&self) {
        let mut table = self.inner.table.lock();
        let standing = table.waiting.iter();
        let standing = standing.filter(|(_, waiting)| waiting.call.is_some());
        table.news = standing.map(|(ticket, _)| *ticket).collect();
    }

    /// The next thing that the leader must know.
    pub fn next_step(&self) -> Option<Step> {
        let mut table = self.inner.table.lock();
        while let Some(ticket) = table.news.pop_first() {
            match table.waiting.get(&ticket) {
                Some(waiting) if waiting.call.is_some() => {
                    return Some(Step::Enter {
                        ticket,
                        since_ns: waiting.since_ns,
                        lines: waiting.lines.clone(),
                    });
                }
                // It will enter again, or leave.
                Some(_) => {}
                None => return Some(Step::Leave { ticket }),
            }
        }
        None
    }

    /// Whether there is something that the leader must know.
    pub fn has_news(&self) -> bool {
        !self.inner.table.lock().news.is_empty()
    }

    /// Waits until there may be.
    pub async fn news(&self) {
        self.inner.news.notified().await;
    }
}

/// A claim's place in the order in which claims came. It waits no more when this is dropped.
pub struct Ticket {
    tickets: Tickets,
    number: u64,
    since_ns: i64,
    lines: Arc<[Line]>,
}

impl Ticket {
    /// Whether claims that came before stand in one of its lines here.
    pub fn is_behind_others(&self) -> bool {
        let table = self.tickets.inner.table.lock();
        self.lines.iter().any(|line| table.lines.contains_key(line))
    }

    /// Stands in line, at its place. What comes back resolves when it is its turn.
    ///
    /// # Errors
    /// If too many claims wait, or none may now.
    pub fn enter(&self) -> Result<oneshot::Receiver<Result<(), NodeError>>, NodeError> {
        let inner = &self.tickets.inner;
        let mut guard = inner.table.lock();
        let table = &mut *guard;
        // Looked at under the lock: whoever stands in line when that changes is refused then.
        if !inner.health.is_ready()
            && let Some(why) = inner.health.get().refuses_writes()
        {
            return Err(NodeError::Unavailable(why));
        }
        let (call, called) = oneshot::channel();
        if let Some(waiting) = table.waiting.get_mut(&self.number) {
            waiting.call = Some(call);
        } else {
            let is_full =
                table.waiting.len() >= MAX_WAITING || table.places + self.lines.len() > MAX_PLACES;
            if is_full {
                let why = "the node is overloaded: too many claims wait";
                return Err(NodeError::Unavailable(why.into()));
            }
            table.places += self.lines.len();
            for line in self.lines.iter() {
                *table.lines.entry(line.clone()).or_default() += 1;
            }
            let waiting = Waiting {
                since_ns: self.since_ns,
                lines: self.lines.clone(),
                call: Some(call),
            };
            table.waiting.insert(self.number, waiting);
        }
        table.news.insert(self.number);
        inner.news.notify_one();
        Ok(called)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut guard = self.tickets.inner.table.lock();
        let table = &mut *guard;
        if table.waiting.remove(&self.number).is_none() {
            return;
        }
        table.places -= self.lines.len();
        for line in self.lines.iter() {
            if let Some(count) = table.lines.get_mut(line) {
                *count -= 1;
                if *count == 0 {
                    table.lines.remove(line);
                }
            }
        }
        table.news.insert(self.number);
        self.tickets.inner.news.notify_one();
    }
}
