//! What of a node's files is on the disk, and what a crash leaves.
//!
//! A file is durable as it was at its last sync. A power cut keeps of what came after, by the seed: of a file that is
//! only appended to any prefix, of any other each block as it was or as it is; and of the names that changed in a
//! directory since its last sync, as a journal has it, the first few changes. A process that is killed loses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const BLOCK_BYTES: usize = 4096;

/// The disks of all nodes.
#[derive(Default)]
struct Disks {
    root: PathBuf,
    nodes: BTreeMap<PathBuf, Disk>,
    /// Power cuts that came in the middle of something, and what they took.
    cuts: BTreeMap<PathBuf, Result<Lost, String>>,
}

/// A node's disk, by its directory.
#[derive(Default)]
struct Disk {
    /// Files as they were at their last sync.
    durable: BTreeMap<PathBuf, Vec<u8>>,
    /// Names that changed since their directory was synced, in order.
    changes: Vec<Change>,
    /// Files of the log that a killed process had written to, and that were not synced since.
    left_unsynced: BTreeSet<PathBuf>,
    /// Syncs until it fails; then none is done any more.
    syncs_left: Option<u64>,
    /// When it fails, the power goes: where the image is to be, and the seed.
    cut: Option<(PathBuf, u64)>,
    /// Nothing counts any more: the node is being taken down.
    is_over: bool,
}

enum Change {
    /// From, to, and what stood there before.
    Rename(PathBuf, PathBuf, Option<Vec<u8>>),
    Unlink(PathBuf, Vec<u8>),
}

impl Change {
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Rename(_, to, _) | Self::Unlink(to, _) => to.parent(),
        }
    }
}

static DISKS: LazyLock<Mutex<Disks>> = LazyLock::new(Mutex::default);

fn disks() -> MutexGuard<'static, Disks> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What lies under this directory is on a simulated disk; each directory in it is a node's.
pub fn begin(root: &Path) {
    disks().root = root.to_owned();
}

/// What a crash did.
#[derive(Default, Debug, Clone, Copy)]
pub struct Lost {
    /// Bytes that were written and not synced, and are gone.
    pub bytes: u64,
    /// Names that are as they were before.
    pub names: u64,
}

impl Disks {
    /// The node's disk and the path in it.
    fn of(&mut self, path: &Path) -> Option<(&mut Disk, PathBuf)> {
        if self.root.as_os_str().is_empty() {
            return None;
        }
        let inside = path.strip_prefix(&self.root).ok()?;
        let mut parts = inside.components();
        let node = self.root.join(parts.next()?);
        let disk = self.nodes.entry(node).or_default();
        Some((disk, parts.as_path().to_owned()))
    }
}

/// A file or directory is to be made durable; none if it is on no simulated disk.
pub fn synced(path: &Path) -> Option<Result<(), c_int>> {
    let mut disks = disks();
    let (disk, inside) = disks.of(path)?;
    if disk.is_over {
        return Some(disk.syncs_left.map_or(Ok(()), |_| Err(libc::EIO)));
    }
    if let Some(left) = &mut disk.syncs_left
        && !is_sleds_own(&inside)
    {
        if *left == 0 {
            if let Some((next, seed)) = disk.cut.take() {
                let node = node_of(&disks.root, path)?;
                drop(disks);
                cut_now(&node, &next, seed);
            }
            return Some(Err(libc::EIO));
        }
        *left -= 1;
    }
    if path.is_dir() {
        disk.changes
            .retain(|change| change.directory() != Some(&inside));
    } else if let Ok(bytes) = fs::read(path) {
        disk.left_unsynced.remove(&inside);
        disk.durable.insert(inside, bytes);
    }
    Some(Ok(()))
}

/// Whether a file is one of a node that runs.
pub fn is_live(path: &Path) -> bool {
    disks().of(path).is_some_and(|(disk, _)| !disk.is_over)
}

