//! Whether a history can be explained by a server that keeps its promises. One file a promise, each a pure function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::history::{Event, Operation, Outcome, Request, Seen, operations};

mod backwards;
mod completed_twice;
mod conservation;
mod double_lease;
mod fencing;
mod lost;
mod phantom;
#[cfg(test)]
mod planted;

/// A promise that was broken, and the calls that show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The checker that found it.
    pub checker: String,
    /// What is wrong.
    pub says: String,
    /// The fewest calls that can't be explained together.
    pub calls: Vec<u64>,
}

/// Looks for one kind of violation in the calls of a history.
type Check = fn(&[Operation]) -> Vec<Violation>;

/// All checkers, by name.
const CHECKERS: [(&str, Check); 7] = [
    ("lost", lost::check),
    ("phantom", phantom::check),
    ("double lease", double_lease::check),
    ("acted after fencing", fencing::check),
    ("completed twice", completed_twice::check),
    ("conservation", conservation::check),
    ("reads go backwards", backwards::check),
];

/// The names of all checkers.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKERS.iter().map(|(name, _)| *name)
}

/// All violations of a history, those with the fewest calls first.
pub fn check(events: &[Event]) -> Vec<Violation> {
    let operations = operations(events);
    let found = CHECKERS.iter().flat_map(|(name, check)| {
        check(&operations).into_iter().map(|violation| Violation {
            checker: (*name).to_owned(),
            ..violation
        })
    });
    let mut found: Vec<Violation> = found.collect();
    found.sort_by_key(|violation| (violation.calls.len(), violation.calls.iter().max().copied()));
    found
}

/// A violation by those calls; `check` puts in who found it.
fn violation(says: String, operations: &[&Operation]) -> Violation {
    let mut calls: Vec<u64> = operations.iter().map(|operation| operation.call).collect();
    calls.sort_unstable();
    Violation {
        checker: String::new(),
        says,
        calls,
    }
}

/// Whether a call put a task in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Done {
    No,
    Maybe,
    Yes,
}

/// How a task was submitted: by itself, or with a completion.
struct Origin<'a> {
    operation: &'a Operation,
    payload: &'a str,
    done: Done,
}

/// Where each task comes from, by uuid. Of several tries, what is most certain counts.
fn origins(operations: &[Operation]) -> BTreeMap<&str, Origin<'_>> {
    let mut origins: BTreeMap<&str, Origin> = BTreeMap::new();
    for operation in operations {
        let task = match &operation.request {
            Request::Submit(task) => task,
            Request::Complete {
                next: Some(task), ..
            } => task,
            _ => continue,
        };
        let done = match &operation.outcome {
            // A completion that changed nothing submits nothing.
            Outcome::Ok(_) if operation.task().is_none() => Done::No,
            Outcome::Ok(_) => Done::Yes,
            Outcome::Unknown(_) => Done::Maybe,
            Outcome::Fail(_) => Done::No,
        };
        let known = origins.get(task.uuid.as_str());
        if known.is_none_or(|known| known.done < done) {
            let payload = &task.payload;
            let origin = Origin {
                operation,
                payload,
                done,
            };
            origins.insert(&task.uuid, origin);
        }
    }
    origins
}

/// The claims that gave a task, and the task, by uuid.
fn claims(operations: &[Operation]) -> BTreeMap<&str, Vec<(&Operation, &Seen)>> {
    let mut claims: BTreeMap<&str, Vec<(&Operation, &Seen)>> = BTreeMap::new();
    for operation in operations {
        if let (Request::Claim { .. }, Some(task)) = (&operation.request, operation.task()) {
            claims
                .entry(&task.uuid)
                .or_default()
                .push((operation, task));
        }
    }
    claims
}
