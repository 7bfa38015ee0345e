//! Each attempt belongs to a claim that was made: attempts that no answer shows went to claims whose answers were lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::Request;

use super::finding::Findings;
use super::op::Op;
use super::view::View;

/// What a queue's tasks show.
#[derive(Default)]
struct Queue<'a> {
    /// Attempts without a claim.
    missing: u64,
    /// Calls that show them, and the tasks.
    shown: Vec<Op<'a>>,
    tasks: Vec<&'a str>,
    /// Claims whose answers were lost.
    unknown: u64,
}

/// Queues whose tasks were claimed more often than claims can have been done.
pub fn check(view: &View, findings: &mut Findings) {
    let mut queues: BTreeMap<&str, Queue> = BTreeMap::new();
    for op in view.ops.iter().filter(|op| op.is_unknown()) {
        if let Request::Claim(claim) = op.request {
            queues.entry(&claim.queue).or_default().unknown += 1;
        }
    }
    for (uuid, task) in &view.tasks {
        let Some(queue) = task.queue() else { continue };
        let shown = task
            .touches
            .iter()
            .filter_map(|touch| Some((touch.op, touch.seen?)));
        let Some((op, seen)) = shown.max_by_key(|(_, seen)| seen.attempt) else {
            continue;
        };
        findings.looked();
        let claims: BTreeSet<i64> = task.claims().map(|(_, seen)| seen.attempt).collect();
        let claimed = i64::try_from(claims.len()).unwrap_or(i64::MAX);
        if seen.attempt > claimed {
            let queue = queues.entry(queue).or_default();
            queue.missing += u64::try_from(seen.attempt - claimed).unwrap_or_default();
            queue.shown.push(op);
            queue.shown.extend(task.claims().map(|(claim, _)| claim));
            queue.tasks.push(uuid);
        }
    }
    for (name, queue) in queues {
        if queue.missing > queue.unknown {
            let says = format!(
                "{} leases in {name} were given to nobody who is known, and only {} claims are in doubt",
                queue.missing, queue.unknown
            );
            let ops: Vec<&Op> = queue.shown.iter().collect();
            findings.broken(&queue.tasks, says, &ops);
        }
    }
}
