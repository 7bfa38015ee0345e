//! The results: a table for people, or a line of JSON for each phase.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::ValueEnum;
use serde::Serialize;

use super::load::{Measured, Run};
use super::measure::Latencies;
use super::plan::Step;
use crate::cli::answer::{Answer, Failure};
use crate::cli::human::safe;

/// How the results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A row for each operation of each phase.
    Table,
    /// An object for each phase and number of workers.
    Json,
}

/// What was measured so far.
#[derive(Debug)]
pub struct Report {
    format: Format,
    run: Arc<Run>,
    lines: Vec<Line>,
}

/// One phase with one number of workers.
#[derive(Debug, Serialize)]
pub struct Line {
    pub phase: &'static str,
    pub workers: u32,
    pub connections: usize,
    pub payload_bytes: usize,
    /// Tasks in the queue when it began.
    pub waiting: u64,
    pub seconds: f64,
    pub tasks: u64,
    pub tasks_per_second: f64,
    /// Ended early, by Ctrl-C or by a failure.
    pub cut_short: bool,
    pub duplicates: u64,
    pub unknown: u64,
    pub missing: u64,
    /// In the order in which they happen.
    #[serde(serialize_with = "as_map")]
    pub operations: Vec<Operation>,
}

/// The latencies of one call, or of a task as a whole.
#[derive(Debug, Serialize)]
pub struct Operation {
    #[serde(skip)]
    pub name: &'static str,
    pub count: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

impl Operation {
    fn new(name: &'static str, latencies: &Latencies) -> Self {
        Self {
            name,
            count: latencies.len(),
            p50_us: latencies.value_at_quantile(0.5),
            p99_us: latencies.value_at_quantile(0.99),
            p999_us: latencies.value_at_quantile(0.999),
            max_us: latencies.max(),
        }
    }
}

fn as_map<S: serde::Serializer>(operations: &[Operation], to: S) -> Result<S::Ok, S::Error> {
    let map: BTreeMap<_, _> = operations.iter().map(|op| (op.name, op)).collect();
    map.serialize(to)
}

impl Report {
    /// An empty one.
    pub fn new(format: Format, run: &Arc<Run>) -> Self {
        Self {
            format,
            run: run.clone(),
            lines: Vec::new(),
        }
    }

    /// Another phase.
    pub fn add(&mut self, measured: Measured, step: &Step, cut_short: bool) {
        let total = measured.total;
        let seconds = measured.elapsed.as_secs_f64();
        let names = step.phase.operations().iter();
        let operations = names.zip(&total.operations);
        self.lines.push(Line {
            phase: step.phase.name(),
            workers: step.workers,
            connections: self.run.fleet.len().min(step.workers as usize),
            payload_bytes: self.run.ledger.payload(),
            waiting: measured.waiting,
            seconds,
            tasks: total.tasks,
            tasks_per_second: total.tasks as f64 / seconds.max(f64::MIN_POSITIVE),
            cut_short,
            duplicates: total.duplicates,
            unknown: total.unknown,
            missing: measured.missing,
            operations: operations
                .map(|(name, l)| Operation::new(name, l))
                .collect(),
        });
    }

    /// All of it. A failure comes after what was measured before it.
    pub fn answer(self, failure: Option<Failure>) -> Result<Answer, Failure> {
        let reason = match failure {
            Some(Failure::Failed(reason)) => Some(reason),
            Some(usage) => return Err(usage),
            None => None,
        };
        let text = match self.format {
            Format::Table => {
                let check = check(self.run.ledger.claims(), reason.as_deref());
                table(&self.lines) + &check
            }
            Format::Json => json(&self.lines)?,
        };
        Ok(Answer {
            text,
            note: self.note(reason.as_deref()),
            matched: reason.is_none(),
        })
    }

    /// What stderr is told: how it ended, and what is left behind.
    fn note(&self, reason: Option<&str>) -> Option<String> {
        let halted = self.run.halt.load(Ordering::Relaxed);
        let how = reason.or(halted.then_some("interrupted"));
        let waiting = self.run.ledger.waiting();
        let stay =
            (waiting > 0).then(|| format!("{waiting} tasks stay in queue {}", self.run.queue));
        let notes: Vec<String> = how.map(str::to_owned).into_iter().chain(stay).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

fn json(lines: &[Line]) -> Result<String, Failure> {
    let mut text = String::new();
    for line in lines {
        let line = serde_json::to_string(line)
            .map_err(|error| Failure::Failed(format!("cannot show the results: {error}")))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// What the check of the claims came to.
fn check(claims: u64, failure: Option<&str>) -> String {
    match failure {
        Some(reason) => format!("\nfailed: {}\n", safe(reason)),
        None if claims == 0 => "\nnothing was claimed: not checked\n".to_owned(),
        None => format!("\n{} tasks claimed, each exactly once\n", grouped(claims)),
    }
}

/// Numbers to the right, in milliseconds.
pub fn table(lines: &[Line]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{:<10} {:>7} {:>10}  {:<9} {:>9} {:>9} {:>9} {:>9}\n",
        "phase", "workers", "tasks/s", "operation", "p50 ms", "p99 ms", "p99.9 ms", "max ms"
    );
    for line in lines {
        let mut head = format!(
            "{:<10} {:>7} {:>10}",
            line.phase,
            line.workers,
            grouped(line.tasks_per_second.round() as u64)
        );
        for operation in &line.operations {
            let [p50, p99, p999, max] = [
                operation.p50_us,
                operation.p99_us,
                operation.p999_us,
                operation.max_us,
            ]
            .map(|microseconds| format!("{:.3}", microseconds as f64 / 1e3));
            let name = operation.name;
            _ = writeln!(
                text,
                "{head:<29}  {name:<9} {p50:>9} {p99:>9} {p999:>9} {max:>9}"
            );
            head.clear();
        }
    }
    text
}

/// With a comma before each three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
