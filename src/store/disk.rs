//! The checkpoint: sled, with its errors and panics turned into the store's errors.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::StoreError;
use super::counts::Counts;
use super::documents::{DocumentKey, Documents};
use super::figures::{FigureKey, Figures};
use super::files::{self, failed};
use super::keys::{DocumentRows, FigureRows, Head, Keyspace, LineCounts, StoredHeader, Tree};
use super::layered::{Base, Part};
use super::redo::ChangeRef;
use super::scan::Scan;
use super::steady::STEP_BYTES;
use super::view::Result;

/// sled takes several times this much; more made nothing faster at a million tasks.
const CACHE_BYTES: u64 = 24 * 1024 * 1024;
const FORMAT_KEY: &[u8] = b"format";
const FORMAT: &[u8] = b"corndogs checkpoint 2";
/// A process that was just killed, or a handle that was just dropped, may hold the lock for a moment.
const LOCK_RETRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A bound of keys as bytes.
pub type ByteBound<'a> = Bound<&'a [u8]>;
/// A row as bytes.
pub type ByteRow = (sled::IVec, sled::IVec);

/// An open checkpoint.
pub struct Disk {
    path: PathBuf,
    db: sled::Db,
    trees: Vec<sled::Tree>,
    /// Blob files that are known to be durable: sled does not sync them.
    blobs: Mutex<HashSet<std::ffi::OsString>>,
    /// The scan for a snapshot, if one is under way.
    pub(super) scan: Mutex<Option<Scan>>,
    /// Held by who reads several chunks of an index: entries move between them when one is split.
    pub(super) packed: RwLock<()>,
    /// About what sled keeps back, in bytes of keys and values.
    unflushed: AtomicUsize,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // sled would print all it holds.
        f.debug_struct("Disk")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Disk {
    /// Makes an empty checkpoint.
    pub fn create(path: &Path) -> Result<Self> {
        files::create_dir(path)?;
        let disk = Self::open_any(path)?;
        disk.sled(|| disk.tree(Tree::Header).insert(FORMAT_KEY, FORMAT))?;
        let header = Head::value(&StoredHeader::default())?;
        disk.sled(|| disk.tree(Tree::Header).insert(Head::key(&()), header))?;
        Ok(disk)
    }

    /// Opens a checkpoint that is there.
    pub fn open(path: &Path) -> Result<Self> {
        let disk = Self::open_any(path)?;
        let format = disk.sled(|| disk.tree(Tree::Header).get(FORMAT_KEY))?;
        match format {
            Some(format) if format == FORMAT => Ok(disk),
            _ => Err(StoreError::damaged(
                path.display().to_string(),
                "an unknown format",
            )),
        }
    }

    fn open_any(path: &Path) -> Result<Self> {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
        let config = config.flush_every_ms(None);
        let mut tries = 0;
        let db = loop {
            match guarded(path, || config.open()) {
                Err(error)
                    if tries < LOCK_RETRIES && error.to_string().contains("acquire lock") =>
                {
                    tries += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                opened => break opened?,
            }
        };
        let open_tree = |tree: &Tree| guarded(path, || db.open_tree(tree.name()));
        let trees = Tree::ALL.iter().map(open_tree).collect::<Result<_>>()?;
        Ok(Self {
            path: path.to_owned(),
            db,
            trees,
            blobs: Mutex::default(),
            scan: Mutex::default(),
            packed: RwLock::default(),
            unflushed: AtomicUsize::new(0),
        })
    }

    /// The header of the last finished checkpoint.
    pub fn header(&self) -> Result<StoredHeader> {
        let bytes = self.get_bytes(Tree::Header, &Head::key(&()))?;
        let missing = || StoreError::damaged(self.path.display().to_string(), "no header");
        Head::parse_value(&bytes.ok_or_else(missing)?)
    }

    /// The counts of the last finished checkpoint.
    pub fn counts(&self) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut from = Bound::Unbounded;
        loop {
            let rows = self.read::<LineCounts>(from.as_ref(), 1000)?;
            let Some((last, _)) = rows.last() else {
                return Ok(counts);
            };
            from = Bound::Excluded(last.clone());
            for ((queue, state), count) in &rows {
                counts.add_row(queue, state, *count);
            }
        }
    }

    /// The documents of the last finished checkpoint.
    pub fn documents(&self) -> Result<Documents> {
        let mut documents = BTreeMap::new();
        loop {
            let last = documents
                .last_key_value()
                .map(|(key, _): (&DocumentKey, _)| key);
            let from = last.map_or(Bound::Unbounded, Bound::Excluded);
            let rows = self.read::<DocumentRows>(from, 1000)?;
            if rows.is_empty() {
                return Ok(Documents::new(documents));
            }
            documents.extend(rows);
        }
    }

    /// The figures of the last finished checkpoint; its replicated clock stands at `clock_ns`.
    pub fn figures(&self, clock_ns: i64) -> Result<Figures> {
        let mut figures = BTreeMap::new();
        loop {
            let last = figures
                .last_key_value()
                .map(|(key, _): (&FigureKey, _)| key);
            let from = last.map_or(Bound::Unbounded, Bound::Excluded);
            let rows = self.read::<FigureRows>(from, 1000)?;
            if rows.is_empty() {
                return Ok(Figures::new(figures, clock_ns));
            }
            figures.extend(rows);
        }
    }

    /// One value.
    pub fn get<S: Keyspace>(&self, key: &S::Key) -> Result<Option<S::Value>> {
        let bytes = self.get_bytes(S::TREE, &S::key(key))?;
        let value = bytes.map(|bytes| S::parse_value(&bytes)).transpose();
        self.noting_damage(value)
    }

    /// Up to `limit` rows in key order, from a bound on.
    pub fn read<S: Keyspace>(
        &self,
        from: Bound<&S::Key>,
        limit: usize,
    ) -> Result<Vec<(S::Key, S::Value)>> {
        let from = from.map(S::key);
        let rows = self.read_bytes(
            S::TREE,
            from.as_ref().map(Vec::as_slice),
            Bound::Unbounded,
            limit,
        )?;
        let rows = rows
            .iter()
            .map(|(key, value)| Ok((S::parse_key(key)?, S::parse_value(value)?)));
        self.noting_damage(rows.collect())
    }

    /// Up to `limit` rows between two bounds.
    pub fn read_bytes(
        &self,
        tree: Tree,
        from: ByteBound<'_>,
        to: ByteBound<'_>,
        limit: usize,
    ) -> Result<Vec<ByteRow>> {
        self.sled(|| {
            self.tree(tree)
                .range::<&[u8], _>((from, to))
                .take(limit)
                .collect()
        })
    }

    /// Rows between two bounds until they are that many, or their values take that many bytes;
    /// and whether these are all.
    pub fn read_some(
        &self,
        tree: Tree,
        from: ByteBound<'_>,
        to: ByteBound<'_>,
        limit: usize,
        bytes: usize,
    ) -> Result<(Vec<ByteRow>, bool)> {
        self.sled(|| {
            let mut rows = Vec::new();
            let mut room = bytes;
            for row in self.tree(tree).range::<&[u8], _>((from, to)) {
                if rows.len() == limit || room == 0 {
                    return Ok((rows, false));
                }
                let row = row?;
                room = room.saturating_sub(row.1.len());
                rows.push(row);
            }
            Ok((rows, true))
        })
    }

    /// The last row between two bounds.
    pub fn last_bytes(
        &self,
        tree: Tree,
        from: ByteBound<'_>,
        to: ByteBound<'_>,
    ) -> Result<Option<ByteRow>> {
        self.sled(|| {
            let mut rows = self.tree(tree).range::<&[u8], _>((from, to));
            rows.next_back().transpose()
        })
    }

    /// One value as bytes.
    pub fn get_bytes(&self, tree: Tree, key: &[u8]) -> Result<Option<sled::IVec>> {
        self.sled(|| self.tree(tree).get(key))
    }

    /// The last key of a tree.
    pub fn last_key(&self, tree: Tree) -> Result<Option<sled::IVec>> {
        let last = self.sled(|| self.tree(tree).last())?;
        Ok(last.map(|(key, _)| key))
    }

    /// How many rows a tree has. Reads all of them.
    pub fn row_count(&self, tree: Tree) -> Result<u64> {
        self.sled(|| Ok(self.tree(tree).len() as u64))
    }

    /// Writes one piece of a checkpoint.
    ///
    /// Key by key: for the length of a batch sled keeps every reader out. Nothing needs a batch
    /// to be whole, since the redo file outlives a crash, and whoever reads chunks holds `packed`.
    pub fn apply(&self, tree: Tree, changes: &[ChangeRef<'_>]) -> Result<()> {
        // Held over the write, so that a scan sees a piece whole or not at all.
        let mut scan = self.scan.lock();
        if let Some(scan) = scan.as_mut() {
            let keys = changes.iter().map(|(key, _)| *key);
            scan.save(self, tree, keys)?;
        }
        let packed = tree.is_packed().then(|| self.packed.write());
        self.sled(|| {
            let tree = self.tree(tree);
            changes.iter().try_for_each(|(key, value)| {
                match value {
                    Some(value) => tree.insert(*key, *value)?,
                    None => tree.remove(*key)?,
                };
                Ok(())
            })
        })?;
        drop((packed, scan));
        let bytes = changes
            .iter()
            .map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len));
        self.keep_steady(bytes.sum())
    }

