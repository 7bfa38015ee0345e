//! One order of all calls about a task explains every answer: linearizability, task by task.
//!
//! A search for such an order by Wing and Gong, with Lowe's memory of what has been tried. Calls in doubt may come at any later time, or
//! never; leases may run out at any time; a claim in doubt may have taken any task that it could find.

use std::collections::BTreeMap;

use crate::history::Request;

use super::finding::Findings;
use super::op::Op;
use super::origin::Done;
use super::view::{Role, TaskView, Touch, View};
use model::{Names, Step};
use search::{Call, Ended, Task};

mod model;
mod search;

/// By queue and state, where the first claim in doubt began.
type LostClaims<'a> = BTreeMap<(&'a str, &'a str), usize>;

/// Tasks whose answers no order explains.
pub fn check(view: &View, findings: &mut Findings) {
    let mut lost_claims = LostClaims::new();
    for op in view.ops.iter().filter(|op| op.is_unknown()) {
        if let Request::Claim(claim) = op.request {
            lost_claims
                .entry((&claim.queue, &claim.state))
                .or_insert(op.invoked);
        }
    }
    for (uuid, task) in &view.tasks {
        // What nobody submitted is a phantom, and explained by nothing.
        if task.origin.is_some_and(|origin| origin.done != Done::No) {
            check_task(uuid, task, &lost_claims, findings);
        }
    }
}

fn check_task(uuid: &str, view: &TaskView, lost: &LostClaims, findings: &mut Findings) {
    let mut names = Names::default();
    let queue = view.queue().unwrap_or_default();
    let lost_claims = lost
        .iter()
        .filter(|((other, _), _)| *other == queue)
        .map(|((_, state), since)| (names.name(state), *since));
    let mut task = Task {
        lost_claims: lost_claims.collect(),
        ..Task::default()
    };
    let mut ops: Vec<Op> = Vec::new();
    for touch in &view.touches {
        let Some(step) = step(touch, &mut names) else {
            continue;
        };
        let call = Call {
            invoked: touch.op.invoked,
            returned: touch.op.returned,
            step,
        };
        ops.push(touch.op);
        match touch.op.is_unknown() {
            true => task.optional.push(call),
            false => task.required.push(call),
        }
    }
    let shown = view.touches.iter().filter_map(|touch| touch.seen);
    task.most_attempts = shown.map(|seen| seen.attempt).max().unwrap_or_default() + 1;
    task.has_lease = view
        .origin
        .is_some_and(|origin| origin.submitted.lease_s > 0);
    findings.looked_at += task.required.len() as u64;
    match search::search(&task) {
        Ended::Explained => {}
        Ended::TooLong => findings.undecided += 1,
        Ended::Unexplained { most } => {
            let says = format!(
                "no order of the calls about task {uuid} explains their answers ({} in all, {most} at most)",
                task.required.len()
            );
            let ops: Vec<&Op> = ops.iter().collect();
            findings.broken(&[uuid], says, &ops);
        }
    }
}

/// What a call asks of the model; none where it says and does nothing.
fn step(touch: &Touch, names: &mut Names) -> Option<Step> {
    let op = &touch.op;
    let shown = touch.seen.map(|seen| names.shown(seen));
    match (touch.role, op.request) {
        (Role::Submit, _) => {
            // A completion that changed nothing submits nothing.
            let did_nothing = op.is_nothing() || op.answer().is_some() && op.task().is_none();
            (!did_nothing).then_some(Step::Submit(shown))
        }
        (Role::Claim, Request::Claim(claim)) => Some(Step::Claim {
            from: names.name(&claim.state),
            shown: shown?,
        }),
        (Role::Act, Request::Act(act)) => names.act(act, op.outcome, shown),
        (Role::Look, _) => op.answer().map(|_| Step::Look(shown)),
        _ => None,
    }
}
