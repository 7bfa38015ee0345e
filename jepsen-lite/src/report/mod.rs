//! What a run says: `report.json` for programs, `report.html` for people.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::check::{Looked, Verdict, Violation};
use crate::history::{Event, Operation, Outcome, events};
use crate::run::Plan;
use crate::timeline::Timeline;

mod html;
mod lanes;
mod picture;
mod seconds;
mod svg;

pub use html::number;
pub use seconds::Second;

/// Calls of one kind, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Answered.
    pub ok: u64,
    /// Refused, or nothing was done.
    pub fail: u64,
    /// Not known.
    pub unknown: u64,
}

/// A run and its verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether all checkers can explain the history.
    pub is_valid: bool,
    /// The seed of the run's choices.
    pub seed: u64,
    /// How long clients worked, seconds.
    pub time_s: u64,
    /// How many clients each workload had.
    pub clients: u64,
    /// What clients did.
    pub workloads: Vec<String>,
    /// The ways in which nodes were broken.
    pub nemeses: Vec<String>,
    /// How many rounds there were.
    pub rounds: u64,
    /// Calls by kind.
    pub calls: BTreeMap<String, Ends>,
    /// Calls by the second in which they ended, from the run's beginning.
    pub seconds: Vec<Second>,
    /// The ids of the nodes that were asked.
    pub nodes: Vec<u64>,
    /// What happened to the cluster.
    pub timeline: Timeline,
    /// What each checker looked at and found.
    pub checkers: BTreeMap<String, Looked>,
    /// The first violations, those with the fewest calls first.
    pub violations: Vec<Violation>,
    /// The part of the history that the first one is.
    pub smallest: Vec<Event>,
}

impl Report {
    /// Of a run that begins.
    pub fn new(plan: &Plan) -> Self {
        let nemeses = plan.nemeses.iter().map(|kind| kind.name().to_owned());
        let workloads = plan.workloads.iter().map(|kind| kind.name().to_owned());
        Self {
            is_valid: true,
            seed: plan.seed,
            time_s: plan.time_s,
            clients: plan.clients,
            workloads: workloads.collect(),
            nemeses: nemeses.collect(),
            ..Self::default()
        }
    }

    /// Takes in a round and what came of it.
    pub fn add(&mut self, operations: &[Operation], verdict: Verdict) {
        let mut all = Verdict {
            checkers: std::mem::take(&mut self.checkers),
            violations: std::mem::take(&mut self.violations),
        };
        all.add(verdict);
        self.is_valid = all.is_valid();
        if let Some(first) = all.violations.first().filter(|_| self.smallest.is_empty()) {
            let calls = operations
                .iter()
                .filter(|one| first.calls.contains(&one.call));
            self.smallest = events(calls);
        }
        self.checkers = all.checkers;
        self.violations = all.violations;
        // Calls that were carried over from earlier rounds have been counted there.
        let began_us = seconds::began_us(operations);
        let new = operations.iter().filter(|one| one.at_us >= began_us);
        for operation in new.clone() {
            self.count(operation);
        }
        seconds::add(&mut self.seconds, new);
        self.rounds += 1;
    }

    fn count(&mut self, operation: &Operation) {
        let kind = operation.request.name();
        let ends = self.calls.entry(kind.to_owned()).or_default();
        match operation.outcome {
            Outcome::Ok(_) => ends.ok += 1,
            Outcome::Fenced(_) | Outcome::Fail(_) => ends.fail += 1,
            Outcome::Unknown(_) => ends.unknown += 1,
        }
        if let Err(place) = self.nodes.binary_search(&operation.node) {
            self.nodes.insert(place, operation.node);
        }
    }

    /// Writes both files.
    ///
    /// # Errors
    /// Where that can't be done.
    pub fn write(&self, out: &Path) -> io::Result<()> {
        fs::write(out.join("report.json"), serde_json::to_vec_pretty(self)?)?;
        fs::write(out.join("report.html"), html::page(self))
    }

    /// How many calls there were.
    pub fn all_calls(&self) -> u64 {
        let ends = self.calls.values();
        ends.map(|ends| ends.ok + ends.fail + ends.unknown).sum()
    }

    /// The verdict in one sentence.
    pub fn verdict(&self) -> String {
        let calls = html::number(self.all_calls());
        let faults = html::number(self.timeline.faults.len() as u64);
        match self.violations.first() {
            None => format!("valid: {calls} calls under {faults} faults, no promise was broken"),
            Some(first) => {
                let all: u64 = self.checkers.values().map(|looked| looked.violations).sum();
                format!(
                    "NOT valid: {all} violations in {calls} calls under {faults} faults; the smallest: {}: {}",
                    first.checker, first.says
                )
            }
        }
    }
}
