//! A task ends once.

use std::collections::BTreeMap;

use super::{Violation, violation};
use crate::history::{Operation, Request};

/// Pairs of completions that were both told that they ended the task.
pub fn check(operations: &[Operation]) -> Vec<Violation> {
    let mut ends: BTreeMap<&str, &Operation> = BTreeMap::new();
    let mut found = Vec::new();
    for operation in operations {
        let Request::Complete { uuid, .. } = &operation.request else {
            continue;
        };
        if operation.task().is_none() {
            continue;
        }
        match ends.get(uuid.as_str()) {
            Some(first) => {
                let says = format!("task {uuid} was completed twice");
                found.push(violation(says, &[first, operation]));
            }
            None => drop(ends.insert(uuid, operation)),
        }
    }
    found
}
