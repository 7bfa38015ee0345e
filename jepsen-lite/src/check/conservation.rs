//! The totals agree with each other and with what clients were told. They are read while nothing is under way.

use std::collections::BTreeMap;

use super::{Done, Origin, Violation, origins, violation};
use crate::history::{Answer, Counts, Operation, Outcome, Request};

/// Totals that don't add up, or that too few or too many submits and completions explain.
pub fn check(operations: &[Operation]) -> Vec<Violation> {
    let origins = origins(operations);
    let mut found = Vec::new();
    for operation in operations {
        if let Outcome::Ok(Answer::Counts(counts)) = &operation.outcome {
            check_sum(operation, counts, &mut found);
            check_submitted(operation, counts, origins.values(), &mut found);
            check_archived(operation, counts, operations, &mut found);
            check_live(operation, counts, operations, &origins, &mut found);
        }
    }
    found
}

fn check_sum(read: &Operation, counts: &Counts, found: &mut Vec<Violation>) {
    let Counts {
        live,
        submitted,
        archived,
    } = *counts;
    if submitted != live + archived {
        let says = format!("{submitted} submitted are not {live} live and {archived} archived");
        found.push(violation(says, &[read]));
    }
}

fn check_submitted<'a>(
    read: &Operation,
    counts: &Counts,
    origins: impl Iterator<Item = &'a Origin<'a>>,
    found: &mut Vec<Violation>,
) {
    let mut sure = Vec::new();
    let mut possible = 0;
    for origin in origins {
        if origin.done == Done::Yes && origin.operation.is_before(read) {
            sure.push(origin.operation);
        }
        possible += usize::from(origin.done != Done::No);
    }
    check_range("submits", counts.submitted, sure, possible, read, found);
}

fn check_archived(
    read: &Operation,
    counts: &Counts,
    operations: &[Operation],
    found: &mut Vec<Violation>,
) {
    let mut sure = Vec::new();
    let mut possible = 0;
    for operation in operations {
        let Request::Complete { .. } = operation.request else {
            continue;
        };
        let is_done = operation.task().is_some();
        if is_done && operation.is_before(read) {
            sure.push(operation);
        }
        possible += usize::from(is_done || matches!(operation.outcome, Outcome::Unknown(_)));
    }
    check_range("completions", counts.archived, sure, possible, read, found);
}

/// `sure` were acknowledged before, `possible` are those and all that may have been done.
fn check_range<'a>(
    what: &str,
    counted: i64,
    mut sure: Vec<&'a Operation>,
    possible: usize,
    read: &'a Operation,
    found: &mut Vec<Violation>,
) {
    let number = usize::try_from(counted).unwrap_or_default();
    if sure.len() > number {
        let says = format!(
            "{counted} {what} are counted, {} were acknowledged",
            sure.len()
        );
        // One more than were counted is enough to show it.
        sure.truncate(number + 1);
        sure.push(read);
        found.push(violation(says, &sure));
    }
    if number > possible {
        let says = format!("{counted} {what} are counted, {possible} may have been done");
        found.push(violation(says, &[read]));
    }
}

/// A task that was there before the totals were read and is live later was live then.
fn check_live(
    read: &Operation,
    counts: &Counts,
    operations: &[Operation],
    origins: &BTreeMap<&str, Origin>,
    found: &mut Vec<Violation>,
) {
    if counts.live != 0 {
        return;
    }
    let later = operations
        .iter()
        .filter(|operation| read.is_before(operation));
    let live = later.filter_map(|operation| match operation.request {
        Request::Get { .. } => Some((operation, operation.task()?)),
        _ => None,
    });
    for (look, task) in live {
        let origin = origins.get(task.uuid.as_str());
        let was_there = origin
            .is_some_and(|origin| origin.done == Done::Yes && origin.operation.is_before(read));
        if was_there && !task.is_archived {
            let says = format!("no task is counted as live, and one is: {task:?}");
            found.push(violation(says, &[read, look]));
        }
    }
}
