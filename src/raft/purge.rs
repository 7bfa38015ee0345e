//! Purging the log behind a snapshot.
//!
//! Files are removed by the thread that also syncs, and the entries since the last
//! snapshot fill dozens of them: removed all at once, they hold up answers for
//! hundreds of milliseconds. So a long purge goes in steps, with pauses.

use std::io;
use std::time::Duration;

use raft_log::api::raft_log_writer::RaftLogWriter;

use super::codec::StoredLogId;
use super::log::LogStore;
use super::types::LogId;

/// Entries purged in one step.
const STEP_ENTRIES: u64 = 512;
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(20);

impl LogStore {
    /// Purges all up to an entry: at once if that is little, else in the background.
    ///
    /// # Errors
    /// If the log can't be written.
    pub(super) async fn purge_upto(&self, log_id: LogId) -> Result<(), io::Error> {
        let is_short = log_id.index < self.first_index().saturating_add(STEP_ENTRIES);
        // Behind an installed snapshot the log goes on at once: nothing may be left before it.
        let is_all = log_id.index >= self.last_index();
        if is_short || is_all {
            return self.purge_now(log_id).await;
        }
        let is_running = self.purge_to.lock().replace(log_id).is_some();
        if !is_running {
            tokio::spawn(self.clone().purge_in_steps());
        }
        Ok(())
    }

    pub(super) async fn purge_now(&self, log_id: LogId) -> Result<(), io::Error> {
        let purged = self.log.lock().purge(StoredLogId(log_id))?;
        self.sync(purged).await
    }

    async fn purge_in_steps(self) {
        while let Some(log_id) = self.next_purge() {
            if let Err(error) = self.purge_now(log_id).await {
                tracing::error!(%error, "the log can't be purged");
                *self.purge_to.lock() = None;
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Up to where the next step goes; none when all is done.
    pub(super) fn next_purge(&self) -> Option<LogId> {
        let mut target = self.purge_to.lock();
        let first = self.first_index();
        *target = target.filter(|log_id| first <= log_id.index);
        let last = (*target)?;
        let step = first + STEP_ENTRIES - 1;
        if step >= last.index {
            return Some(last);
        }
        let log = self.log.lock();
        let entry = log.read(step, step + 1).next();
        // An entry that can't be read is purged with the rest.
        Some(
            entry
                .and_then(Result::ok)
                .map_or(last, |(log_id, _)| log_id.0),
        )
    }
}
