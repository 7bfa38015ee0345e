//! Checks a stopped node's state files against their checksums, and their rows against all that is kept in step.
//!
//! sled writes when it opens: the checkpoint is checked as a copy.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::damage_marker;
use super::durable::Record;
use super::files::failed;
use super::keys::Tree;
use super::record::Position;
use super::recovery::{self, Paths};
use super::snapshot::{SnapshotFile, list_snapshots, read_snapshot};
use super::state::State;
use super::sum::Sum;
use super::view::Result;
use super::{StoreError, View, redo};

/// What a copy needs besides its files: sled begins a new segment or two.
const SPARE_BYTES: u64 = 16 << 20;

/// What a sound snapshot or checkpoint holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// How far its log is applied.
    pub position: Position,
    /// How many live tasks it holds.
    pub live: u64,
    /// The hash of its rows.
    pub state_hash: u64,
    /// How many rows each keyspace of a checkpoint has.
    pub rows: Vec<(&'static str, u64)>,
}

/// The redo files: that of a checkpoint that a crash has cut short, and that of the last finished one.
pub fn redo_files(group: &Path) -> [PathBuf; 2] {
    let paths = Paths::new(group);
    [paths.redo, paths.redo_done]
}

/// Reads a whole redo file: how many changes it holds, none if there is none.
///
/// # Errors
/// If it is damaged, or can't be read.
pub fn check_redo(path: &Path) -> Result<Option<usize>> {
    if !exists(path)? {
        return Ok(None);
    }
    let mut found = 0;
    redo::read(path, |_, changes| {
        found += changes.len();
        Ok(())
    })?;
    Ok(Some(found))
}

/// The group's snapshots, the newest first.
///
/// # Errors
/// If they can't be listed.
pub fn snapshots(group: &Path) -> Result<Vec<SnapshotFile>> {
    let dir = Paths::new(group).snapshots;
    if exists(&dir)? {
        list_snapshots(&dir)
    } else {
        Ok(Vec::new())
    }
}

/// Reads a whole snapshot, and compares its rows with its hash, and its position with the index that it is said to be of.
///
/// # Errors
/// If it is damaged, or can't be read.
pub fn check_snapshot(path: &Path, index: u64) -> Result<Sound> {
    let mut reader = read_snapshot(path)?;
    let (mut sum, mut live) = (Sum::default(), 0);
    for record in reader.by_ref() {
        let record = record?;
        live += u64::from(matches!(record, Record::Live(_)));
        sum.add(&record);
    }
    let header = reader.header();
    let whole = sum.check(header.state_hash);
    whole.map_err(|why| reader.damaged(why))?;
    if header.position.index != index {
        let detail = format!("it holds the state at {}", header.position.index);
        return Err(reader.damaged(&detail));
    }
    Ok(Sound {
        position: header.position.clone(),
        live,
        state_hash: header.state_hash,
        rows: Vec::new(),
    })
}

/// A copy of a checkpoint, gone once it is dropped.
#[derive(Debug)]
pub struct Copy {
    dir: PathBuf,
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What can't be removed stays where temporary files lie: nothing depends on it.
        _ = fs::remove_dir_all(&self.dir);
    }
}

/// How many bytes a copy of the checkpoint takes; none without a checkpoint.
///
/// # Errors
/// If its files can't be looked at.
pub fn copy_bytes(group: &Path) -> Result<Option<u64>> {
    let paths = Paths::new(group);
    if !exists(&paths.checkpoint)? {
        return Ok(None);
    }
    let mut bytes = SPARE_BYTES + tree_bytes(&paths.checkpoint)?;
    for redo in redo_files(group) {
        if exists(&redo)? {
            // Once as a file, and once more when it is done.
            bytes += 2 * tree_bytes(&redo)?;
        }
    }
    Ok(Some(bytes))
}

/// Copies the checkpoint into a new directory.
///
/// # Errors
/// If there is not room for `bytes`, or files can't be copied.
pub fn copy(group: &Path, dir: PathBuf, bytes: u64) -> Result<Copy> {
    fs::create_dir(&dir).map_err(failed("create", &dir))?;
    let copy = Copy { dir };
    let space = rustix::fs::statvfs(&copy.dir);
    let space =
        space.map_err(|error| failed("ask for the free space of", &copy.dir)(error.into()))?;
    if space.f_bavail.saturating_mul(space.f_frsize) < bytes {
        return Err(failed("copy the checkpoint to", &copy.dir)(
            ErrorKind::StorageFull.into(),
        ));
    }
    let (from, to) = (Paths::new(group), Paths::new(&copy.dir));
    copy_tree(&from.checkpoint, &to.checkpoint)?;
    for (from, to) in [(from.redo, to.redo), (from.redo_done, to.redo_done)] {
        if exists(&from)? {
            copy_tree(&from, &to)?;
        }
    }
    Ok(copy)
}

impl Copy {
    /// Opens the copy as a start would, and compares everything in it with its rows.
    ///
    /// # Errors
    /// If something is damaged.
    pub fn check(&self) -> Result<Sound> {
        let disk = Arc::new(recovery::reopen(&Paths::new(&self.dir))?);
        let state = State::new(disk.clone(), 0)?;
        state.check()?;
        let count = |tree: &Tree| Ok((tree.name(), disk.row_count(*tree)?));
        Ok(Sound {
            rows: Tree::ALL.iter().map(count).collect::<Result<_>>()?,
            position: state.header().position.clone(),
            live: state.counts().total(),
            state_hash: state.header().state_hash,
        })
    }
}

/// Refuses a checkpoint that a node has found damaged before.
///
/// # Errors
/// If it is marked.
pub fn check_mark(group: &Path) -> Result<()> {
    let marker = damage_marker(&Paths::new(group).checkpoint);
    if exists(&marker)? {
        let detail = "the node has found and noted it";
        return Err(StoreError::damaged("checkpoint", detail));
    }
    Ok(())
}

fn tree_bytes(path: &Path) -> Result<u64> {
    let found = fs::metadata(path).map_err(failed("look at", path))?;
    if !found.is_dir() {
        return Ok(found.len());
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path).map_err(failed("read", path))? {
        bytes += tree_bytes(&entry.map_err(failed("read", path))?.path())?;
    }
    Ok(bytes)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(failed("copy", from));
    }
    fs::create_dir(to).map_err(failed("create", to))?;
    for entry in fs::read_dir(from).map_err(failed("read", from))? {
        let entry = entry.map_err(failed("read", from))?;
        copy_tree(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(failed("look for", path))
}
