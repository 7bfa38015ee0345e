//! From the files of a data directory to an open checkpoint: as it was, made again, or rebuilt.
//!
//! A checkpoint is swapped under a marker: while `checkpoint.damaged` is there, whatever
//! stands under its name is rebuilt from the newest snapshot, and an unfinished swap with it.

use std::path::{Path, PathBuf};

use super::StoreError;
use super::disk::{Disk, damage_marker};
use super::files;
use super::keys::{Head, Keyspace, Tree};
use super::load::Loader;
use super::pace::Report;
use super::redo;
use super::snapshot::{SnapshotFile, list_snapshots, remove_unfinished};
use super::view::Result;

/// A checkpoint is bloated if it is this large …
const BLOATED_BYTES: u64 = 256 * 1024 * 1024;
/// … and this many times what it holds.
const BLOATED_TIMES: u64 = 4;

/// The files of one data directory.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The checkpoint.
    pub checkpoint: PathBuf,
    /// The redo file of a checkpoint under way.
    pub redo: PathBuf,
    /// The redo file before it is complete.
    pub redo_tmp: PathBuf,
    /// The redo file of the last finished checkpoint: says what must be there.
    pub redo_done: PathBuf,
    /// The snapshots.
    pub snapshots: PathBuf,
    /// Says why the state is known to be wrong, if it is.
    pub diverged: PathBuf,
}

impl Paths {
    /// The files under a directory.
    pub fn new(dir: &Path) -> Self {
        Self {
            checkpoint: dir.join("checkpoint"),
            redo: dir.join("redo"),
            redo_tmp: dir.join("redo.tmp"),
            redo_done: dir.join("redo.done"),
            snapshots: dir.join("snapshot"),
            diverged: dir.join("diverged"),
        }
    }

    /// Where a checkpoint is built that takes the other one's place.
    pub fn new_checkpoint(&self) -> PathBuf {
        self.checkpoint.with_extension("new")
    }
}

/// Opens the checkpoint, whatever it takes.
///
/// # Errors
/// If the files can't be read or written, or the checkpoint and all snapshots are damaged.
pub fn open_checkpoint(paths: &Paths, report: &Report) -> Result<Disk> {
    files::create_dir(&paths.snapshots)?;
    remove_unfinished(&paths.snapshots)?;
    files::remove_file(&paths.redo_tmp)?;
    files::remove_dir(&paths.new_checkpoint())?;
    let marked = exists(&damage_marker(&paths.checkpoint))?;
    let is_new = !exists(&paths.checkpoint)? && list_snapshots(&paths.snapshots)?.is_empty();
    let why = if marked {
        StoreError::damaged("checkpoint", "so it was noted before")
    } else if !exists(&paths.checkpoint)? {
        StoreError::damaged("checkpoint", "there is none")
    } else {
        match reopen(paths) {
            Ok(disk) if !can_shrink(paths, &disk)? => return Ok(disk),
            Ok(_) => StoreError::damaged("checkpoint", "far larger than what it holds"),
            Err(error @ (StoreError::Io { .. } | StoreError::Sled { .. })) => return Err(error),
            Err(error) => error,
        }
    };
    if is_new {
        tracing::debug!("an empty checkpoint is made");
    } else {
        tracing::warn!(reason = %why, "the checkpoint is built anew");
    }
    build_from_newest(paths, report)?;
    swap(paths)
}

/// Opens a checkpoint that looks sound, and finishes what was under way.
///
/// # Errors
/// If files can't be read or written, or the checkpoint or a redo file is damaged.
pub fn reopen(paths: &Paths) -> Result<Disk> {
    let has_redo = exists(&paths.redo)?;
    if has_redo {
        // Whole or not at all: a redo file was durable before it got its name, so a damaged
        // one means that the disk lost data, and half of it may have been made already.
        redo::read(&paths.redo, |_, _| Ok(()))?;
    }
    let disk = Disk::open(&paths.checkpoint)?;
    if has_redo {
        redo::read(&paths.redo, |tree, changes| disk.apply(tree, changes))?;
        disk.sync()?;
        files::publish(&paths.redo, &paths.redo_done)?;
    }
    check_last(paths, &disk)?;
    disk.counts()?;
    Ok(disk)
}

/// Where sled finds its newest data damaged it takes older data without a word.
fn check_last(paths: &Paths, disk: &Disk) -> Result<()> {
    let found = disk.header()?;
    if !exists(&paths.redo_done)? {
        return Ok(());
    }
    let mut written = None;
    redo::read(&paths.redo_done, |tree, changes| {
        if let (Tree::Header, [(_, Some(header))]) = (tree, changes) {
            written = Some(Head::parse_value(header)?);
        }
        Ok(())
    })?;
    if written.as_ref() == Some(&found) {
        return Ok(());
    }
    let detail = format!(
        "it has lost its end and stands at {}",
        found.header.position.index
    );
    Err(StoreError::damaged("checkpoint", detail))
}

fn can_shrink(paths: &Paths, disk: &Disk) -> Result<bool> {
    let Some(newest) = list_snapshots(&paths.snapshots)?.into_iter().next() else {
        return Ok(false);
    };
    // What is counted as held leaves out the metadata of archived tasks; a snapshot has it all.
    let held_bytes = disk.header()?.held_bytes.max(newest.bytes);
    Ok(is_bloated(disk.size()?, held_bytes))
}

fn is_bloated(disk_bytes: u64, held_bytes: u64) -> bool {
    disk_bytes > BLOATED_BYTES && disk_bytes / BLOATED_TIMES > held_bytes
}

/// Fills `checkpoint.new` from the newest snapshot that is whole; without any snapshot it stays empty.
fn build_from_newest(paths: &Paths, report: &Report) -> Result<()> {
    let mut first_error = None;
    for snapshot in list_snapshots(&paths.snapshots)? {
        match build(paths, Some(&snapshot), report) {
            Ok(()) => {
                tracing::info!(snapshot = snapshot.index, "the checkpoint was built");
                return Ok(());
            }
            Err(error) => {
                tracing::error!(%error, "no checkpoint can be built from a snapshot");
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => build(paths, None, report),
    }
}

/// Fills `checkpoint.new` from a snapshot, or leaves it empty without one.
pub fn build(paths: &Paths, snapshot: Option<&SnapshotFile>, report: &Report) -> Result<()> {
    let path = paths.new_checkpoint();
    files::remove_dir(&path)?;
    let disk = Disk::create(&path)?;
    if let Some(snapshot) = snapshot {
        Loader::new(&disk).load(&snapshot.path, report)?;
    }
    disk.sync()
}

/// Puts `checkpoint.new` in the checkpoint's place. Nobody may have the old one open.
pub fn swap(paths: &Paths) -> Result<Disk> {
    let marker = damage_marker(&paths.checkpoint);
    files::mark(&marker)?;
    files::remove_dir(&paths.checkpoint)?;
    files::remove_file(&paths.redo)?;
    files::remove_file(&paths.redo_done)?;
    files::publish(&paths.new_checkpoint(), &paths.checkpoint)?;
    files::remove_file(&marker)?;
    Disk::open(&paths.checkpoint)
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(files::failed("look for", path))
}

#[cfg(test)]
mod tests {
    use super::is_bloated;

    #[test]
    fn bloated_is_large_and_mostly_empty() {
        let mib = 1024 * 1024;
        assert!(!is_bloated(256 * mib, 0));
        assert!(is_bloated(257 * mib, 0));
        assert!(is_bloated(1024 * mib, 255 * mib));
        assert!(!is_bloated(1024 * mib, 256 * mib));
    }
}
