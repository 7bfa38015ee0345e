//! The handle that the layers above hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::watch;

use super::checkpoint::{self, Progress, Signal, Writer};
use super::files::{self, failed};
use super::frozen::Frozen;
use super::options::{Options, StoreMetrics};
use super::recovery::{self, Paths};
use super::snapshot::{SnapshotFile, UNFINISHED, list_snapshots};
use super::state::State;
use super::view::Result;
use super::{StoreError, View};
use crate::clock;

/// Changes may take this many times `memtable_bytes` before the store has no room.
const ROOM_TIMES: usize = 2;
/// sled may refuse a checkpoint so often in a row before that counts as final.
const MOST_REFUSALS: u32 = 3;

/// The store over a checkpoint: a shared handle, cheap to clone.
///
/// One thread applies; any number reads. Dropping the last handle stops the
/// checkpoint thread without a last checkpoint: the log has all that it would hold.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
    _thread: Arc<Thread>,
}

/// The lock on the state: [`View`] and [`super::Changes`].
pub type Guard<'a> = MutexGuard<'a, State>;

/// What handles and the checkpoint thread share. Locks are taken from top to bottom.
#[derive(Debug)]
pub(super) struct Inner {
    pub paths: Paths,
    pub options: Options,
    /// Held by whoever writes or installs a snapshot.
    pub snapshots: Mutex<()>,
    /// How many wait for that: a scrub gives way.
    pub snapshots_wanted: AtomicUsize,
    /// Held by whoever changes the checkpoint.
    pub writer: Mutex<Writer>,
    pub state: Mutex<State>,
    /// The frozen changes that wait for the checkpoint thread.
    pub job: Mutex<Option<Arc<Frozen>>>,
    pub wake: Condvar,
    pub signal: watch::Sender<Signal>,
    pub progress: watch::Sender<Progress>,
}

impl Store {
    /// Opens the store under a directory, and makes what is not there.
    ///
    /// Afterwards the header tells from which position on the log has to be replayed.
    ///
    /// # Errors
    /// If files can't be read or written, or the checkpoint and all snapshots are damaged.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        files::create_dir(dir)?;
        let paths = Paths::new(dir);
        let disk = Arc::new(recovery::open_checkpoint(&paths, &options.report)?);
        let state = State::new(disk.clone(), 0)?;
        let progress = Progress {
            index: state.header().position.index,
            disk_bytes: disk.size()?,
            ..Progress::default()
        };
        let inner = Arc::new(Inner {
            paths,
            options,
            snapshots: Mutex::new(()),
            snapshots_wanted: AtomicUsize::new(0),
            writer: Mutex::new(Writer {
                epoch: 0,
                header: state.header().clone(),
                disk: Some(disk),
                published: false,
            }),
            state: Mutex::new(state),
            job: Mutex::new(None),
            wake: Condvar::new(),
            signal: watch::channel(Signal::default()).0,
            progress: watch::channel(progress).0,
        });
        let join = checkpoint::start(&inner).map_err(failed("start a thread for", dir))?;
        let thread = Thread {
            inner: inner.clone(),
            join,
        };
        Ok(Self {
            inner,
            _thread: Arc::new(thread),
        })
    }

    /// Locks the state. Hold it for as short as can be, and call nothing else of the store meanwhile.
    pub fn lock(&self) -> Guard<'_> {
        self.inner.state.lock()
    }

    /// Starts a checkpoint if it is time for one. Cheap; to be called after each entry.
    pub fn freeze_if_due(&self) -> bool {
        self.inner.freeze_if_due()
    }

    /// Whether the next entry may be applied now.
    pub fn room(&self) -> bool {
        let limit = self.inner.options.memtable_bytes.saturating_mul(ROOM_TIMES);
        self.inner.state.lock().active_bytes() < limit
    }

    /// Waits until the next entry may be applied, so that memory stays bounded.
    pub async fn wait_for_room(&self) {
        let mut progress = self.inner.progress.subscribe();
        loop {
            progress.borrow_and_update();
            self.freeze_if_due();
            if self.room() || progress.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until all that is applied now is in the checkpoint.
    ///
    /// # Errors
    /// If an attempt to write it fails. Further ones are made in the background.
    pub async fn checkpoint_now(&self) -> Result<()> {
        let mut progress = self.inner.progress.subscribe();
        let failures = progress.borrow().failures;
        let index = self.inner.state.lock().header().position.index;
        loop {
            let (done, failed) = {
                let now = progress.borrow_and_update();
                let failed = (now.failures > failures)
                    .then(|| now.error.clone())
                    .flatten();
                // Index 0 stands for the first entry and for none: then what is left to write tells.
                let done = now.index >= index && (now.index > 0 || self.inner.is_settled());
                (done, failed)
            };
            if done {
                return Ok(());
            }
            if let Some(error) = failed {
                return Err(StoreError::Checkpoint(error));
            }
            self.inner.freeze();
            if progress.changed().await.is_err() {
                return Err(StoreError::Checkpoint("the store is closed".to_owned()));
            }
        }
    }

    /// Waits until the log has synced all that is applied now: before that, no checkpoint can be written.
    ///
    /// # Errors
    /// If the log is closed.
    pub async fn until_durable(&self) -> Result<()> {
        let Some(mut durable) = self.inner.options.durable_index.clone() else {
            return Ok(());
        };
        loop {
            let index = self.inner.state.lock().header().position.index;
            if *durable.borrow_and_update() >= index {
                return Ok(());
            }
            let closed = |_| StoreError::Checkpoint("the log is closed".to_owned());
            durable.changed().await.map_err(closed)?;
        }
    }

    /// Why the last attempt to write a checkpoint failed; none if it didn't.
    pub fn health(&self) -> Option<String> {
        self.inner.progress.borrow().error.clone()
    }

    /// Why no checkpoint can be written until the store is opened again; none if one can.
    pub fn broken(&self) -> Option<String> {
        let progress = self.inner.progress.borrow();
        let error = progress.error.as_ref();
        error
            .filter(|_| progress.refusals >= MOST_REFUSALS)
            .cloned()
    }

    /// The last log index in the checkpoint.
    pub fn checkpoint_index(&self) -> u64 {
        self.inner.progress.borrow().index
    }

    /// Numbers for operators.
    pub fn metrics(&self) -> StoreMetrics {
        let (memtable_bytes, memtable_tasks) = {
            let state = self.inner.state.lock();
            (state.active_bytes(), state.active_tasks())
        };
        let checkpoint_running = self.inner.job.lock().is_some();
        let progress = self.inner.progress.borrow();
        StoreMetrics {
            memtable_bytes,
            memtable_tasks,
            checkpoint_running,
            checkpoint_index: progress.index,
            checkpoints: progress.checkpoints,
            checkpoint_duration: progress.duration,
            checkpoint_failures: progress.failures,
            checkpoint_disk_bytes: progress.disk_bytes,
        }
    }

    /// A name for a snapshot that is on its way here. What is left of it goes at the next start.
    pub fn incoming_snapshot(&self, number: u64) -> PathBuf {
        let name = format!("incoming-{number}.{UNFINISHED}");
        self.inner.paths.snapshots.join(name)
    }

    /// The newest snapshot file.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub fn newest_snapshot(&self) -> Result<Option<SnapshotFile>> {
        Ok(list_snapshots(&self.inner.paths.snapshots)?
            .into_iter()
            .next())
    }

    /// Writes the last finished checkpoint as a snapshot file and removes older ones. Blocks.
    ///
    /// With `fresh`, or if nothing was ever written, a checkpoint is taken first.
    ///
    /// # Errors
    /// If files can't be read or written, or another snapshot is installed meanwhile.
    pub fn write_snapshot(&self, fresh: bool) -> Result<SnapshotFile> {
        let _one = self.inner.lock_snapshots();
        if fresh || self.checkpoint_index() == 0 {
            futures::executor::block_on(self.checkpoint_now())?;
        }
        self.inner.write_snapshot()
    }

    /// Replaces the whole state by a snapshot file, which moves into the snapshot directory. Blocks.
    ///
    /// Nothing may be applied meanwhile. A damaged file changes nothing.
    ///
    /// # Errors
    /// If the file is damaged, or files can't be read or written; if that happens halfway,
    /// the store answers no more and rebuilds itself when it is opened again.
    pub fn install_snapshot(&self, path: &Path) -> Result<SnapshotFile> {
        let _one = self.inner.lock_snapshots();
        self.inner.install_snapshot(path)
    }
}

