//! Once a later attempt was given, an act by an earlier one changes nothing.

use super::{Violation, claims, violation};
use crate::history::{Operation, Request};

/// Acts that succeeded although a claim with a later attempt was over before they began.
pub fn check(operations: &[Operation]) -> Vec<Violation> {
    let claims = claims(operations);
    let acted = operations.iter().filter_map(|act| {
        let (Request::Update { uuid, attempt, .. } | Request::Complete { uuid, attempt, .. }) =
            &act.request
        else {
            return None;
        };
        let task = act.task()?;
        let mut claims = claims.get(uuid.as_str())?.iter();
        let (fence, held) =
            claims.find(|(claim, held)| held.attempt > *attempt && claim.is_before(act))?;
        let says = format!(
            "attempt {attempt} at task {} acted after attempt {} had been given: {task:?}",
            held.payload, held.attempt
        );
        Some(violation(says, &[fence, act]))
    });
    acted.collect()
}
