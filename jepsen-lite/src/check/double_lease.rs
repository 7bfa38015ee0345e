//! Each attempt at a task is given to one claim.

use std::collections::BTreeMap;

use super::{Violation, claims, violation};
use crate::history::Operation;

/// Pairs of claims that were given the same attempt at the same task.
pub fn check(operations: &[Operation]) -> Vec<Violation> {
    let mut found = Vec::new();
    for claims in claims(operations).values() {
        let mut given: BTreeMap<i64, &Operation> = BTreeMap::new();
        for (claim, task) in claims {
            match given.get(&task.attempt) {
                Some(first) => {
                    let says = format!(
                        "attempt {} at task {} was given twice",
                        task.attempt, task.payload
                    );
                    found.push(violation(says, &[first, claim]));
                }
                None => drop(given.insert(task.attempt, claim)),
            }
        }
    }
    found
}
