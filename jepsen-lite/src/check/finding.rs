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
}

impl Violation {
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

    /// Notes a violation by those calls.
    pub fn broken(&mut self, tasks: &[&str], says: String, ops: &[&Op]) {
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
        });
    }

    /// The violations under the checker's name, those with the fewest calls first.
    pub(super) fn into_violations(mut self, checker: &str) -> Vec<Violation> {
        for violation in &mut self.violations {
            checker.clone_into(&mut violation.checker);
        }
        self.violations
            .sort_by_key(|violation| (violation.calls.len(), violation.calls.last().copied()));
        self.violations
    }
}
