//! Calls second by second.

use serde::{Deserialize, Serialize};

use crate::history::{Operation, Outcome, Request, When};

/// The calls that ended in one second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// Answered.
    pub ok: u32,
    /// Refused, or nothing was done.
    pub fail: u32,
    /// Not known.
    pub unknown: u32,
    /// Half of those that were answered took no longer.
    pub median_us: u32,
    /// Of a hundred, ninety-nine took no longer.
    pub p99_us: u32,
}

impl Second {
    /// All of them.
    pub fn calls(&self) -> u32 {
        self.ok + self.fail + self.unknown
    }
}

/// When the round began that a history is of.
pub fn began_us(operations: &[Operation]) -> u64 {
    let begin = |one: &&Operation| matches!(one.request, Request::Totals { when: When::Begin });
    let first = operations.iter().filter(begin).map(|one| one.at_us);
    first.min().unwrap_or_default()
}

/// Counts the calls of a round. No second is in two of them.
pub fn add<'a>(seconds: &mut Vec<Second>, operations: impl Iterator<Item = &'a Operation>) {
    let from = seconds.len();
    let mut took: Vec<Vec<u32>> = Vec::new();
    for operation in operations {
        let second = usize::try_from(operation.end_us / 1_000_000).unwrap_or(usize::MAX);
        // The last second of the round before is over, as are calls that are told of it.
        let second = second.max(from);
        if second >= seconds.len() {
            seconds.resize(second + 1, Second::default());
            took.resize(second + 1 - from, Vec::new());
        }
        let Some(counted) = seconds.get_mut(second) else {
            continue;
        };
        match operation.outcome {
            Outcome::Ok(_) => counted.ok += 1,
            Outcome::Fenced(_) | Outcome::Fail(_) => counted.fail += 1,
            Outcome::Unknown(_) => counted.unknown += 1,
        }
        if let (Outcome::Ok(_), Some(took)) = (&operation.outcome, took.get_mut(second - from)) {
            let us = operation.end_us.saturating_sub(operation.at_us);
            took.push(u32::try_from(us).unwrap_or(u32::MAX));
        }
    }
    for (counted, mut took) in seconds.iter_mut().skip(from).zip(took) {
        took.sort_unstable();
        let at = |percent: usize| took.get(took.len() * percent / 100).or(took.last());
        counted.median_us = at(50).copied().unwrap_or_default();
        counted.p99_us = at(99).copied().unwrap_or_default();
    }
}
