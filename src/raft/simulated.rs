//! The log's disk in a simulation: syncs take simulated time, one after the other, and no thread decides when they end.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use raft_log::RaftLog;
use raft_log::api::raft_log_writer::RaftLogWriter;
use tokio::sync::mpsc;

use super::log::{Flushed, LogTypes};
use crate::clock;

/// A sync takes this long at most.
const SLOWEST: Duration = Duration::from_millis(8);

/// Those who wait for a sync, in order.
#[derive(Clone)]
pub(super) struct Disk {
    waiting: mpsc::UnboundedSender<Flushed>,
}

impl Disk {
    pub fn of(log: &Arc<Mutex<RaftLog<LogTypes>>>) -> Self {
        let (waiting, syncs) = mpsc::unbounded_channel();
        tokio::spawn(run(Arc::downgrade(log), syncs));
        Self { waiting }
    }

    pub fn sync_later(&self, flushed: Flushed) {
        // Without the task the node is gone, and dropping this says so.
        drop(self.waiting.send(flushed));
    }
}

async fn run(log: Weak<Mutex<RaftLog<LogTypes>>>, mut syncs: mpsc::UnboundedReceiver<Flushed>) {
    while let Some(flushed) = syncs.recv().await {
        let share = clock::random_u64() as f64 / u64::MAX as f64;
        tokio::time::sleep(SLOWEST.mul_f64(share)).await;
        let Some(log) = log.upgrade() else { return };
        let mut log = log.lock();
        let synced = log.flush(true, Some(flushed));
        if let Err(error) = synced.and_then(|()| log.wait_worker_idle()) {
            tracing::error!(%error, "the log can't be synced");
            return;
        }
    }
}
