//! All tries under one idempotency key are one act: they have one answer and one effect.

use std::collections::HashMap;

use crate::history::{Answer, Operation, Outcome, Request};

use super::finding::Findings;
use super::op::{Op, ops};
use super::view::View;

/// Tries of one act that were answered differently, and submits that came to two tasks.
pub fn check(view: &View, findings: &mut Findings) {
    let mut answers: HashMap<&str, &Operation> = HashMap::new();
    for operation in view.operations {
        let Some(key) = operation.key.as_deref() else {
            continue;
        };
        if !matches!(operation.outcome, Outcome::Ok(_) | Outcome::Fenced(_)) {
            continue;
        }
        let Some(first) = answers.get(key) else {
            answers.insert(key, operation);
            continue;
        };
        findings.looked();
        if !is_same(&first.outcome, &operation.outcome) {
            let tasks = [first, &operation].map(|one| one.outcome.task());
            let tasks: Vec<&str> = tasks
                .iter()
                .flatten()
                .map(|task| task.uuid.as_str())
                .collect();
            let says = format!("two tries under the key {key} were answered differently");
            broken_by(&tasks, says, [first, operation], findings);
        }
    }
    check_payloads(view, findings);
}

/// Refusals are told in words, which may name a worker in between.
fn is_same(first: &Outcome, second: &Outcome) -> bool {
    match (first, second) {
        (Outcome::Fenced(_), Outcome::Fenced(_)) => true,
        (first, second) => first == second,
    }
}

fn broken_by(tasks: &[&str], says: String, calls: [&Operation; 2], findings: &mut Findings) {
    let calls = calls.map(|call| ops(std::slice::from_ref(call)));
    let calls: Vec<&Op> = calls.iter().flatten().collect();
    findings.broken(tasks, says, &calls);
}

/// Payloads are unique: two tasks with one payload are one submit that was done twice.
fn check_payloads(view: &View, findings: &mut Findings) {
    let mut shown: HashMap<&str, (&str, &Operation)> = HashMap::new();
    for operation in view.operations {
        let listed = match &operation.outcome {
            Outcome::Ok(Answer::List { tasks }) => tasks.as_slice(),
            _ => &[],
        };
        let own = operation.outcome.task().into_iter();
        for seen in own.chain(operation.outcome.next()).chain(listed) {
            if seen.payload.is_empty() {
                continue;
            }
            let (uuid, first) = shown
                .entry(&seen.payload)
                .or_insert((&seen.uuid, operation));
            if matches!(operation.request, Request::Submit(_)) {
                findings.looked();
            }
            if *uuid != seen.uuid {
                let says = format!("the submit of {} came to two tasks", seen.payload);
                broken_by(&[uuid, &seen.uuid], says, [first, operation], findings);
            }
        }
    }
}
