//! The smallest part of a history that can't be explained.
//!
//! A call is not taken out, since it may explain others: its answer is forgotten, so that it may have done anything or nothing. What is
//! left are the calls whose answers can't all be right, whatever the rest did.

use std::collections::HashSet;

use crate::history::{Answer, Operation, Outcome, Request};

use super::Check;
use super::finding::{Findings, Violation};
use super::view::View;

/// Larger ones are told as they are: each call costs a check of all of them.
const MOST_CALLS: usize = 2_000;

/// Leaves out of a violation the calls whose answers it does not need.
pub fn shrink(operations: &[Operation], violation: &mut Violation, check: Check) {
    if violation.calls.len() <= 2 || violation.calls.len() > MOST_CALLS {
        return;
    }
    let calls: HashSet<u64> = violation.calls.iter().copied().collect();
    let asked = operations.iter().filter(|one| calls.contains(&one.call));
    let keys: HashSet<&str> = asked.filter_map(|one| one.key.as_deref()).collect();
    let chosen = operations.iter().filter(|one| {
        let is_try = one.key.as_deref().is_some_and(|key| keys.contains(key));
        calls.contains(&one.call) || is_try || is_lost_claim(one)
    });
    let mut part: Vec<Operation> = chosen.map(|one| trimmed(one, &violation.tasks)).collect();
    if !is_broken(&part, check) {
        return;
    }
    for at in (0..part.len()).rev() {
        let Some(one) = part.get_mut(at) else {
            continue;
        };
        if !one.outcome.is_certain() {
            continue;
        }
        let weaker = one.clone().weakened();
        let kept = std::mem::replace(one, weaker);
        if !is_broken(&part, check)
            && let Some(one) = part.get_mut(at)
        {
            *one = kept;
        }
    }
    let needed = part.iter().filter(|one| one.outcome.is_certain());
    violation.calls = needed.map(|one| one.call).collect();
}

fn is_broken(part: &[Operation], check: Check) -> bool {
    let mut findings = Findings::default();
    check(&View::new(part), &mut findings);
    findings.number > 0
}

/// Whether it is a claim in doubt: it may have taken any task.
fn is_lost_claim(one: &Operation) -> bool {
    matches!(
        (&one.request, &one.outcome),
        (Request::Claim(_), Outcome::Unknown(_))
    )
}

/// The call with no more in its answer than those tasks.
fn trimmed(one: &Operation, uuids: &[String]) -> Operation {
    let mut one = one.clone();
    if let Outcome::Ok(Answer::List { tasks }) = &mut one.outcome {
        tasks.retain(|task| uuids.contains(&task.uuid));
    }
    one
}