    /// Hands to the disk what was written, before it is so much that syncs of the log wait for it.
    fn keep_steady(&self, bytes: usize) -> Result<()> {
        let unflushed = self.unflushed.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if unflushed < STEP_BYTES {
            return Ok(());
        }
        self.unflushed.store(0, Ordering::Relaxed);
        self.sled(|| self.db.flush().map(drop))
    }

    /// Makes all that was written durable.
    pub fn sync(&self) -> Result<()> {
        self.sled(|| self.db.flush())?;
        // sled's own sync of its log is sync_file_range, which syncs no metadata and no disk cache.
        self.sync_blobs()?;
        files::sync_file(&self.path.join("db"))?;
        files::sync_dir(&self.path)
    }

    fn sync_blobs(&self) -> Result<()> {
        let dir = self.path.join("blobs");
        let mut known = self.blobs.lock();
        let mut there = HashSet::new();
        let mut new = false;
        for entry in fs::read_dir(&dir).map_err(failed("read", &dir))? {
            let name = entry.map_err(failed("read", &dir))?.file_name();
            if !known.contains(&name) {
                new = true;
                match files::sync_file(&dir.join(&name)) {
                    Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                        continue;
                    }
                    synced => synced?,
                }
            }
            there.insert(name);
        }
        *known = there;
        if new { files::sync_dir(&dir) } else { Ok(()) }
    }

    /// Bytes on disk.
    pub fn size(&self) -> Result<u64> {
        self.sled(|| self.db.size_on_disk())
    }

    /// Remembers for the next start that this checkpoint is not to be trusted.
    pub fn mark_damaged(&self) {
        if let Err(error) = files::mark(&damage_marker(&self.path)) {
            tracing::error!(%error, "the damage of the checkpoint can't be noted");
        }
    }

    /// Marks the checkpoint if what was read from it is damaged.
    pub fn noting_damage<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(StoreError::Damaged { .. }) = &result {
            self.mark_damaged();
        }
        result
    }

    fn sled<T>(&self, action: impl FnOnce() -> sled::Result<T>) -> Result<T> {
        self.noting_damage(guarded(&self.path, action))
    }

    fn tree(&self, tree: Tree) -> &sled::Tree {
        // As many trees are open as have numbers; the default tree stands behind, never used.
        self.trees
            .get(usize::from(tree.number()))
            .unwrap_or(&self.db)
    }
}

