//! Claim: the task that stands first in a queue and state goes to a worker.

use std::sync::Arc;

use super::step::Step;
use super::{Outcome, Row, names};
use crate::proto::durable::Claim;
use crate::store::record::{Name, Task};
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, claim: Claim) -> Result<Step, StoreError> {
    let Some(before) = view.first_ready(&claim.queue, &claim.current_state)? else {
        return Ok((Outcome::Task(None), Vec::new()));
    };
    let after = Arc::new(claimed(view, now_ns, &claim, &before));
    let outcome = Outcome::Task(Some(Row::Live(after.clone())));
    Ok((outcome, vec![Change::Replace { before, after }]))
}

/// The row after the claim: states swapped first, then overridden.
fn claimed(view: &impl View, now_ns: i64, claim: &Claim, before: &Task) -> Task {
    let overridden = |swapped: &Name, name: &str| match name.is_empty() {
        true => swapped.clone(),
        false => {
            let known = [&before.current_state, &before.auto_target_state];
            names::state(view.counts(), &before.queue, &known, name)
        }
    };
    Task {
        current_state: overridden(&before.auto_target_state, &claim.override_current_state),
        auto_target_state: overridden(&before.current_state, &claim.override_auto_target_state),
        attempt: before.attempt.saturating_add(1),
        worker: names::worker(&before.worker, &claim.worker),
        timeout_s: timeout(claim, before),
        update_time_ns: now_ns,
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
