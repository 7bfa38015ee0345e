//! The thread that writes frozen changes to the checkpoint.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::future::{Either, select};

use super::StoreError;
use super::disk::Disk;
use super::files::{self, failed};
use super::frozen::Frozen;
use super::handle::Inner;
use super::record::Header;
use super::redo;
use super::view::Result;
use crate::clock;
use crate::work::{at_once, stand_back};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Free space that a checkpoint wants before it touches sled: sled does not survive a full disk.
const SPARE_BYTES: u64 = 16 * 1024 * 1024;
const SPARE_TIMES: u64 = 4;

/// Who may change the checkpoint, and where it stands.
#[derive(Debug)]
pub(super) struct Writer {
    /// Frozen changes of another epoch are of a state that was replaced.
    pub epoch: u64,
    /// The header of the last finished checkpoint.
    pub header: Header,
    pub disk: Option<Arc<Disk>>,
    /// The redo file of the frozen changes has its name, so they may be half written.
    pub published: bool,
}

impl Writer {
    pub fn disk(&self) -> Result<Arc<Disk>> {
        let closed = || StoreError::Checkpoint("it is being replaced".to_owned());
        self.disk.clone().ok_or_else(closed)
    }
}

/// What ends the waits of the checkpoint thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signal {
    /// The store closes.
    pub stop: bool,
    /// The state was replaced so many times.
    pub epoch: u64,
}

/// How the checkpoints go.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// The last log index in the checkpoint.
    pub index: u64,
    pub checkpoints: u64,
    pub failures: u64,
    pub duration: Duration,
    pub disk_bytes: u64,
    /// Why the last attempt failed, if it did.
    pub error: Option<String>,
    /// How often sled has refused in a row.
    pub refusals: u32,
}

/// Starts the thread; in a simulation there is none.
pub(super) fn start(inner: &Arc<Inner>) -> io::Result<Option<JoinHandle<()>>> {
    if cfg!(feature = "simulation") {
        return Ok(None);
    }
    let runs = inner.clone();
    let thread = thread::Builder::new().name("checkpoint".to_owned());
    thread.spawn(move || run(&runs)).map(Some)
}

