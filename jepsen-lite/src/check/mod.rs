//! Whether a history can be explained by a server that keeps its promises. One file a promise, each a pure function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::history::Operation;

mod agreement;
mod backwards;
mod clock;
mod completed_twice;
mod conservation;
mod counted_once;
mod counts;
mod double_lease;
mod early_lease;
mod fencing;
mod finding;
mod linear;
mod lost;
mod op;
mod order;
mod origin;
mod phantom;
pub mod planted;
mod shrink;
mod stints;
mod sweep;
mod unclaimed;
mod view;

pub use finding::{Findings, Violation};
use view::View;

/// Looks for one kind of violation in a history.
type Check = fn(&View, &mut Findings);

/// A checker.
struct Checker {
    name: &'static str,
    /// The promise, in words.
    promise: &'static str,
    check: Check,
    /// Whether its violations name more calls than they need.
    is_broad: bool,
}

const fn checker(name: &'static str, promise: &'static str, check: Check) -> Checker {
    Checker {
        name,
        promise,
        check,
        is_broad: false,
    }
}

impl Checker {
    /// Its violations are shrunk before they are told.
    const fn broad(self) -> Self {
        Self {
            is_broad: true,
            ..self
        }
    }
}

/// All checkers.
const CHECKERS: [Checker; 15] = [
    checker(
        "lost",
        "what was acknowledged is found by every later read and list",
        lost::check,
    ),
    checker(
        "phantom",
        "nothing is there that nobody submitted, nor in another form",
        phantom::check,
    ),
    checker(
        "double lease",
        "each attempt at a task is given to one claim",
        double_lease::check,
    ),
    checker(
        "early lease",
        "a task is given on only when its lease is over",
        early_lease::check,
    ),
    checker(
        "acted after fencing",
        "an act by an earlier attempt changes nothing",
        fencing::check,
    ),
    checker(
        "completed twice",
        "a task ends once",
        completed_twice::check,
    ),
    checker(
        "counted once",
        "tries under one idempotency key are one act with one answer",
        counted_once::check,
    ),
    checker(
        "order",
        "a claim gives the first by priority, then submit time, and finds what is there",
        order::check,
    ),
    checker(
        "conservation",
        "submitted = live + archived, and as many as were acknowledged",
        conservation::check,
    ),
    checker(
        "counts",
        "a queue's counts by state agree with what was there meanwhile",
        counts::check,
    ),
    checker(
        "lease to nobody",
        "each attempt belongs to a claim that was made",
        unclaimed::check,
    )
    .broad(),
    checker(
        "reads go backwards",
        "what was shown, no later answer takes back",
        backwards::check,
    ),
    checker(
        "clock goes back",
        "what is done later has no earlier time",
        clock::check,
    ),
    checker(
        "linearizable",
        "one order of all calls about a task explains every answer",
        linear::check,
    )
    .broad(),
    checker(
        "nodes disagree",
        "one cluster, one leader a term, one state hash a log entry",
        agreement::check,
    ),
];

/// What a checker promises, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// The promise, in words.
    pub promise: String,
    /// How many answers it could hold against the promise: with none, it says nothing.
    pub looked_at: u64,
    /// How many things it could not decide within its limits.
    pub undecided: u64,
    /// How many violations it found.
    pub violations: u64,
}

/// What came of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What each checker found.
    pub checkers: BTreeMap<String, Looked>,
    /// The first violations, those with the fewest calls first.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// Whether no promise was broken.
    pub fn is_valid(&self) -> bool {
        self.checkers.values().all(|looked| looked.violations == 0)
    }

    /// Takes in what came of a later part of the run.
    pub fn add(&mut self, later: Self) {
        for (name, looked) in later.checkers {
            let known = self.checkers.entry(name).or_default();
            known.promise = looked.promise;
            known.looked_at += looked.looked_at;
            known.undecided += looked.undecided;
            known.violations += looked.violations;
        }
        self.violations.extend(later.violations);
    }
}

/// How many violations are told with all that belongs to them.
const MOST_TOLD: usize = 20;
/// And how many of one checker.
const MOST_TOLD_EACH: usize = 5;

/// Holds a history against all promises. Its operations must stand in the order in which they began.
pub fn check(operations: &[Operation]) -> Verdict {
    let view = View::new(operations);
    let mut verdict = Verdict::default();
    for Checker {
        name,
        promise,
        check,
        is_broad,
    } in CHECKERS
    {
        let mut findings = Findings::default();
        check(&view, &mut findings);
        let looked = Looked {
            promise: promise.to_owned(),
            looked_at: findings.looked_at,
            undecided: findings.undecided,
            violations: findings.number,
        };
        verdict.checkers.insert(name.to_owned(), looked);
        let mut violations = findings.into_violations(name);
        violations.truncate(MOST_TOLD_EACH);
        for violation in &mut violations {
            if is_broad {
                shrink::shrink(operations, violation, check);
            }
            violation.shorten();
        }
        verdict.violations.extend(violations);
    }
    verdict.violations.sort_by_key(Violation::rank);
    verdict.violations.truncate(MOST_TOLD);
    verdict
}
