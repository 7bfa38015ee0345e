//! The Raft log on disk: `raft-log` behind openraft's storage traits.
//!
//! The log is the write-ahead log of everything: what it has flushed is durable,
//! and nothing is acknowledged before.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use codeq::Span;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::{Callback, Config, FlushMetrics, RaftLog, Segment, Types};
use tokio::sync::{oneshot, watch};

use super::codec::{StoredLogId, StoredPayload, StoredVote};
use super::synced::{self, Synced};
use super::tail;
use super::types::{Entry, LogId, TypeConfig, Vote};
use crate::clock;

/// One file of the log. Whole chunks are purged, and the newest is cached in memory.
const CHUNK_BYTES: usize = if cfg!(feature = "simulation") {
    32 << 10
} else {
    8 << 20
};
/// Entries kept in memory for followers and for apply.
const CACHE_BYTES: usize = 8 << 20;
/// The buffer that start-up reads a chunk through.
const READ_BUFFER_BYTES: usize = 1 << 20;
/// Writes that wait for the disk; more block the writer.
const QUEUE_BYTES: usize = 64 << 20;

/// The file beside the log that says up to where it was synced.
pub(super) const NOTE: &str = "log-synced";

/// The types of our log's records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogTypes;

impl Types for LogTypes {
    type LogId = StoredLogId;
    type LogPayload = StoredPayload;
    type Vote = StoredVote;
    type Callback = Flushed;
    type UserData = ();

    fn log_index(log_id: &StoredLogId) -> u64 {
        log_id.0.index
    }

    fn payload_size(payload: &StoredPayload) -> u64 {
        payload.0.len() as u64
    }
}

/// Whom the flush thread tells that something is durable.
pub(super) enum Flushed {
    Append {
        last_index: u64,
        callback: Waiting,
        durable: Arc<watch::Sender<u64>>,
        asked_at: Duration,
        written: Written,
    },
    Other(oneshot::Sender<Result<(), io::Error>>, Written),
}

/// Where the log ends with what was written.
pub(super) struct Written {
    synced: Arc<Synced>,
    end: u64,
}

impl Written {
    fn is_durable(&self) {
        self.synced.reach(self.end);
    }
}

impl Callback for Flushed {
    fn send(self, result: Result<(), io::Error>) {
        match self {
            Self::Append {
                last_index,
                callback,
                durable,
                asked_at,
                written,
            } => {
                let took = clock::monotonic().saturating_sub(asked_at);
                metrics::histogram!("corndogs_log_fsync_seconds").record(took.as_secs_f64());
                if result.is_ok() {
                    durable.send_replace(last_index);
                    written.is_durable();
                }
                callback.answer(result);
            }
            // A receiver that is gone has stopped waiting: nobody is left to tell.
            Self::Other(waiting, written) => {
                if result.is_ok() {
                    written.is_durable();
                }
                drop(waiting.send(result));
            }
        }
    }
}

/// Why nothing is written after a failed write: the log says "closed channel" of itself.
const STOPPED: &str = "the log has stopped writing: the disk is full or failing";

/// Raft, waiting for an append. A log whose writes have failed drops what still waits
/// without a word: raft has to hear of it, or it waits for ever.
pub(super) struct Waiting(Option<IOFlushed<TypeConfig>>);

impl Waiting {
    fn answer(mut self, result: Result<(), io::Error>) {
        if let Some(callback) = self.0.take() {
            callback.io_completed(result);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback.io_completed(Err(io::Error::other(STOPPED)));
        }
    }
}

/// A handle of the log; clones share it.
#[derive(Clone)]
pub struct LogStore {
    pub(super) log: Arc<Mutex<RaftLog<LogTypes>>>,
    durable: Arc<watch::Sender<u64>>,
    synced: Arc<Synced>,
    /// How far a purge in steps still has to go.
    pub(super) purge_to: Arc<Mutex<Option<LogId>>>,
    #[cfg(feature = "simulation")]
    disk: super::simulated::Disk,
}

/// Figures of the log.
pub struct LogFigures {
    /// Writes and syncs since the start.
    pub flushes: FlushMetrics,
    /// Bytes on disk.
    pub disk_bytes: u64,
}

impl LogStore {
    /// Opens the log in `dir`, or creates it.
    ///
    /// # Errors
    /// If the directory can't be used, or if what is in it is damaged. A torn end
    /// is dropped: it was never acknowledged.
    pub fn open(dir: &Path) -> Result<Self, io::Error> {
        std::fs::create_dir_all(dir)?;
        let note = dir.with_file_name(NOTE);
        let end = tail::check(dir, synced::read(&note)?).map_err(io::Error::other)?;
        let mut config = Config::new(dir.display());
        config.wal.chunk_max_size = Some(CHUNK_BYTES);
        config.wal.read_buffer_size = Some(READ_BUFFER_BYTES);
        config.wal.flush_batch_wait = Some(Duration::ZERO);
        config.wal.flush_queue_max_bytes = Some(QUEUE_BYTES);
        config.log_cache_capacity = Some(CACHE_BYTES);
        let log: RaftLog<LogTypes> = RaftLog::open(Arc::new(config))?;
        tail::check_begin(dir, &log).map_err(io::Error::other)?;
        let last = log.log_state().last().map_or(0, |last| last.0.index);
        let log = Arc::new(Mutex::new(log));
        Ok(Self {
            #[cfg(feature = "simulation")]
            disk: super::simulated::Disk::of(&log),
            log,
            durable: Arc::new(watch::Sender::new(last)),
            synced: Arc::new(Synced::new(note, end)),
            purge_to: Arc::default(),
        })
    }

