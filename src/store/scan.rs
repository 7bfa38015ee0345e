//! A scan of the checkpoint that sees it as it was when the scan began, while new checkpoints go on.
//!
//! A checkpoint that is about to change a key ahead of the scan first saves the old
//! value. Keys after the last one of the beginning are new and need no saving:
//! with time-ordered uuids those are nearly all.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::disk::{ByteBound, Disk};
use super::keys::Tree;
use super::view::Result;

/// What a snapshot holds; the rest follows from it.
const TREES: [Tree; 6] = [
    Tree::Live,
    Tree::Archive,
    Tree::Buckets,
    Tree::Answers,
    Tree::Documents,
    Tree::Figures,
];

const CHUNK_ROWS: usize = 256;
/// Payloads and answers can be large: a chunk is no larger than this and one more row.
pub(super) const CHUNK_BYTES: usize = 1024 * 1024;

/// Rows of one tree, in key order.
pub type Chunk = (Tree, Vec<(sled::IVec, sled::IVec)>);

/// How far a scan has come.
#[derive(Debug)]
pub struct Scan {
    /// What is still to be read; the first one is under way.
    todo: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    tree: Tree,
    /// The last key that was read.
    after: Option<sled::IVec>,
    /// The last key there was when the scan began.
    last: sled::IVec,
    /// What keys ahead had when the scan began; none if they weren't there.
    saved: BTreeMap<Vec<u8>, Option<sled::IVec>>,
    saved_bytes: usize,
}

impl Scan {
    fn new(disk: &Disk) -> Result<Self> {
        let mut todo = Vec::new();
        for tree in TREES {
            if let Some(last) = disk.last_key(tree)? {
                todo.push(Part {
                    tree,
                    after: None,
                    last,
                    saved: BTreeMap::new(),
                    saved_bytes: 0,
                });
            }
        }
        Ok(Self { todo })
    }

    /// Saves what keys have that are about to change.
    pub(super) fn save<'a>(
        &mut self,
        disk: &Disk,
        tree: Tree,
        keys: impl Iterator<Item = &'a [u8]>,
    ) -> Result<()> {
        let Some(part) = self.todo.iter_mut().find(|part| part.tree == tree) else {
            return Ok(());
        };
        for key in keys {
            let behind = part.after.as_ref().is_some_and(|after| key <= &after[..]);
            if behind || key > &part.last[..] || part.saved.contains_key(key) {
                continue;
            }
            let old = disk.get_bytes(tree, key)?;
            part.saved_bytes += row_bytes(key, old.as_ref());
            part.saved.insert(key.to_vec(), old);
        }
        Ok(())
    }
}

impl Part {
    /// The next rows, and whether they are the last ones.
    fn read(&mut self, disk: &Disk) -> Result<(Vec<(sled::IVec, sled::IVec)>, bool)> {
        let from: ByteBound<'_> = match &self.after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Unbounded,
        };
        let to: ByteBound<'_> = Bound::Included(&self.last);
        let (rows, done) = disk.read_some(self.tree, from, to, CHUNK_ROWS, CHUNK_BYTES)?;
        let upto = match rows.last() {
            Some((key, _)) if !done => key.clone(),
            _ => self.last.clone(),
        };
        let mut merged: BTreeMap<_, _> = rows.into_iter().collect();
        while let Some(saved) = self.saved.first_entry() {
            if saved.key()[..] > upto[..] {
                break;
            }
            let (key, old) = saved.remove_entry();
            self.saved_bytes -= row_bytes(&key, old.as_ref());
            match old {
                Some(old) => drop(merged.insert(key.into(), old)),
                None => drop(merged.remove(&key[..])),
            }
        }
        self.after = Some(upto);
        Ok((merged.into_iter().collect(), done))
    }
}

fn row_bytes(key: &[u8], old: Option<&sled::IVec>) -> usize {
    key.len() + old.map_or(0, |old| old.len())
}

impl Disk {
    /// Begins a scan of what is there now. No checkpoint may be half written.
    pub fn begin_scan(&self) -> Result<()> {
        let scan = Scan::new(self)?;
        *self.scan.lock() = Some(scan);
        Ok(())
    }

    /// The next rows of the scan; none when all were read.
    pub fn next_chunk(&self) -> Result<Option<Chunk>> {
        let mut scan = self.scan.lock();
        let Some(scan) = scan.as_mut() else {
            return Ok(None);
        };
        let Some(part) = scan.todo.first_mut() else {
            return Ok(None);
        };
        let tree = part.tree;
        let (rows, done) = part.read(self)?;
        if done {
            scan.todo.remove(0);
        }
        Ok(Some((tree, rows)))
    }

    /// What the scan has to keep in memory now.
    pub fn scan_saved_bytes(&self) -> usize {
        let scan = self.scan.lock();
        let parts = scan.iter().flat_map(|scan| &scan.todo);
        parts.map(|part| part.saved_bytes).sum()
    }

    /// Ends the scan.
    pub fn end_scan(&self) {
        *self.scan.lock() = None;
    }
}
