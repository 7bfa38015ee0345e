//! [`Lines`] against a plain list of claims, where every line is looked at after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::lines::{Lines, Turn};
use super::room::Room;
use crate::store::ready::Line;

/// How long a turn may be out.
const LIMIT: Duration = Duration::from_secs(1);
const NODES: u64 = 3;

/// Room for so many claims, whatever the queue.
fn tasks(tasks: u64) -> Room {
    Room {
        tasks,
        claims: None,
    }
}

fn line(number: u8) -> Line {
    (format!("queue {number}").into(), "submitted".into())
}

#[derive(Clone, Debug)]
enum Step {
    Join(u64),
    Part(u64),
    /// A new claim of that node for those lines.
    Enter(u64, BTreeSet<u8>),
    /// Any claim goes away.
    Leave(prop::sample::Index),
    /// The oldest turn is used: a task is claimed if there is one, or the claim waits again.
    Use(prop::sample::Index),
    Submit(u8, u64),
    /// A claim that doesn't wait takes a task.
    Take(u8),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = 1..=NODES;
    let line = 0u8..3;
    let step = prop_oneof![
        1 => node.clone().prop_map(Step::Join),
        1 => node.clone().prop_map(Step::Part),
        8 => (node, prop::collection::btree_set(line.clone(), 1..3))
            .prop_map(|(node, lines)| Step::Enter(node, lines)),
        2 => any::<prop::sample::Index>().prop_map(Step::Leave),
        8 => any::<prop::sample::Index>().prop_map(Step::Use),
        6 => (line.clone(), 1u64..4).prop_map(|(line, tasks)| Step::Submit(line, tasks)),
        2 => line.prop_map(Step::Take),
        5 => (0u64..1500).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..200)
}

#[derive(Clone, Debug)]
struct Claim {
    node: u64,
    ticket: u64,
    since_ns: i64,
    lines: BTreeSet<u8>,
    /// The line that its turn is out for, and since when.
    turn: Option<(u8, Duration)>,
}

/// The rule as it is told, at the cost of looking at everything.
#[derive(Default)]
struct Model {
    claims: Vec<Claim>,
    tasks: BTreeMap<u8, u64>,
    silent: BTreeSet<u64>,
    now: Duration,
}

impl Model {
    fn tasks(&self, line: u8) -> u64 {
        self.tasks.get(&line).copied().unwrap_or(0)
    }

    fn turns_out(&self, line: u8) -> u64 {
        let out = self.claims.iter().filter(|claim| {
            let turn = claim.turn.as_ref();
            turn.is_some_and(|(of, _)| *of == line)
        });
        out.count() as u64
    }

    fn first(&mut self, line: u8) -> Option<&mut Claim> {
        let silent = &self.silent;
        let standing = self.claims.iter_mut().filter(|claim| {
            claim.turn.is_none() && claim.lines.contains(&line) && !silent.contains(&claim.node)
        });
        standing.min_by_key(|claim| (claim.since_ns, claim.node, claim.ticket))
    }

    fn turns(&mut self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for line in 0..3 {
            while self.tasks(line) > self.turns_out(line) {
                let now = self.now;
                let Some(claim) = self.first(line) else {
                    break;
                };
                claim.turn = Some((line, now));
                turns.push(Turn {
                    node: claim.node,
                    ticket: claim.ticket,
                });
            }
        }
        turns
    }

    fn end_turns(&mut self) {
        let before = self.now.saturating_sub(LIMIT);
        let is_overdue =
            |claim: &mut Claim| claim.turn.as_ref().is_some_and(|(_, at)| *at < before);
        for claim in self.claims.extract_if(.., is_overdue) {
            self.silent.insert(claim.node);
        }
    }
}

/// Both side by side.
#[derive(Default)]
struct Pair {
    lines: Lines,
    sessions: BTreeMap<u64, u64>,
    model: Model,
    last_ticket: u64,
}

