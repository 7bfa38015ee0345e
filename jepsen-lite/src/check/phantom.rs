//! Nothing is there that nobody submitted, nor what was submitted in another form.

use super::{Done, Violation, origins, violation};
use crate::history::Operation;

/// Answers that show a task that can't be there, or another payload than the submitted one.
pub fn check(operations: &[Operation]) -> Vec<Violation> {
    let origins = origins(operations);
    let shown = operations.iter().filter_map(|answer| {
        let task = answer.task()?;
        let Some(origin) = origins.get(task.uuid.as_str()) else {
            let says = format!("task {task:?} is shown, and nobody submitted it");
            return Some(violation(says, &[answer]));
        };
        let named = |what: &str| {
            let says = format!("task {} {what}: {task:?}", origin.payload);
            let both = [origin.operation, answer];
            let one = origin.operation.call == answer.call;
            Some(violation(says, if one { &both[..1] } else { &both }))
        };
        if origin.done == Done::No {
            return named("is shown, and nothing was done by its submit");
        }
        // The archive keeps no payload.
        if task.payload != origin.payload && !task.is_archived {
            return named("has another payload");
        }
        None
    });
    shown.collect()
}
