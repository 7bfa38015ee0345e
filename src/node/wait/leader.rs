//! The leader's part: claims of all nodes stand in line here, and are told that it is their turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Step;
use super::lines::Lines;
use super::room::Room;
use crate::clock::{self, Clock};
use crate::raft::network::wait::Follower;
use crate::raft::{Leadership, Raft};
use crate::store::Store;
use crate::store::ready::News;
use crate::store::record::Name;

/// A turn that is neither used nor given back by then goes to another node's claim: its node hangs.
const TURN_LIMIT: Duration = Duration::from_secs(1);
/// How often it is looked at while anybody stands in line.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Tells a claim, by its node's number for it, that it is its turn.
pub type Wake = Box<dyn Fn(u64) + Send>;

/// The lines of this node, which count while it leads; clones share them.
#[derive(Clone)]
pub struct LeaderLines {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<Clock>,
    desk: Mutex<Desk>,
    /// Somebody has begun to stand in line.
    joined: Notify,
    /// A queue will let more claims through sooner than was known.
    sooner: Notify,
}

#[derive(Default)]
struct Desk {
    /// The leadership that the lines are of.
    term: u64,
    lines: Lines,
    wakes: BTreeMap<u64, Wake>,
    /// When queues let more claims through that let none through now, nanoseconds since 1970.
    paced: BTreeMap<Name, i64>,
}

impl LeaderLines {
    /// Starts to watch that group and its state.
    pub fn start(raft: &Raft, store: Store, clock: Arc<Clock>) -> Self {
        let leader = Self {
            inner: Arc::new(Inner {
                store,
                clock,
                desk: Mutex::default(),
                joined: Notify::new(),
                sooner: Notify::new(),
            }),
        };
        let told = leader.clone();
        raft.ready().set(move |news| told.ready(news));
        tokio::spawn(watch(leader.clone(), raft.clone()));
        leader
    }

    /// A node's claims can stand in line here, in the leadership of `term`; none if it is over.
    pub fn join(&self, term: u64, node: u64, wake: Wake) -> Option<Seat> {
        let mut desk = self.inner.desk.lock();
        if term < desk.term {
            return None;
        }
        if term > desk.term {
            desk.clear();
            desk.term = term;
        }
        let session = desk.lines.join(node);
        desk.wakes.insert(node, wake);
        self.inner.joined.notify_one();
        Some(Seat {
            leader: self.clone(),
            node,
            session,
        })
    }

    /// Takes the claims of a follower for as long as its stream and this leadership last.
    ///
    /// # Errors
    /// If this node doesn't lead.
    pub fn serve(&self, raft: &Raft, follower: Follower) -> Result<(), String> {
        let no_leader = || "this node does not lead".to_owned();
        let Leadership::Mine { term } = raft.leadership() else {
            return Err(no_leader());
        };
        let (wakes, mut steps) = (follower.wakes, follower.steps);
        let wake = Box::new(move |ticket| wakes.wake(ticket));
        let seat = self.join(term, follower.id, wake);
        let seat = seat.ok_or_else(no_leader)?;
        tokio::spawn(async move {
            while let Some(step) = steps.next().await.and_then(Step::of_message) {
                seat.take(step);
            }
        });
        Ok(())
    }

    /// Tasks came into lines, or queues let more claims through.
    fn ready(&self, news: News) {
        let mut desk = self.inner.desk.lock();
        for line in news.lines {
            desk.lines.ready(line);
        }
        for queue in &news.queues {
            desk.lines.loosened(queue);
        }
        self.look(&mut desk);
    }

    /// Tells those whose turn has come.
    fn look(&self, desk: &mut Desk) {
        let turns = {
            let mut state = self.inner.store.lock();
            // Before the counts are looked at: what comes later is told.
            state.watch_ready(!desk.lines.is_empty());
            if !desk.lines.is_due() {
                return;
            }
            let now_ns = self.inner.clock.now_ns();
            let Desk { lines, paced, .. } = desk;
            let before = paced.values().min().copied();
            let room = |line: &_| Room::of(&*state, line, now_ns, paced);
            let turns = lines.turns(clock::monotonic(), room);
            let soonest = paced.values().min();
            if soonest.is_some_and(|soonest| before.is_none_or(|before| *soonest < before)) {
                self.inner.sooner.notify_one();
            }
            turns
        };
        for turn in turns {
            if let Some(wake) = desk.wakes.get(&turn.node) {
                wake(turn.ticket);
            }
        }
    }

    /// Looks after turns that nobody uses; false once nobody stands in line.
    fn tend(&self, leadership: Leadership) -> bool {
        let mut desk = self.inner.desk.lock();
        if leadership != (Leadership::Mine { term: desk.term }) {
            desk.clear();
        }
        let before = clock::monotonic().saturating_sub(TURN_LIMIT);
        desk.lines.end_turns(before);
        let now_ns = self.inner.clock.now_ns();
        let Desk { lines, paced, .. } = &mut *desk;
        paced.retain(|queue, next_ns| {
            let is_over = *next_ns <= now_ns;
            if is_over {
                lines.loosened(queue);
            }
            !is_over
        });
        self.look(&mut desk);
        !desk.wakes.is_empty()
    }

    /// How long to wait before it is looked at again.
    fn pause(&self) -> Duration {
        let desk = self.inner.desk.lock();
        let Some(next_ns) = desk.paced.values().min() else {
            return LOOK_INTERVAL;
        };
        let pause_ns = next_ns.saturating_sub(self.inner.clock.now_ns()).max(0);
        Duration::from_nanos(pause_ns.unsigned_abs()).min(LOOK_INTERVAL)
    }
}

impl Desk {
    /// This leadership is over. The followers' streams end, and so they look for the next leader.
    fn clear(&mut self) {
        self.lines.clear();
        self.wakes.clear();
        self.paced.clear();
    }
}

/// Costs nothing while nobody stands in line.
async fn watch(leader: LeaderLines, raft: Raft) {
    loop {
        leader.inner.joined.notified().await;
        while leader.tend(raft.leadership()) {
            tokio::select! {
                () = raft.leadership_changed(leader.pause()) => {}
                () = leader.inner.sooner.notified() => {}
            }
        }
    }
}

/// Where one node's claims stand in line; they are gone when it is dropped.
pub struct Seat {
    leader: LeaderLines,
    node: u64,
    session: u64,
}

impl Seat {
    /// One of the claims begins or ceases to wait.
    pub fn take(&self, step: Step) {
        let mut desk = self.leader.inner.desk.lock();
        match step {
            Step::Enter {
                ticket,
                since_ns,
                lines,
            } => {
                let (node, session) = (self.node, self.session);
                desk.lines.enter(node, session, ticket, since_ns, lines);
            }
            Step::Leave { ticket } => desk.lines.leave(self.node, self.session, ticket),
        }
        self.leader.look(&mut desk);
    }

    /// Whether the leadership that it is of goes on, and no later seat took its place.
    pub fn is_kept(&self) -> bool {
        let desk = self.leader.inner.desk.lock();
        desk.lines.is_here(self.node, self.session)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut desk = self.leader.inner.desk.lock();
        if desk.lines.part(self.node, self.session) {
            desk.wakes.remove(&self.node);
            self.leader.look(&mut desk);
        }
    }
}