/// Writes what is frozen until the store closes.
fn run(inner: &Inner) {
    // So do sled's threads, which this one starts.
    stand_back();
    let mut pause = FIRST_PAUSE;
    while let Some(frozen) = next_job(inner) {
        let written = inner.write(&frozen);
        if inner.signal.borrow().stop {
            return;
        }
        match written {
            Ok(()) => pause = FIRST_PAUSE,
            Err(error) => {
                inner.note_failure(&error);
                let mut job = inner.job.lock();
                if !inner.signal.borrow().stop {
                    inner.wake.wait_for(&mut job, pause);
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// The next changes to be written; none when the store closes.
fn next_job(inner: &Inner) -> Option<Arc<Frozen>> {
    loop {
        let mut job = inner.job.lock();
        if inner.signal.borrow().stop {
            return None;
        }
        if job.is_none() {
            inner
                .wake
                .wait_for(&mut job, inner.options.checkpoint_interval);
        }
        let found = job.clone();
        drop(job);
        if inner.signal.borrow().stop {
            return None;
        }
        match found {
            Some(frozen) => return Some(frozen),
            // No entry came that would have asked.
            None => drop(inner.freeze_if_due()),
        }
    }
}

impl Inner {
    /// In a simulation, writes what is frozen here and now, if the log has synced it.
    pub fn write_at_once(&self) {
        if !cfg!(feature = "simulation") {
            return;
        }
        let Some(frozen) = self.job.lock().clone() else {
            return;
        };
        let durable = self.options.durable_index.as_ref();
        if durable.is_some_and(|durable| *durable.borrow() < frozen.index()) {
            return;
        }
        let written = at_once(|| self.write(&frozen));
        let panicked = |error: io::Error| Err(StoreError::Checkpoint(error.to_string()));
        if let Err(error) = written.unwrap_or_else(panicked) {
            self.note_failure(&error);
        }
    }

    fn note_failure(&self, error: &StoreError) {
        tracing::error!(%error, "a checkpoint failed and will be tried again");
        self.progress.send_modify(|progress| {
            progress.failures += 1;
            progress.error = Some(error.to_string());
            match error {
                StoreError::Sled { .. } => progress.refusals += 1,
                _ => progress.refusals = 0,
            }
        });
    }

    /// Makes one checkpoint.
    fn write(&self, frozen: &Arc<Frozen>) -> Result<()> {
        self.wait_until_durable(frozen)?;
        self.step("durable")?;
        let mut writer = self.writer.lock();
        if frozen.epoch != writer.epoch {
            self.forget(frozen);
            return Ok(());
        }
        let started = clock::monotonic();
        let disk = writer.disk()?;
        // What was worked out from the checkpoint before a first attempt is what has to be
        // finished: worked out again from half of it, chunks could come out wrong.
        if !writer.published {
            let bytes = frozen.write_redo(&self.paths.redo_tmp, &disk)?;
            self.step("redo written")?;
            self.check_space(bytes)?;
            files::publish(&self.paths.redo_tmp, &self.paths.redo)?;
            writer.published = true;
            self.step("redo published")?;
        }
        redo::read(&self.paths.redo, |tree, changes| {
            disk.apply(tree, changes)?;
            self.step("piece")
        })?;
        self.step("all pieces")?;
        disk.sync()?;
        let disk_bytes = disk.size()?;
        self.step("synced")?;
        files::publish(&self.paths.redo, &self.paths.redo_done)?;
        writer.published = false;
        self.step("redo done")?;
        writer.header = frozen.header.header.clone();
        self.state.lock().finish();
        let duration = clock::monotonic().saturating_sub(started);
        self.progress.send_modify(|progress| {
            progress.index = frozen.index();
            progress.checkpoints += 1;
            progress.duration = duration;
            progress.disk_bytes = disk_bytes;
            progress.error = None;
            progress.refusals = 0;
        });
        // Last: who sees no checkpoint under way sees this one's figures.
        self.forget(frozen);
        Ok(())
    }

    /// Takes a job off, unless it is another one by now.
    fn forget(&self, frozen: &Arc<Frozen>) {
        let mut job = self.job.lock();
        if job.as_ref().is_some_and(|job| Arc::ptr_eq(job, frozen)) {
            *job = None;
        }
    }

    /// Waits for the log: a checkpoint must not know entries that a crash takes away.
    fn wait_until_durable(&self, frozen: &Frozen) -> Result<()> {
        let Some(mut durable) = self.options.durable_index.clone() else {
            return Ok(());
        };
        if *durable.borrow() >= frozen.index() {
            return Ok(());
        }
        let mut signal = self.signal.subscribe();
        futures::executor::block_on(async {
            let durable = std::pin::pin!(durable.wait_for(|durable| *durable >= frozen.index()));
            let ended = |signal: &Signal| signal.stop || signal.epoch != frozen.epoch;
            let ended = std::pin::pin!(signal.wait_for(ended));
            match select(durable, ended).await {
                Either::Left((Ok(_), _)) | Either::Right(_) => Ok(()),
                Either::Left(_) => Err(StoreError::Checkpoint("the log is closed".to_owned())),
            }
        })
    }

    fn check_space(&self, redo_bytes: u64) -> Result<()> {
        let path = &self.paths.redo_tmp;
        let stat =
            rustix::fs::statvfs(path).map_err(|error| failed("look at", path)(error.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let wanted = redo_bytes.saturating_mul(SPARE_TIMES) + SPARE_BYTES;
        if free >= wanted {
            return Ok(());
        }
        let detail = format!("the disk is full: {free} bytes are free, {wanted} are wanted");
        Err(StoreError::Checkpoint(detail))
    }

    fn step(&self, step: &'static str) -> Result<()> {
        if self.options.hook.goes_on_after(step) && !self.signal.borrow().stop {
            return Ok(());
        }
        Err(StoreError::Checkpoint(format!("stopped after {step}")))
    }
}
