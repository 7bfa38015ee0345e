//! What was acknowledged is there for ever: no read that begins later may miss it.

use super::{Done, Violation, origins, violation};
use crate::history::{Answer, Operation, Outcome, Request};

/// Reads that don't find a task whose submit was acknowledged before.
pub fn check(operations: &[Operation]) -> Vec<Violation> {
    let origins = origins(operations);
    let missed = operations.iter().filter_map(|read| {
        let (Request::Get { uuid }, Outcome::Ok(Answer::Task(None))) =
            (&read.request, &read.outcome)
        else {
            return None;
        };
        let origin = origins.get(uuid.as_str())?;
        let is_lost = origin.done == Done::Yes && origin.operation.is_before(read);
        is_lost.then(|| {
            let says = format!(
                "task {} was acknowledged, and a later read does not find it",
                origin.payload
            );
            violation(says, &[origin.operation, read])
        })
    });
    missed.collect()
}
