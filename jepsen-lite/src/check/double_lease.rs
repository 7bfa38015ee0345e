//! Each attempt at a task is given to one claim.

use std::collections::BTreeMap;

use super::finding::Findings;
use super::op::Op;
use super::view::View;

/// Pairs of claims that were given the same attempt at the same task.
pub fn check(view: &View, findings: &mut Findings) {
    for (uuid, task) in &view.tasks {
        let mut given: BTreeMap<i64, Op> = BTreeMap::new();
        for (claim, seen) in task.claims() {
            findings.looked();
            if let Some(first) = given.get(&seen.attempt) {
                let says = format!("attempt {} at task {uuid} was given twice", seen.attempt);
                findings.broken(&[uuid], says, &[first, &claim]);
            }
            given.entry(seen.attempt).or_insert(claim);
        }
    }
}
