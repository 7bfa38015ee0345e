//! The leader's waiting lines: which claims wait for which tasks, and whose turn it is.
//!
//! A claim stands in the line of each queue and state that it waits for, in the order in which
//! claims came. The rule: while more tasks of a line can be claimed than turns are out for it, and its
//! queue lets more claims through than turns are out for the queue, its first claim gets a turn, and leaves all its lines. The rule looks at how things stand, not at
//! what happened, so that no wake-up is lost; a line is looked at whenever it may have begun to
//! hold. Knows no clock and no IO.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::room::Room;
use crate::store::ready::Line;
use crate::store::record::Name;

/// A claim's place among others in the order in which they came: since when it waits
/// (nanoseconds since 1970), and its number.
type Place = (i64, u64);

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The node where the claim waits.
    pub node: u64,
    /// That node's number for the claim.
    pub ticket: u64,
}

/// All lines, and the nodes whose claims stand in them.
#[derive(Debug, Default)]
pub struct Lines {
    lines: BTreeMap<Line, Waiting>,
    nodes: BTreeMap<u64, Node>,
    /// The lines in which somebody's turn may have come.
    due: BTreeSet<Line>,
    last_session: u64,
}

/// Who waits in one line. By node: those of a silent one are passed over at no cost.
#[derive(Debug, Default)]
struct Waiting {
    places: BTreeMap<u64, BTreeSet<Place>>,
    /// Turns that are out for it.
    turns: u64,
}

/// One node's claims.
#[derive(Debug, Default)]
struct Node {
    session: u64,
    standing: HashMap<u64, Standing>,
    turns: BTreeMap<u64, TurnOut>,
    /// It left a turn unused: it gets no other one before it says something.
    is_silent: bool,
}

#[derive(Debug)]
struct Standing {
    since_ns: i64,
    lines: Arc<[Line]>,
}

#[derive(Debug)]
struct TurnOut {
    line: Line,
    since: Duration,
}

impl Lines {
    /// A node's claims can stand here from now on. What it had here before is forgotten.
    pub fn join(&mut self, node: u64) -> u64 {
        self.forget(node);
        self.last_session += 1;
        let joined = Node {
            session: self.last_session,
            ..Node::default()
        };
        self.nodes.insert(node, joined);
        self.last_session
    }

    /// All claims of a node are gone. Whether its session was that one still.
    pub fn part(&mut self, node: u64, session: u64) -> bool {
        let is_here = self.is_here(node, session);
        if is_here {
            self.forget(node);
        }
        is_here
    }

    /// All claims are gone, and all sessions over.
    pub fn clear(&mut self) {
        *self = Self {
            last_session: self.last_session,
            ..Self::default()
        };
    }

    /// A claim begins to wait, or waits again since it found nothing; its turn is over then.
    pub fn enter(
        &mut self,
        node: u64,
        session: u64,
        ticket: u64,
        since_ns: i64,
        lines: Arc<[Line]>,
    ) {
        if !self.hear(node, session) {
            return;
        }
        self.remove(node, ticket);
        for line in lines.iter() {
            let waiting = self.lines.entry(line.clone()).or_default();
            let places = waiting.places.entry(node).or_default();
            places.insert((since_ns, ticket));
            self.due.insert(line.clone());
        }
        if let Some(node) = self.nodes.get_mut(&node) {
            node.standing.insert(ticket, Standing { since_ns, lines });
        }
    }

    /// A claim waits no more; a turn that it had is over.
    pub fn leave(&mut self, node: u64, session: u64, ticket: u64) {
        if self.hear(node, session) {
            self.remove(node, ticket);
        }
    }

    /// A task came into that line.
    pub fn ready(&mut self, line: Line) {
        if self.lines.contains_key(&line) {
            self.due.insert(line);
        }
    }

    /// More claims of that queue may be let through.
    pub fn loosened(&mut self, queue: &Name) {
        let lines = self.of_queue(queue).map(|(line, _)| line.clone());
        let lines: Vec<Line> = lines.collect();
        self.due.extend(lines);
    }

