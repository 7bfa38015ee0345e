//! The line on the terminal while a phase runs.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::measure::Meters;
use super::plan::{Phase, Step};
use crate::clock;

const EVERY: Duration = Duration::from_secs(1);
/// Back to the line's start, and clear it.
const CLEAR: &str = "\r\x1b[K";

/// How far a phase is.
#[derive(Debug)]
pub struct Progress<'a> {
    pub meters: &'a Meters,
    pub step: &'a Step,
    /// How long it lasts, where time ends it.
    pub seconds: Duration,
    /// How many tasks there are to drain.
    pub waiting: u64,
}

impl Progress<'_> {
    /// Rewrites the line each second until dropped; without a terminal it does nothing.
    pub async fn show(&self) {
        if !std::io::stderr().is_terminal() {
            return std::future::pending().await;
        }
        let _clear = Clear;
        let start = clock::monotonic();
        let (mut then, mut before) = (start, 0);
        loop {
            tokio::time::sleep(EVERY).await;
            let (now, tasks) = (clock::monotonic(), self.meters.tasks());
            let rate = (tasks - before) as f64 / now.saturating_sub(then).as_secs_f64();
            let recent = self.meters.recent();
            let p99 = recent.map_or(0, |recent| recent.value_at_quantile(0.99));
            let line = format!(
                "{} · {} workers · {rate:.0} tasks/s · p99 {:.1} ms · {:.0} %",
                self.step.phase.name(),
                self.step.workers,
                p99 as f64 / 1e3,
                self.part(now.saturating_sub(start), tasks) * 100.0,
            );
            // A terminal that is gone is no reason to stop.
            _ = write!(std::io::stderr(), "{CLEAR}{line}");
            (then, before) = (now, tasks);
        }
    }

    /// From 0 to 1.
    fn part(&self, elapsed: Duration, tasks: u64) -> f64 {
        let part = match self.step.phase {
            Phase::Submit | Phase::Lifecycle => elapsed.as_secs_f64() / self.seconds.as_secs_f64(),
            Phase::Fill(count) => tasks as f64 / count.max(1) as f64,
            Phase::Drain => tasks as f64 / self.waiting.max(1) as f64,
        };
        part.min(1.0)
    }
}

/// Leaves no half line behind, however the phase ends.
struct Clear;

impl Drop for Clear {
    fn drop(&mut self) {
        _ = write!(std::io::stderr(), "{CLEAR}");
    }
}