/// The file that says that a checkpoint is not to be trusted.
pub fn damage_marker(checkpoint: &Path) -> PathBuf {
    checkpoint.with_extension("damaged")
}

/// sled panics where others fail.
fn guarded<T>(path: &Path, action: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    let damaged = |detail: String| StoreError::damaged(path.display().to_string(), detail);
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::NotFound => {
                Err(damaged(error.to_string()))
            }
            _ => Err(StoreError::Sled {
                path: path.to_owned(),
                source: error,
            }),
        },
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(_) => Err(damaged("sled panicked".to_owned())),
    }
}

/// The rows of one tree as a base.
#[derive(Debug)]
pub struct Rows<'a, S>(&'a Disk, std::marker::PhantomData<S>);

impl<'a, S> Rows<'a, S> {
    /// The rows of one tree.
    pub fn of(disk: &'a Disk) -> Self {
        Self(disk, std::marker::PhantomData)
    }
}

impl<S: Keyspace> Base<S::Key, S::Value> for Rows<'_, S> {
    fn get(&self, key: &S::Key) -> Result<Option<S::Value>> {
        self.0.get::<S>(key)
    }

    fn read(&self, from: Bound<&S::Key>, limit: usize) -> Result<Vec<(S::Key, S::Value)>> {
        self.0.read::<S>(from, limit)
    }

    fn read_some(
        &self,
        from: Bound<&S::Key>,
        limit: usize,
        bytes: usize,
        wanted: &dyn Fn(&S::Key) -> bool,
    ) -> Result<Part<S::Key, S::Value>> {
        let from = from.map(S::key);
        let from = from.as_ref().map(Vec::as_slice);
        let (rows, done) = self
            .0
            .read_some(S::TREE, from, Bound::Unbounded, limit, bytes)?;
        let parse = || {
            let last = rows.last().filter(|_| !done);
            let resume = last.map(|(key, _)| S::parse_key(key)).transpose()?;
            let mut part = Part {
                rows: Vec::with_capacity(rows.len()),
                resume,
            };
            for (key, value) in &rows {
                let key = S::parse_key(key)?;
                if wanted(&key) {
                    part.rows.push((key, S::parse_value(value)?));
                }
            }
            Ok(part)
        };
        self.0.noting_damage(parse())
    }
}