/// A file gets another name.
pub fn renamed(from: &Path, to: &Path) {
    let before = fs::read(to).ok();
    let mut disks = disks();
    let root = disks.root.clone();
    let Some((disk, new)) = disks.of(to) else {
        return;
    };
    let old = from.strip_prefix(&root).ok().map(|path| {
        let mut parts = path.components();
        parts.next();
        parts.as_path().to_owned()
    });
    let Some(old) = old.filter(|_| !disk.is_over && !is_sleds_own(&new)) else {
        return;
    };
    let moved: Vec<PathBuf> = disk
        .durable
        .keys()
        .filter(|path| path.starts_with(&old))
        .cloned()
        .collect();
    for path in moved {
        if let (Some(bytes), Ok(rest)) = (disk.durable.remove(&path), path.strip_prefix(&old)) {
            let path = match rest.as_os_str().is_empty() {
                true => new.clone(),
                false => new.join(rest),
            };
            disk.durable.insert(path, bytes);
        }
    }
    disk.changes.push(Change::Rename(old, new, before));
}

/// A file loses its name.
pub fn unlinked(path: &Path) {
    let bytes = fs::read(path).ok();
    let mut disks = disks();
    let Some((disk, inside)) = disks.of(path) else {
        return;
    };
    if let (false, false, Some(bytes)) = (disk.is_over, is_sleds_own(&inside), bytes) {
        disk.durable.remove(&inside);
        disk.left_unsynced.remove(&inside);
        disk.changes.push(Change::Unlink(inside, bytes));
    }
}

/// What sled's own threads sync and rename when they come to it: nothing else may depend on when that is.
fn is_sleds_own(path: &Path) -> bool {
    let mut parts = path.components();
    parts.any(|part| part.as_os_str() == "checkpoint")
        && path.file_name().is_some_and(|name| name != "checkpoint")
}

/// Files of a node's log that have stayed as a killed process left them: written, and not synced.
pub fn left_unsynced(node: &Path) -> Vec<PathBuf> {
    let disks = disks();
    let left = disks.nodes.get(node).map(|disk| &disk.left_unsynced);
    left.into_iter().flatten().cloned().collect()
}

/// The node's disk works again.
pub fn mend(node: &Path) {
    if let Some(disk) = disks().nodes.get_mut(node) {
        disk.syncs_left = None;
        disk.cut = None;
    }
}

fn node_of(root: &Path, path: &Path) -> Option<PathBuf> {
    let inside = path.strip_prefix(root).ok()?;
    Some(root.join(inside.components().next()?))
}

/// The power goes in the middle of something. The process runs on until the next step of the simulation; nothing that
/// it does counts, and none of its syncs succeeds, so it can acknowledge nothing more.
fn cut_now(node: &Path, next: &Path, seed: u64) {
    let lost = crash(node, next, true, seed).map_err(|error| error.to_string());
    let mut disks = disks();
    if let Some(disk) = disks.nodes.get_mut(node) {
        disk.syncs_left = Some(0);
    }
    disks.cuts.insert(node.to_owned(), lost);
}

/// The power of a node goes at the sync after so many more; what is left is in `next` then.
pub fn cut_after(node: &Path, syncs: u64, next: &Path, seed: u64) {
    let mut disks = disks();
    let disk = disks.nodes.entry(node.to_owned()).or_default();
    disk.syncs_left = Some(syncs);
    disk.cut = Some((next.to_owned(), seed));
}

/// What a power cut took that came in the middle of something, if there was one.
pub fn take_cut(node: &Path) -> Option<Result<Lost, String>> {
    disks().cuts.remove(node)
}

/// Whether there was one.
pub fn is_cut(node: &Path) -> bool {
    disks().cuts.contains_key(node)
}

/// The node's disk fails after so many more syncs.
pub fn fail_after(node: &Path, syncs: u64) {
    let mut disks = disks();
    disks.nodes.entry(node.to_owned()).or_default().syncs_left = Some(syncs);
}