impl Pair {
    fn step(&mut self, step: Step) {
        match step {
            Step::Join(node) => {
                self.model.claims.retain(|claim| claim.node != node);
                self.model.silent.remove(&node);
                self.sessions.insert(node, self.lines.join(node));
            }
            Step::Part(node) => {
                if let Some(session) = self.sessions.remove(&node) {
                    self.model.claims.retain(|claim| claim.node != node);
                    self.model.silent.remove(&node);
                    assert!(self.lines.part(node, session));
                    assert!(!self.lines.part(node, session));
                }
            }
            Step::Enter(node, lines) => self.enter(node, lines),
            Step::Leave(any) => self.leave(&any),
            Step::Use(any) => self.use_turn(&any),
            Step::Submit(number, tasks) => {
                *self.model.tasks.entry(number).or_default() += tasks;
                self.lines.ready(line(number));
            }
            Step::Take(number) => self.take(number),
            Step::Pass(ms) => {
                self.model.now += Duration::from_millis(ms);
                self.model.end_turns();
                self.lines.end_turns(self.model.now.saturating_sub(LIMIT));
            }
        }
    }

    fn enter(&mut self, node: u64, lines: BTreeSet<u8>) {
        let Some(session) = self.sessions.get(&node) else {
            return;
        };
        self.last_ticket += 1;
        let claim = Claim {
            node,
            ticket: self.last_ticket,
            // Clocks differ: not the order of the calls here.
            since_ns: (self.last_ticket as i64 * 7) % 20,
            lines,
            turn: None,
        };
        self.model.silent.remove(&node);
        self.wait(*session, &claim);
        self.model.claims.push(claim);
    }

    fn wait(&mut self, session: u64, claim: &Claim) {
        let lines: Arc<[Line]> = claim.lines.iter().map(|number| line(*number)).collect();
        let Claim {
            node,
            ticket,
            since_ns,
            ..
        } = *claim;
        self.lines.enter(node, session, ticket, since_ns, lines);
    }

    fn leave(&mut self, any: &prop::sample::Index) {
        if self.model.claims.is_empty() {
            return;
        }
        let claim = self.model.claims.remove(any.index(self.model.claims.len()));
        self.model.silent.remove(&claim.node);
        let session = self.sessions[&claim.node];
        // A word of a session that is over counts for nothing.
        self.lines.leave(claim.node, session + 1000, claim.ticket);
        self.lines.leave(claim.node, session, claim.ticket);
    }

    fn use_turn(&mut self, any: &prop::sample::Index) {
        let out = self.model.claims.iter().enumerate();
        let out = out.filter(|(_, claim)| claim.turn.is_some());
        let out: Vec<usize> = out.map(|(at, _)| at).collect();
        if out.is_empty() {
            return;
        }
        let mut claim = self.model.claims.remove(out[any.index(out.len())]);
        self.model.silent.remove(&claim.node);
        let session = self.sessions[&claim.node];
        // The best of all its queues, not of the one whose turn it had.
        let best = claim.lines.iter().find(|line| self.model.tasks(**line) > 0);
        if let Some(best) = best {
            self.take(*best);
            self.lines.leave(claim.node, session, claim.ticket);
        } else {
            claim.turn = None;
            self.wait(session, &claim);
            self.model.claims.push(claim);
        }
    }

    fn take(&mut self, number: u8) {
        let tasks = self.model.tasks.entry(number).or_default();
        *tasks = tasks.saturating_sub(1);
    }