    fn of_queue<'a>(&'a self, queue: &'a Name) -> impl Iterator<Item = (&'a Line, &'a Waiting)> {
        let from = (queue.clone(), Name::default());
        let lines = self.lines.range(from..);
        lines.take_while(move |(line, _)| line.0 == *queue)
    }

    /// Takes back turns that were given out before `before`. The nodes that had them are silent.
    pub fn end_turns(&mut self, before: Duration) {
        let overdue: Vec<Turn> = self
            .nodes
            .iter()
            .flat_map(|(node, claims)| {
                let overdue = claims.turns.iter().filter(|(_, turn)| turn.since < before);
                overdue.map(|(ticket, _)| Turn {
                    node: *node,
                    ticket: *ticket,
                })
            })
            .collect();
        for Turn { node, ticket } in overdue {
            self.remove(node, ticket);
            if let Some(node) = self.nodes.get_mut(&node) {
                node.is_silent = true;
            }
        }
    }

    /// Whether nobody waits and no turn is out.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether somebody's turn may have come.
    pub fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whose turn it is now, in order. `room` tells how many tasks of a line can be claimed, and how
    /// many claims its queue lets through.
    pub fn turns(&mut self, now: Duration, mut room: impl FnMut(&Line) -> Room) -> Vec<Turn> {
        let mut turns = Vec::new();
        for line in std::mem::take(&mut self.due) {
            if !self.lines.contains_key(&line) {
                continue;
            }
            let room = room(&line);
            while let Some(turn) = self.next_turn(&line, room) {
                self.remove(turn.node, turn.ticket);
                self.give(turn, line.clone(), now);
                turns.push(turn);
            }
        }
        turns
    }

    fn next_turn(&self, line: &Line, room: Room) -> Option<Turn> {
        let waiting = self.lines.get(line)?;
        if room.tasks <= waiting.turns {
            return None;
        }
        if let Some(claims) = room.claims {
            let turns = self.of_queue(&line.0).map(|(_, waiting)| waiting.turns);
            if claims <= turns.sum() {
                return None;
            }
        }
        let speaks = |node: &u64| self.nodes.get(node).is_some_and(|node| !node.is_silent);
        let firsts = waiting.places.iter().filter_map(|(node, places)| {
            let (since_ns, ticket) = places.first()?;
            speaks(node).then_some((*since_ns, *node, *ticket))
        });
        let (_, node, ticket) = firsts.min()?;
        Some(Turn { node, ticket })
    }

    fn give(&mut self, turn: Turn, line: Line, now: Duration) {
        self.lines.entry(line.clone()).or_default().turns += 1;
        if let Some(node) = self.nodes.get_mut(&turn.node) {
            let out = TurnOut { line, since: now };
            node.turns.insert(turn.ticket, out);
        }
    }

    /// Whether a node's session is that one still.
    pub fn is_here(&self, node: u64, session: u64) -> bool {
        let here = self.nodes.get(&node);
        here.is_some_and(|here| here.session == session)
    }

    /// A node says something. Whether it may: its session is that one still.
    fn hear(&mut self, node: u64, session: u64) -> bool {
        if !self.is_here(node, session) {
            return false;
        }
        let speaker = self.nodes.get_mut(&node);
        if speaker.is_some_and(|speaker| std::mem::take(&mut speaker.is_silent)) {
            let its = self.lines.iter();
            let its = its.filter(|(_, waiting)| waiting.places.contains_key(&node));
            self.due.extend(its.map(|(line, _)| line.clone()));
        }
        true
    }

    /// Takes a claim out of its lines, or its turn back.
    fn remove(&mut self, node: u64, ticket: u64) {
        let Some(claims) = self.nodes.get_mut(&node) else {
            return;
        };
        let standing = claims.standing.remove(&ticket);
        let turn = claims.turns.remove(&ticket);
        if let Some(Standing { since_ns, lines }) = standing {
            for line in lines.iter() {
                self.remove_place(line, node, (since_ns, ticket));
            }
        }
        if let Some(TurnOut { line, .. }) = turn {
            self.end_turn(line);
        }
    }

    fn remove_place(&mut self, line: &Line, node: u64, place: Place) {
        let Some(waiting) = self.lines.get_mut(line) else {
            return;
        };
        if let Some(places) = waiting.places.get_mut(&node) {
            places.remove(&place);
            if places.is_empty() {
                waiting.places.remove(&node);
            }
        }
        self.drop_if_unused(line);
    }

    fn end_turn(&mut self, line: Line) {
        if let Some(waiting) = self.lines.get_mut(&line) {
            waiting.turns = waiting.turns.saturating_sub(1);
        }
        self.drop_if_unused(&line);
        // Other lines of the queue may have been held up by this turn.
        self.loosened(&line.0);
    }

    fn drop_if_unused(&mut self, line: &Line) {
        let unused = |waiting: &Waiting| waiting.places.is_empty() && waiting.turns == 0;
        if self.lines.get(line).is_some_and(unused) {
            self.lines.remove(line);
        }
    }

    fn forget(&mut self, node: u64) {
        let Some(claims) = self.nodes.get(&node) else {
            return;
        };
        let tickets = claims.standing.keys().chain(claims.turns.keys());
        let tickets: Vec<u64> = tickets.copied().collect();
        for ticket in tickets {
            self.remove(node, ticket);
        }
        self.nodes.remove(&node);
    }
}
