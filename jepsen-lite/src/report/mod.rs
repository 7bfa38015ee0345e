//! What a run says: `report.json` for programs, `report.html` for people.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::check::{self, Violation};
use crate::history::{Event, Operation, Outcome, Request, operations, part};
use crate::run::Plan;
use crate::timeline::Timeline;

mod html;
mod picture;

/// How many violations are told with all that belongs to them.
const MOST_SHOWN: usize = 20;

/// Calls of one kind, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Answered.
    pub ok: u64,
    /// Nothing was done.
    pub fail: u64,
    /// Not known.
    pub unknown: u64,
}

/// A run and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether all checkers can explain the history.
    pub is_valid: bool,
    /// The seed of the run's choices.
    pub seed: u64,
    /// How long clients worked, seconds.
    pub time_s: u64,
    /// How many clients there were.
    pub clients: u64,
    /// The ways in which nodes were broken.
    pub nemeses: Vec<String>,
    /// Calls by kind.
    pub calls: BTreeMap<String, Ends>,
    /// What happened to the cluster.
    pub timeline: Timeline,
    /// How many violations each checker found.
    pub checkers: BTreeMap<String, usize>,
    /// The first of them, those with the fewest calls first.
    pub violations: Vec<Violation>,
    /// The part of the history that the first one is.
    pub smallest: Vec<Event>,
}

impl Report {
    /// Puts together what a run came to.
    pub fn new(
        plan: &Plan,
        events: &[Event],
        timeline: Timeline,
        mut violations: Vec<Violation>,
    ) -> Self {
        let mut checkers: BTreeMap<String, usize> =
            check::names().map(|name| (name.to_owned(), 0)).collect();
        for violation in &violations {
            *checkers.entry(violation.checker.clone()).or_default() += 1;
        }
        let smallest = violations.first();
        let smallest = smallest.map(|violation| part(events, &violation.calls));
        let is_valid = violations.is_empty();
        violations.truncate(MOST_SHOWN);
        Self {
            is_valid,
            seed: plan.seed,
            time_s: plan.time_s,
            clients: plan.clients,
            nemeses: plan
                .nemeses
                .iter()
                .map(|kind| kind.name().to_owned())
                .collect(),
            calls: calls(&operations(events)),
            timeline,
            checkers,
            violations,
            smallest: smallest.unwrap_or_default(),
        }
    }

    /// Writes both files.
    pub fn write(&self, out: &Path, events: &[Event]) -> io::Result<()> {
        fs::write(out.join("report.json"), serde_json::to_vec_pretty(self)?)?;
        fs::write(out.join("report.html"), html::page(self, events))
    }

    /// The verdict in one sentence.
    pub fn verdict(&self) -> String {
        let calls: u64 = self
            .calls
            .values()
            .map(|ends| ends.ok + ends.fail + ends.unknown)
            .sum();
        let faults = self.timeline.faults.len();
        match self.violations.first() {
            None => format!("valid: {calls} calls under {faults} faults, no promise was broken"),
            Some(first) => {
                let all: usize = self.checkers.values().sum();
                format!(
                    "NOT valid: {all} violations in {calls} calls under {faults} faults; the smallest: {}: {}",
                    first.checker, first.says
                )
            }
        }
    }
}

fn calls(operations: &[Operation]) -> BTreeMap<String, Ends> {
    let mut calls: BTreeMap<String, Ends> = BTreeMap::new();
    for operation in operations {
        let kind = match operation.request {
            Request::Submit(_) => "submit",
            Request::Claim { .. } => "claim",
            Request::Update { .. } => "update",
            Request::Complete { .. } => "complete",
            Request::Get { .. } => "get",
            Request::Counts => "counts",
        };
        let ends = calls.entry(kind.to_owned()).or_default();
        match operation.outcome {
            Outcome::Ok(_) => ends.ok += 1,
            Outcome::Fail(_) => ends.fail += 1,
            Outcome::Unknown(_) => ends.unknown += 1,
        }
    }
    calls
}
