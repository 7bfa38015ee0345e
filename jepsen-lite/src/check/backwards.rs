//! What one client was shown, no later answer may take back.

use std::collections::BTreeMap;

use super::{Violation, violation};
use crate::history::{Answer, Operation, Outcome, Request, Seen};

/// One answer about one task; none where it was not found.
type Look<'a> = (&'a Operation, Option<&'a Seen>);

/// Pairs of answers about a task of which the later one shows an earlier state.
pub fn check(operations: &[Operation]) -> Vec<Violation> {
    let mut looks: BTreeMap<&str, Vec<Look>> = BTreeMap::new();
    for operation in operations {
        match (&operation.request, &operation.outcome) {
            (Request::Get { uuid }, Outcome::Ok(Answer::Task(task))) => {
                looks
                    .entry(uuid)
                    .or_default()
                    .push((operation, task.as_ref()));
            }
            (_, Outcome::Ok(Answer::Task(Some(task)))) => {
                looks
                    .entry(&task.uuid)
                    .or_default()
                    .push((operation, Some(task)));
            }
            _ => {}
        }
    }
    looks
        .values()
        .filter_map(|looks| first_back(looks))
        .collect()
}

/// A task is looked at a few times only, so each pair is compared.
fn first_back(looks: &[Look]) -> Option<Violation> {
    looks
        .iter()
        .enumerate()
        .find_map(|(place, (later, after))| {
            let earlier = looks.get(..place)?.iter();
            let mut earlier = earlier.filter_map(|(look, task)| Some((look, (*task)?)));
            let (look, before) = earlier.find(|(look, before)| {
                look.is_before(later) && after.is_none_or(|after| goes_back(before, after))
            })?;
            let says = format!("a task was shown as {before:?}, and later as {after:?}");
            Some(violation(says, &[look, later]))
        })
}

/// Attempts, the moment of the last change, and the end never go back.
fn goes_back(before: &Seen, after: &Seen) -> bool {
    after.attempt < before.attempt
        || after.update_time_ns < before.update_time_ns
        || (before.is_archived && !after.is_archived)
}
