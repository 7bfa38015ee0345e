//! The workers: each does one thing after the other, so the load is as high as the server allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::fleet::{Connection, Fleet};
use super::ledger::{Ledger, Wrong};
use super::measure::{Meter, Meters};
use super::plan::{Phase, Step};
use super::progress::Progress;
use crate::cli::answer::Failure;
use crate::clock;

/// What all phases of a run share.
#[derive(Debug)]
pub struct Run {
    pub fleet: Fleet,
    pub ledger: Ledger,
    pub queue: String,
    /// How long a phase lasts that time ends.
    pub seconds: Duration,
    /// Set by Ctrl-C or a failure: no worker starts another task.
    pub halt: AtomicBool,
}

/// What a phase came to.
#[derive(Debug)]
pub struct Measured {
    pub elapsed: Duration,
    /// Tasks in the queue when it began.
    pub waiting: u64,
    pub total: Meter,
    /// Tasks that a drain should have found.
    pub missing: u64,
}

/// Runs one step. What was measured up to a failure counts too.
pub async fn perform(
    run: &Arc<Run>,
    step: &Step,
) -> Result<(Measured, Result<(), Failure>), Failure> {
    let meters = Arc::new(Meters::new(step.phase, run.fleet.len())?);
    let waiting = run.ledger.waiting();
    let start = clock::monotonic();
    let started = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for (number, connection) in run.fleet.workers(step.workers).enumerate() {
        let worker = Worker {
            run: run.clone(),
            phase: step.phase,
            end: start + run.seconds,
            started: started.clone(),
            meters: meters.clone(),
            number,
            connection,
        };
        workers.spawn(worker.work());
    }
    let progress = Progress {
        meters: &meters,
        step,
        seconds: run.seconds,
        waiting,
    };
    let mut ended = tokio::select! {
        ended = first_failure(&mut workers) => ended,
        () = progress.show() => Ok(()),
    };
    let elapsed = clock::monotonic().saturating_sub(start);
    let halted = run.halt.load(Ordering::Relaxed);
    let missing = match step.phase {
        Phase::Drain if !halted => run.ledger.waiting(),
        _ => 0,
    };
    if missing > 0 {
        let reason = format!("{missing} tasks were submitted and never came");
        ended = ended.and(Err(Failure::Failed(reason)));
    }
    let total = meters.total();
    let total = total.ok_or_else(|| Failure::Failed("nothing was measured".to_owned()))?;
    let measured = Measured {
        elapsed,
        waiting,
        total,
        missing,
    };
    Ok((measured, ended))
}

/// Waits for all workers: after a failure they stop by themselves.
async fn first_failure(workers: &mut JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    let mut first = Ok(());
    while let Some(joined) = workers.join_next().await {
        let ended =
            joined.unwrap_or_else(|error| Err(Failure::Failed(format!("a worker ended: {error}"))));
        first = first.and(ended);
    }
    first
}

struct Worker {
    run: Arc<Run>,
    phase: Phase,
    end: Duration,
    /// How many tasks all workers have begun to fill in.
    started: Arc<AtomicU64>,
    meters: Arc<Meters>,
    number: usize,
    connection: Connection,
}

impl Worker {
    async fn work(mut self) -> Result<(), Failure> {
        let ended = self.work_until_done().await;
        if ended.is_err() {
            self.run.halt.store(true, Ordering::Relaxed);
        }
        ended
    }

    async fn work_until_done(&mut self) -> Result<(), Failure> {
        while !self.run.halt.load(Ordering::Relaxed) && !self.is_done() {
            let begun = clock::monotonic();
            match self.phase {
                Phase::Submit | Phase::Fill(_) => self.submit().await?,
                Phase::Drain => {
                    if !self.claim_and_complete(0).await? {
                        return Ok(());
                    }
                    self.record(2, begun);
                }
                Phase::Lifecycle => {
                    self.submit().await?;
                    if !self.claim_and_complete(1).await? {
                        let reason = "nothing to claim, although at least one task was waiting";
                        return Err(self.connection.failure("GetNextTask", reason));
                    }
                    self.record(3, begun);
                }
            }
            self.meters.at(self.number, |meter| meter.tasks += 1);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        match self.phase {
            Phase::Submit | Phase::Lifecycle => clock::monotonic() >= self.end,
            Phase::Fill(count) => self.started.fetch_add(1, Ordering::Relaxed) >= count,
            Phase::Drain => false,
        }
    }

    async fn submit(&mut self) -> Result<(), Failure> {
        let payload = self.run.ledger.issue();
        let begun = clock::monotonic();
        self.connection.submit(&self.run.queue, payload).await?;
        self.record(0, begun);
        self.run.ledger.submitted();
        Ok(())
    }

    /// Whether there was a task. `first` is the number of the claim among the operations.
    async fn claim_and_complete(&mut self, first: usize) -> Result<bool, Failure> {
        let begun = clock::monotonic();
        let Some(task) = self.connection.claim(&self.run.queue).await? else {
            return Ok(false);
        };
        self.record(first, begun);
        if let Err(wrong) = self.run.ledger.claimed(&task.payload) {
            return Err(self.wrong(&wrong, &task.uuid));
        }
        let begun = clock::monotonic();
        self.connection.complete(task).await?;
        self.record(first + 1, begun);
        Ok(true)
    }

    /// The task is not completed: it may be somebody's.
    fn wrong(&self, wrong: &Wrong, uuid: &str) -> Failure {
        self.meters.at(self.number, |meter| match wrong {
            Wrong::Twice => meter.duplicates += 1,
            Wrong::Unknown => meter.unknown += 1,
        });
        let what = match wrong {
            Wrong::Twice => "came twice",
            Wrong::Unknown => "is none that this run submitted; it stays claimed",
        };
        let reason = format!("task {uuid} {what}");
        self.connection.failure("GetNextTask", &reason)
    }

    fn record(&self, operation: usize, begun: Duration) {
        let took = clock::monotonic().saturating_sub(begun);
        self.meters
            .at(self.number, |meter| meter.record(operation, took));
    }
}
