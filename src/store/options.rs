//! What a store is told when it opens, and what it tells.

use std::time::Duration;

use tokio::sync::watch;

use super::pace::Report;

/// How a store works.
#[derive(Clone, Debug)]
pub struct Options {
    /// A checkpoint is taken once changes take about this much memory.
    pub memtable_bytes: usize,
    /// A checkpoint is taken once changes are about this old.
    pub checkpoint_interval: Duration,
    /// The last log index that this node's log has flushed. A checkpoint waits for its entries.
    ///
    /// It must be right from the start, not only after the first flush. Without it,
    /// all entries count as flushed.
    pub durable_index: Option<watch::Receiver<u64>>,
    /// Who is told how far the store is while it opens.
    pub report: Report,
    pub(crate) hook: Hook,
}

impl Default for Options {
    /// Large enough that a task which ends soon never reaches the checkpoint but as an archived
    /// one, small enough that a restart replays no more than some hundred thousand commands.
    fn default() -> Self {
        Self {
            memtable_bytes: 64 * 1024 * 1024,
            // A simulation is over before that.
            checkpoint_interval: Duration::from_secs(if cfg!(feature = "simulation") {
                1
            } else {
                30
            }),
            durable_index: None,
            report: Report::default(),
            hook: Hook::default(),
        }
    }
}

/// Where tests step in: returns whether a checkpoint goes on after a step.
#[derive(Clone, Default)]
pub(crate) struct Hook {
    #[cfg(test)]
    pub(crate) step: Option<std::sync::Arc<dyn Fn(&'static str) -> bool + Send + Sync>>,
}

impl Hook {
    /// Whether to go on.
    pub(crate) fn goes_on_after(&self, step: &'static str) -> bool {
        #[cfg(test)]
        if let Some(hook) = &self.step {
            return hook(step);
        }
        let _ = step;
        true
    }
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

/// Numbers for operators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreMetrics {
    /// About how much memory the changes since the last freeze take.
    pub memtable_bytes: usize,
    /// How many tasks changed since the last freeze.
    pub memtable_tasks: usize,
    /// Whether a checkpoint is under way.
    pub checkpoint_running: bool,
    /// The last log index in the checkpoint.
    pub checkpoint_index: u64,
    /// Checkpoints written since the store opened.
    pub checkpoints: u64,
    /// How long the last one took to write.
    pub checkpoint_duration: Duration,
    /// Attempts to write one that failed.
    pub checkpoint_failures: u64,
    /// Bytes on disk when the last one was written.
    pub checkpoint_disk_bytes: u64,
}