    /// The highest index that is flushed here.
    pub fn durable_index(&self) -> watch::Receiver<u64> {
        self.durable.subscribe()
    }

    /// The first index that is not purged.
    pub fn first_index(&self) -> u64 {
        let log = self.log.lock();
        log.log_state()
            .purged()
            .map_or(0, |purged| purged.0.index + 1)
    }

    /// Begins an empty log behind `log_id`, in its term. Blocks until that is durable.
    ///
    /// # Errors
    /// If it can't be written, or the log is not empty.
    pub fn begin_at(&self, log_id: LogId) -> Result<(), io::Error> {
        let vote = Vote {
            leader_id: log_id.leader_id,
            committed: false,
        };
        let (tx, rx) = oneshot::channel();
        {
            let mut log = self.log.lock();
            log.save_vote(StoredVote(vote))?;
            let purged = log.purge(StoredLogId(log_id))?;
            log.flush(true, Some(Flushed::Other(tx, self.written(purged))))?;
        }
        rx.blocking_recv().map_err(|_| flush_thread_is_gone())?
    }

    /// The last index in the log, 0 while it is empty.
    pub fn last_index(&self) -> u64 {
        self.log
            .lock()
            .log_state()
            .last()
            .map_or(0, |last| last.0.index)
    }

    /// Figures for operators.
    pub fn figures(&self) -> LogFigures {
        let log = self.log.lock();
        LogFigures {
            flushes: log.stat().flush_metrics,
            disk_bytes: log.on_disk_size(),
        }
    }

    /// Notes up to where the log is synced, so that a later start can tell damage from a torn end. May block.
    ///
    /// # Errors
    /// If that can't be written.
    pub fn note_synced(&self) -> Result<(), io::Error> {
        self.synced.note()
    }

    fn written(&self, record: Segment) -> Written {
        Written {
            synced: self.synced.clone(),
            end: record.end().0,
        }
    }

    /// Writes and syncs all that is pending; whoever waits is told when that is done.
    #[cfg(not(feature = "simulation"))]
    fn flush(&self, log: &mut RaftLog<LogTypes>, flushed: Flushed) -> Result<(), io::Error> {
        log.flush(true, Some(flushed))
    }

    /// Writes all that is pending at once, and syncs it after a while.
    #[cfg(feature = "simulation")]
    fn flush(&self, log: &mut RaftLog<LogTypes>, flushed: Flushed) -> Result<(), io::Error> {
        log.flush(false, None)?;
        self.disk.sync_later(flushed);
        log.wait_worker_idle()
    }

    /// Waits until a record, and all before it, is durable.
    pub(super) async fn sync(&self, record: Segment) -> Result<(), io::Error> {
        let (tx, rx) = oneshot::channel();
        let flushed = Flushed::Other(tx, self.written(record));
        self.flush(&mut self.log.lock(), flushed)?;
        rx.await.map_err(|_| flush_thread_is_gone())?
    }
}

fn flush_thread_is_gone() -> io::Error {
    io::Error::other("the log's flush thread is gone")
}

/// Turns openraft's ranges into a start and an end behind the last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (start, end) = bounds(&range);
        if start >= end {
            return Ok(Vec::new());
        }
        let log = self.log.lock();
        let read = log.read(start, end).map(|record| {
            let (log_id, payload) = record?;
            Ok(Entry {
                log_id: log_id.0,
                payload: payload.payload()?,
            })
        });
        read.collect()
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        // Entries are groups of up to some MiB: bound the bytes of one read, not its count.
        const MAX_READ_BYTES: usize = 4 << 20;
        let log = self.log.lock();
        let mut entries = Vec::new();
        let mut bytes = 0;
        for record in log.read(start, end.max(start)) {
            let (log_id, payload) = record?;
            bytes += payload.0.len();
            entries.push(Entry {
                log_id: log_id.0,
                payload: payload.payload()?,
            });
            if bytes >= MAX_READ_BYTES {
                break;
            }
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.log.lock().log_state().vote().map(|vote| vote.0))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let log = self.log.lock();
        let state = log.log_state();
        let purged = state.purged().map(|purged| purged.0);
        let last = state.last().map(|last| last.0);
        Ok(LogState {
            last_purged_log_id: purged,
            last_log_id: last.max(purged),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let saved = self.log.lock().save_vote(StoredVote(*vote))?;
        self.sync(saved).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        // Goes to disk with the next append: it only lets a restart apply sooner.
        if let Some(committed) = committed {
            self.log.lock().commit(StoredLogId(committed))?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self
            .log
            .lock()
            .log_state()
            .committed()
            .map(|committed| committed.0))
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut last_index = 0;
        let records = entries.into_iter().map(|entry| {
            last_index = entry.log_id.index;
            (StoredLogId(entry.log_id), StoredPayload::of(&entry.payload))
        });
        let mut log = self.log.lock();
        let stopped = |error| io::Error::other(format!("{STOPPED}: {error}"));
        let last = log.append(records).map_err(stopped)?;
        let flushed = Flushed::Append {
            last_index,
            callback: Waiting(Some(callback)),
            durable: self.durable.clone(),
            asked_at: clock::monotonic(),
            written: self.written(last),
        };
        self.flush(&mut log, flushed).map_err(stopped)
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let keep = last_log_id.map_or(0, |last| last.index + 1);
        if keep > self.last_index() {
            return Ok(());
        }
        let truncated = self.log.lock().truncate(keep)?;
        self.sync(truncated).await?;
        self.durable.send_if_modified(|durable| {
            let shortened = *durable >= keep;
            *durable = (*durable).min(keep.saturating_sub(1));
            shortened
        });
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.purge_upto(log_id).await
    }
}
