//! Claim: the task that stands first in a state of some queues goes to a worker.

use std::sync::Arc;

use super::step::Step;
use super::{Outcome, Row, limits, names, transition};
use crate::proto::durable::Claim;
use crate::store::record::{Name, Task};
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, claim: Claim) -> Result<Step, StoreError> {
    let Some(before) = first(view, now_ns, &claim)? else {
        return Ok((Outcome::Task(None), Vec::new()));
    };
    let after = Arc::new(claimed(view, now_ns, &claim, &before));
    let outcome = Outcome::Task(Some(Row::Live(after.clone())));
    let spent = limits::spend(view, &before.queue, now_ns);
    let mut changes = vec![Change::Replace { before, after }];
    changes.extend(spent);
    Ok((outcome, changes))
}

/// Where a claim looks; a queue may come twice.
pub(super) fn queues(claim: &Claim) -> impl Iterator<Item = &str> {
    let is_given = claim.queues.is_empty() || !claim.queue.is_empty();
    let queue = is_given.then_some(claim.queue.as_str());
    queue
        .into_iter()
        .chain(claim.queues.iter().map(String::as_str))
}

/// The best task of all the queues that let a claim through.
fn first(view: &impl View, now_ns: i64, claim: &Claim) -> Result<Option<Arc<Task>>, StoreError> {
    let mut best: Option<Arc<Task>> = None;
    for queue in queues(claim) {
        if limits::claims_left(view, queue, now_ns) == 0 {
            continue;
        }
        let Some(task) = view.first_ready(queue, &claim.current_state)? else {
            continue;
        };
        if best.as_ref().is_none_or(|best| task.place() < best.place()) {
            best = Some(task);
        }
    }
    Ok(best)
}

/// The row after the claim: states swapped first, then overridden.
pub(super) fn claimed(view: &impl View, now_ns: i64, claim: &Claim, before: &Task) -> Task {
    let overridden = |swapped: &Name, name: &str| match name.is_empty() {
        true => swapped.clone(),
        false => {
            let known = [&before.current_state, &before.auto_target_state];
            names::state(view.counts(), &before.queue, &known, name)
        }
    };
    let worker = names::worker(&before.worker, &claim.worker);
    let attempt = before.attempt.saturating_add(1);
    Task {
        current_state: overridden(&before.auto_target_state, &claim.override_current_state),
        auto_target_state: overridden(&before.current_state, &claim.override_auto_target_state),
        history: transition::claimed(before, now_ns, &worker, attempt),
        attempt,
        worker,
        timeout_s: timeout(claim, before),
        update_time_ns: now_ns,
        claimed_ns: now_ns.max(1),
        queue: before.queue.clone(),
        extras: before.extras.clone(),
        payload: before.payload.clone(),
        ..*before
    }
}

fn timeout(claim: &Claim, before: &Task) -> i64 {
    match claim.override_timeout_s {
        0 if before.claim_timeout_s > 0 => before.claim_timeout_s,
        0 => before.timeout_s,
        overridden => overridden.max(0),
    }
}