impl Inner {
    fn lock_snapshots(&self) -> MutexGuard<'_, ()> {
        self.snapshots_wanted.fetch_add(1, Ordering::Relaxed);
        let locked = self.snapshots.lock();
        self.snapshots_wanted.fetch_sub(1, Ordering::Relaxed);
        locked
    }

    pub fn freeze_if_due(&self) -> bool {
        self.write_at_once();
        let mut state = self.state.lock();
        if !state.can_freeze() || !state.is_dirty() {
            return false;
        }
        let now = clock::monotonic();
        let since = *state.dirty_since.get_or_insert(now);
        let is_old = now.saturating_sub(since) >= self.options.checkpoint_interval;
        if !is_old && state.active_bytes() < self.options.memtable_bytes {
            return false;
        }
        self.hand_over(&mut state);
        drop(state);
        self.write_at_once();
        true
    }

    /// Whether nothing is left to write.
    fn is_settled(&self) -> bool {
        let state = self.state.lock();
        !state.is_frozen() && !state.is_dirty()
    }

    /// Freezes what there is, if that is possible now.
    pub fn freeze(&self) {
        let mut state = self.state.lock();
        if state.can_freeze() && state.is_dirty() {
            self.hand_over(&mut state);
        }
        drop(state);
        self.write_at_once();
    }

    fn hand_over(&self, state: &mut State) {
        *self.job.lock() = Some(Arc::new(state.freeze()));
        self.wake.notify_all();
    }
}

/// The checkpoint thread; it ends with the last handle.
#[derive(Debug)]
struct Thread {
    inner: Arc<Inner>,
    join: Option<JoinHandle<()>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.inner.signal.send_modify(|signal| signal.stop = true);
        {
            // The thread is either waiting, or sees the flag before it waits.
            let _job = self.inner.job.lock();
            self.inner.wake.notify_all();
        }
        if let Some(join) = self.join.take()
            && join.join().is_err()
        {
            tracing::error!("the checkpoint thread panicked");
        }
    }
}