/// Takes an image of a node's directory, as its next process finds it, and ends what the old one does to it.
///
/// `power` says that the power goes: what was not synced is at the mercy of `seed`.
pub fn crash(node: &Path, next: &Path, power: bool, seed: u64) -> std::io::Result<Lost> {
    let over = Disk {
        is_over: true,
        ..Disk::default()
    };
    let disk = disks().nodes.insert(node.to_owned(), over);
    let mut disk = disk.unwrap_or_default();
    copy(node, next)?;
    let mut lost = Lost::default();
    disk.left_unsynced = match power {
        true => BTreeSet::new(),
        false => unsynced_log(&disk, next)?,
    };
    if power {
        let mut chance = StdRng::seed_from_u64(seed);
        lost.names = undo_names(&mut disk, next, &mut chance)?;
        let mut files = Vec::new();
        list(next, next, &mut files)?;
        files.sort();
        for file in files {
            let mut hasher = DefaultHasher::new();
            (seed, &file).hash(&mut hasher);
            let mut chance = StdRng::seed_from_u64(hasher.finish());
            let cut = cut(&disk, next, &file, &mut chance)?;
            lost.bytes += if is_sleds_own(&file) { 0 } else { cut };
        }
        // What is left is on the disk.
        disk.durable.clear();
        disk.changes.clear();
        let mut files = Vec::new();
        list(next, next, &mut files)?;
        for file in files {
            let bytes = fs::read(next.join(&file))?;
            disk.durable.insert(file, bytes);
        }
    }
    disk.syncs_left = None;
    disk.cut = None;
    disks().nodes.insert(next.to_owned(), disk);
    Ok(lost)
}

/// The log's files that hold something else than they did at their last sync.
fn unsynced_log(disk: &Disk, next: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    let mut files = Vec::new();
    list(next, next, &mut files)?;
    let mut unsynced = BTreeSet::new();
    for file in files {
        let is_of_the_log = file.extension().is_some_and(|extension| extension == "wal");
        if is_of_the_log && disk.durable.get(&file) != Some(&fs::read(next.join(&file))?) {
            unsynced.insert(file);
        }
    }
    Ok(unsynced)
}

fn undo_names(disk: &mut Disk, next: &Path, chance: &mut StdRng) -> std::io::Result<u64> {
    let kept = chance.random_range(0..=disk.changes.len());
    let mut undone = 0;
    for change in disk.changes.drain(kept..).rev() {
        undone += 1;
        match change {
            Change::Rename(from, to, before) => {
                // Renamed again, or removed, since: then that was undone before.
                let _ = fs::rename(next.join(&to), next.join(&from));
                if let Some(bytes) = disk.durable.remove(&to) {
                    disk.durable.insert(from, bytes);
                }
                if let Some(before) = before {
                    fs::write(next.join(&to), &before)?;
                    disk.durable.insert(to, before);
                }
            }
            Change::Unlink(path, bytes) => {
                fs::write(next.join(&path), &bytes)?;
                disk.durable.insert(path, bytes);
            }
        }
    }
    Ok(undone)
}

/// Takes from a file what the power cut takes; how many bytes differ afterwards.
fn cut(disk: &Disk, next: &Path, file: &Path, chance: &mut StdRng) -> std::io::Result<u64> {
    let path = next.join(file);
    let now = fs::read(&path)?;
    let empty = Vec::new();
    let durable = disk.durable.get(file).unwrap_or(&empty);
    if *durable == now {
        return Ok(0);
    }
    let is_appended = now.starts_with(durable);
    let left = if is_appended {
        let length = chance.random_range(durable.len()..=now.len());
        now[..length].to_vec()
    } else {
        mixed(durable, &now, chance)
    };
    let lost = now.len().saturating_sub(left.len()) as u64;
    fs::write(&path, left)?;
    Ok(lost)
}

/// Each block as it was or as it is; the last one torn.
fn mixed(durable: &[u8], now: &[u8], chance: &mut StdRng) -> Vec<u8> {
    let length = durable.len().max(now.len());
    let mut left = Vec::with_capacity(length);
    for at in (0..length).step_by(BLOCK_BYTES) {
        let side = if chance.random_bool(0.5) {
            durable
        } else {
            now
        };
        let end = (at + BLOCK_BYTES).min(side.len());
        left.resize(at.min(length), 0);
        left.extend_from_slice(side.get(at..end).unwrap_or_default());
    }
    left
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            // sled's threads may remove one meanwhile.
            false => drop(fs::copy(entry.path(), target)),
        }
    }
    Ok(())
}

fn list(root: &Path, dir: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else if let Ok(inside) = path.strip_prefix(root) {
            files.push(inside.to_owned());
        }
    }
    Ok(())
}

/// Nothing is on a simulated disk any more.
pub fn end() {
    let mut disks = disks();
    for disk in disks.nodes.values_mut() {
        disk.is_over = true;
    }
}
