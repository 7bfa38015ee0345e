//! What a checker finds.

use serde::{Deserialize, Serialize};

use super::op::Op;

/// So many violations of one checker are kept: a broken server breaks its promise again and again.
const MOST_KEPT: usize = 1_000;
/// So many calls of one violation are kept, and so many are told.
const MOST_CALLS: usize = 10_000;
const MOST_TOLD: usize = 100;

/// A promise that was broken, and the calls that show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The checker that found it.
    pub checker: String,
    /// What is wrong.
    pub says: String,
    /// The tasks that it is about.
    pub tasks: Vec<String>,
    /// The fewest calls whose answers can't be explained together, whatever all other calls did.
    pub calls: Vec<u64>,
    /// Whether it rests on all other calls as well: that more was shown than they can have brought about.
    pub rests_on_all: bool,
}

impl Violation {
    /// What is told first: what stands by itself, by the fewest calls, the earliest.
    pub(super) fn rank(&self) -> (bool, usize, Option<u64>) {
        (
            self.rests_on_all,
            self.calls.len(),
            self.calls.last().copied(),
        )
    }

    /// Leaves out what nobody would read.
    pub(super) fn shorten(&mut self) {
        self.calls.truncate(MOST_TOLD);
        self.tasks.truncate(MOST_TOLD);
    }
}

/// What one checker finds.
#[derive(Debug, Default)]
pub struct Findings {
    /// How many answers were held against the promise.
    pub looked_at: u64,
    /// How many things could not be decided.
    pub undecided: u64,
    /// How many violations there are.
    pub number: u64,
    violations: Vec<Violation>,
}

impl Findings {
    /// Notes that an answer was held against the promise.
    pub fn looked(&mut self) {
        self.looked_at += 1;
    }

    /// Notes that an answer shows more than all calls of the history can have brought about.
    pub fn too_much(&mut self, says: String, op: &Op) {
        self.note(&[], says, &[op], true);
    }

    /// Notes a violation by those calls.
    pub fn broken(&mut self, tasks: &[&str], says: String, ops: &[&Op]) {
        self.note(tasks, says, ops, false);
    }

    fn note(&mut self, tasks: &[&str], says: String, ops: &[&Op], rests_on_all: bool) {
        self.number += 1;
        if self.violations.len() == MOST_KEPT {
            return;
        }
        let calls = ops.iter().take(MOST_CALLS);
        let mut calls: Vec<u64> = calls.map(|op| op.call).collect();
        calls.sort_unstable();
        calls.dedup();
        self.violations.push(Violation {
            checker: String::new(),
            says,
            tasks: tasks.iter().map(|task| (*task).to_owned()).collect(),
            calls,
            rests_on_all,
        });
    }

    /// The violations under the checker's name, those with the fewest calls first.
    pub(super) fn into_violations(mut self, checker: &str) -> Vec<Violation> {
        for violation in &mut self.violations {
            checker.clone_into(&mut violation.checker);
        }
        self.violations.sort_by_key(Violation::rank);
        self.violations
    }
}