    fn check(&mut self) {
        let counts = self.model.tasks.clone();
        let claimable = |at: &Line| {
            let number = (0..3).find(|number| line(*number) == *at).unwrap();
            tasks(counts.get(&number).copied().unwrap_or(0))
        };
        let now = self.model.now;
        assert_eq!(self.lines.turns(now, claimable), self.model.turns());
        assert!(!self.lines.is_due());
        assert_eq!(self.lines.is_empty(), self.model.claims.is_empty());
        for number in 0..3 {
            let (out, tasks) = (self.model.turns_out(number), self.model.tasks(number));
            // No wake-up is lost.
            assert!(out >= tasks || self.model.first(number).is_none());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whose_turn_it_is_follows_from_how_things_stand(steps in steps()) {
        let mut pair = Pair::default();
        for step in steps {
            pair.step(step);
            pair.check();
        }
    }
}

fn entered(lines: &mut Lines, session: u64, ticket: u64) {
    lines.enter(1, session, ticket, ticket as i64, [line(0)].into());
}

fn tickets(turns: &[Turn]) -> Vec<u64> {
    turns.iter().map(|turn| turn.ticket).collect()
}

#[test]
fn one_task_is_one_turn() {
    let mut lines = Lines::default();
    let session = lines.join(1);
    for ticket in 1..=3 {
        entered(&mut lines, session, ticket);
    }
    let at = Duration::from_secs;
    assert_eq!(lines.turns(at(0), |_| tasks(0)), []);
    // Nothing is looked at that nobody said anything of.
    assert_eq!(lines.turns(at(0), |_| tasks(1)), []);
    lines.ready(line(0));
    assert_eq!(tickets(&lines.turns(at(0), |_| tasks(1))), [1]);
    lines.ready(line(0));
    assert_eq!(lines.turns(at(0), |_| tasks(1)), []);
    // It found nothing, and stands at its old place.
    entered(&mut lines, session, 1);
    assert_eq!(tickets(&lines.turns(at(0), |_| tasks(2))), [1, 2]);
    lines.leave(1, session, 1);
    assert_eq!(lines.turns(at(0), |_| tasks(1)), []);
    lines.leave(1, session, 2);
    assert_eq!(tickets(&lines.turns(at(0), |_| tasks(1))), [3]);
}

#[test]
fn a_silent_node_holds_nobody_up() {
    let mut lines = Lines::default();
    let (hung, other) = (lines.join(1), lines.join(2));
    for ticket in 1..=3 {
        entered(&mut lines, hung, ticket);
    }
    lines.enter(2, other, 9, 9, [line(0)].into());
    let at = Duration::from_secs;
    assert_eq!(tickets(&lines.turns(at(0), |_| tasks(1))), [1]);
    lines.end_turns(at(0));
    assert_eq!(lines.turns(at(0), |_| tasks(1)), []);
    // All the others of that node are passed over.
    lines.end_turns(at(1));
    assert_eq!(tickets(&lines.turns(at(1), |_| tasks(1))), [9]);
    lines.leave(2, other, 9);
    assert_eq!(lines.turns(at(2), |_| tasks(1)), []);
    // It speaks, and its claims have kept their places.
    lines.leave(1, hung, 1);
    assert_eq!(tickets(&lines.turns(at(3), |_| tasks(1))), [2]);
}

/// One slot of a queue is one turn, however many lines of it claims stand in.
#[test]
fn a_queue_s_limit_counts_over_its_lines() {
    let mut lines = Lines::default();
    let session = lines.join(1);
    let of_state = |state: &str| -> Line { ("q".into(), state.into()) };
    for (ticket, state) in [(1, "a"), (2, "b"), (3, "a")] {
        let stands = vec![of_state(state)].into();
        lines.enter(1, session, ticket, ticket as i64, stands);
    }
    lines.enter(1, session, 4, 4, vec![("r".into(), "a".into())].into());
    let room = |claims| {
        move |line: &Line| Room {
            tasks: 9,
            claims: (&*line.0 == "q").then_some(claims),
        }
    };
    let at = Duration::from_millis;
    assert_eq!(tickets(&lines.turns(at(0), room(1))), [1, 4]);
    assert_eq!(lines.turns(at(1), room(1)), []);
    // Its turn is over: another line of the queue is looked at, too.
    lines.leave(1, session, 1);
    assert_eq!(lines.turns(at(2), room(0)), []);
    assert_eq!(lines.turns(at(3), room(1)), [], "nothing has changed");
    lines.loosened(&"q".into());
    assert_eq!(tickets(&lines.turns(at(4), room(1))), [3]);
    lines.leave(1, session, 3);
    assert_eq!(tickets(&lines.turns(at(5), room(1))), [2]);
}
