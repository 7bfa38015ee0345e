//! `corndogs bench`: the load generator. It measures a server, and checks that it hands out
//! each task exactly once.

mod fleet;
mod ledger;
mod load;
mod measure;
mod plan;
mod progress;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, value_parser};

use super::answer::{Answer, Failure};
use super::client::{deadline, resolve};
use super::tls::Tls;
use crate::clock;
use fleet::Fleet;
use ledger::{Ledger, MIN_PAYLOAD};
use load::Run;
use plan::{Mode, Workload};
use report::{Format, Report};

/// Puts load on a server and shows its rates and latencies.
///
/// submit: as many tasks as can be, for the time given; they stay in the queue. drain: claims and
/// completes all that was submitted; by itself it first fills the queue as submit does. lifecycle: each
/// worker submits, claims and completes, one after the other. Each claimed task is checked: it must be one
/// of this run, and come once. Nothing is retried: the first error ends the run. Ctrl-C ends it early, with a report.
#[derive(Debug, Args)]
pub struct Bench {
    /// What is measured.
    #[arg(value_enum, default_value_t = Mode::All)]
    mode: Mode,
    /// How many tasks are worked on at a time; a list such as 1,16,64 measures each.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "64",
          value_parser = value_parser!(u32).range(1..=100_000))]
    workers: Vec<u32>,
    /// How long submit and lifecycle last.
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "5")]
    seconds: Duration,
    /// The size of a task's payload, at least 16: the check is in it.
    #[arg(long, value_name = "BYTES", default_value = "128",
          value_parser = value_parser!(u32).range(MIN_PAYLOAD as i64..))]
    payload: u32,
    /// Connections that the workers share, at most one a worker.
    #[arg(long, value_name = "N", default_value = "8", value_parser = value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// The queue; one with other tasks or other workers fails the check [default: a fresh one].
    #[arg(short, long, value_name = "NAME")]
    queue: Option<String>,
    /// Tasks that wait in the queue during lifecycle.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    backlog: u64,
    /// A server; repeated, the connections go round [default: CORNDOGS_ADDRESS, else 127.0.0.1].
    #[arg(short = 'a', long = "address", value_name = "HOST[:PORT]")]
    addresses: Vec<String>,
    /// The servers' port, where an address has none [default: 5080].
    #[arg(short = 'p', long, value_parser = value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// How long to wait for each answer.
    #[arg(long, value_name = "DURATION", value_parser = deadline, default_value = "30s")]
    deadline: Duration,
    /// How the results are shown: json is one object a line for each phase and number of workers.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    tls: Tls,
}

impl Bench {
    /// Runs all phases. It has threads of its own: one would measure itself.
    pub fn run(self) -> Result<Answer, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
        let outcome = runtime.block_on(self.measure());
        // A call that hangs is not waited for.
        runtime.shutdown_background();
        outcome
    }

    async fn measure(self) -> Result<Answer, Failure> {
        let most = self.workers.iter().copied().max().unwrap_or(1);
        let connections = self.connections.min(most) as usize;
        let tls = self.tls.connector()?;
        let targets = self.targets()?;
        let fleet = Fleet::connect(&targets, connections, tls.as_ref(), self.deadline).await?;
        let queue = match self.queue {
            Some(queue) => queue,
            None => format!("bench-{}", clock::random_uuid()),
        };
        let (_, marker) = clock::random_uuid().as_u64_pair();
        let run = Arc::new(Run {
            fleet,
            ledger: Ledger::new(marker, self.payload as usize),
            seconds: self.seconds,
            queue,
            halt: false.into(),
        });
        let workload = Workload {
            mode: self.mode,
            workers: self.workers,
            backlog: self.backlog,
        };
        let mut report = Report::new(self.format, &run);
        let ended = tokio::select! {
            ended = steps(&run, &workload, &mut report) => ended,
            () = interrupts(&run) => Err(Failure::Failed("interrupted".to_owned())),
        };
        report.answer(ended.err())
    }

    fn targets(&self) -> Result<Vec<String>, Failure> {
        if self.addresses.is_empty() {
            return Ok(vec![resolve(None, self.port)?]);
        }
        let resolved = self.addresses.iter().map(|a| resolve(Some(a), self.port));
        resolved.collect()
    }
}

/// All steps, until one fails or the run is halted.
async fn steps(run: &Arc<Run>, workload: &Workload, report: &mut Report) -> Result<(), Failure> {
    for step in workload.steps() {
        let (phase, ended) = load::perform(run, &step).await?;
        let halted = run.halt.load(Ordering::Relaxed);
        if step.shown {
            report.add(phase, &step, halted);
        }
        ended?;
        if halted {
            break;
        }
    }
    Ok(())
}

/// The first Ctrl-C lets the workers finish what they are at; returns at the second.
async fn interrupts(run: &Run) {
    for _ in 0..2 {
        if tokio::signal::ctrl_c().await.is_err() {
            // No signals here: then nobody interrupts.
            std::future::pending::<()>().await;
        }
        if run.halt.swap(true, Ordering::Relaxed) {
            return;
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    const LONGEST: f64 = 1e6;
    let reason = || "must be a number of seconds above 0, at most 1000000".to_owned();
    let seconds: f64 = text.parse().map_err(|_| reason())?;
    if !(seconds > 0.0 && seconds <= LONGEST) {
        return Err(reason());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| reason())
}
