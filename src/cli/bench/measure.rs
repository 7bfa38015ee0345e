//! Counts and latencies while a phase runs.

use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::plan::Phase;
use crate::cli::answer::Failure;

/// The longest latency that is told apart.
const LONGEST_US: u64 = 600_000_000;
const DIGITS: u8 = 3;

/// Microseconds.
pub type Latencies = Histogram<u64>;

/// The meters of a phase. Workers share a few of them: one each would take megabytes a
/// worker, one for all would be waited for.
#[derive(Debug)]
pub struct Meters {
    meters: Vec<Mutex<Meter>>,
}

/// What some of the workers did.
#[derive(Debug, Clone)]
pub struct Meter {
    /// One for each of the phase's operations.
    pub operations: Vec<Latencies>,
    /// The last operation again, since the progress was shown.
    recent: Latencies,
    /// Tasks that the phase was done with.
    pub tasks: u64,
    /// Claimed tasks that had come before.
    pub duplicates: u64,
    /// Claimed tasks that the run did not submit.
    pub unknown: u64,
}

impl Meters {
    /// Empty ones.
    pub fn new(phase: Phase, count: usize) -> Result<Self, Failure> {
        let latencies = Latencies::new_with_bounds(1, LONGEST_US, DIGITS)
            .map_err(|error| Failure::Failed(format!("cannot measure: {error}")))?;
        let meter = Meter {
            operations: vec![latencies.clone(); phase.operations().len()],
            recent: latencies,
            tasks: 0,
            duplicates: 0,
            unknown: 0,
        };
        let meters = (0..count.max(1)).map(|_| Mutex::new(meter.clone()));
        Ok(Self {
            meters: meters.collect(),
        })
    }

    /// Lets a worker write to its meter.
    pub fn at<R>(&self, worker: usize, write: impl FnOnce(&mut Meter) -> R) -> Option<R> {
        let meter = self.meters.get(worker % self.meters.len())?;
        Some(write(&mut meter.lock()))
    }

    /// Tasks that the phase is done with.
    pub fn tasks(&self) -> u64 {
        self.meters.iter().map(|meter| meter.lock().tasks).sum()
    }

    /// The latencies since the last time.
    pub fn recent(&self) -> Option<Latencies> {
        let mut meters = self.meters.iter();
        let take = |meter: &Mutex<Meter>| {
            let mut meter = meter.lock();
            let recent = meter.recent.clone();
            meter.recent.reset();
            recent
        };
        let mut all = meters.next().map(take)?;
        meters.for_each(|meter| merge(&mut all, &take(meter)));
        Some(all)
    }

    /// All in one.
    pub fn total(&self) -> Option<Meter> {
        let mut meters = self.meters.iter();
        let mut all = meters.next()?.lock().clone();
        for meter in meters {
            let meter = meter.lock();
            all.tasks += meter.tasks;
            all.duplicates += meter.duplicates;
            all.unknown += meter.unknown;
            for (sum, one) in all.operations.iter_mut().zip(&meter.operations) {
                merge(sum, one);
            }
        }
        Some(all)
    }
}

impl Meter {
    /// One operation took this long.
    pub fn record(&mut self, operation: usize, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(LONGEST_US);
        if let Some(latencies) = self.operations.get_mut(operation) {
            latencies.saturating_record(microseconds);
        }
        if operation + 1 == self.operations.len() {
            self.recent.saturating_record(microseconds);
        }
    }
}

fn merge(sum: &mut Latencies, one: &Latencies) {
    for step in one.iter_recorded() {
        sum.saturating_record_n(step.value_iterated_to(), step.count_at_value());
    }
}
