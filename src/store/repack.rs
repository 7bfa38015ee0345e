//! Which chunks of an index change when entries come and go.
//!
//! Changes come in key order and each chunk that they touch is written once. Behind the
//! last chunk entries are filled up to full chunks, as time-ordered keys come; elsewhere a
//! chunk that grew too large is cut evenly. A small rest takes in its successor.
//!
//! Entries that don't change must be seen at any moment, and what was half written may be
//! computed again. So all chunks with such entries, and those that lose them, are one group.

use std::iter::Peekable;

use uuid::Uuid;

use super::keys::chunk::Chunk;
use super::view::Result;

/// How many entries a chunk holds at most.
pub const CHUNK_ENTRIES: usize = 64;
/// A chunk that shrinks below this takes in its successor.
const SMALL: usize = CHUNK_ENTRIES / 4;
/// No more chunks than this become one, so that a group stays small.
const MERGED: usize = 16;

/// Chunks as they will be, none if they go. They are written at once.
pub type Group<K> = Vec<(K, Option<Vec<(K, Uuid)>>)>;

/// The chunks as they are.
pub trait Chunks<K> {
    /// The last chunk whose key is not behind the given one, otherwise the first chunk.
    fn around(&self, key: &K) -> Result<Option<Chunk<K>>>;

    /// The chunk after the one of that key.
    fn after(&self, key: &K) -> Result<Option<Chunk<K>>>;
}

/// Hands out what becomes of the chunks when changes are made that are in key order.
pub fn repack<K: Copy + Ord>(
    chunks: &impl Chunks<K>,
    changes: impl Iterator<Item = (K, Option<Uuid>)>,
    mut write: impl FnMut(Group<K>) -> Result<()>,
) -> Result<()> {
    let mut changes = changes.peekable();
    while let Some((first, _)) = changes.peek() {
        let mut chunk = chunks.around(first)?;
        let mut rewrite = Rewrite::default();
        loop {
            let next = match &chunk {
                Some(chunk) => chunks.after(&chunk.key)?,
                None => None,
            };
            rewrite.take(chunk, next.as_ref().map(|next| next.key), &mut changes);
            if next.is_none() || !rewrite.wants_more() {
                rewrite.write(next.is_none(), &mut write)?;
                break;
            }
            chunk = next;
        }
    }
    Ok(())
}

/// Neighbouring chunks that are written anew.
#[derive(Debug)]
struct Rewrite<K> {
    /// The chunks there are.
    old: Vec<K>,
    entries: Vec<Entry<K>>,
}

#[derive(Debug)]
struct Entry<K> {
    row: (K, Uuid),
    /// Whether it was there and stays: nothing but its chunk says so.
    stays: bool,
}

impl<K> Default for Rewrite<K> {
    fn default() -> Self {
        Self {
            old: Vec::new(),
            entries: Vec::new(),
        }
    }
}

impl<K: Copy + Ord> Rewrite<K> {
    /// Takes in a chunk, with all changes before `end`.
    fn take(
        &mut self,
        chunk: Option<Chunk<K>>,
        end: Option<K>,
        changes: &mut Peekable<impl Iterator<Item = (K, Option<Uuid>)>>,
    ) {
        let mut before = Vec::new();
        if let Some(chunk) = chunk {
            self.old.push(chunk.key);
            before = chunk.entries;
        }
        let mut before = before.into_iter().peekable();
        while let Some((key, value)) = changes.next_if(|(key, _)| end.is_none_or(|end| *key < end))
        {
            while let Some(row) = before.next_if(|(old, _)| *old < key) {
                self.entries.push(Entry { row, stays: true });
            }
            _ = before.next_if(|(old, _)| *old == key);
            if let Some(uuid) = value {
                let row = (key, uuid);
                self.entries.push(Entry { row, stays: false });
            }
        }
        let rest = before.map(|row| Entry { row, stays: true });
        self.entries.extend(rest);
    }

    fn wants_more(&self) -> bool {
        let small = !self.entries.is_empty() && self.entries.len() < SMALL;
        small && self.old.len() < MERGED
    }

    fn write(self, is_last: bool, write: &mut impl FnMut(Group<K>) -> Result<()>) -> Result<()> {
        let size = match is_last {
            true => CHUNK_ENTRIES,
            false => {
                let chunks = self.entries.len().div_ceil(CHUNK_ENTRIES).max(1);
                self.entries.len().div_ceil(chunks).max(1)
            }
        };
        let mut together = Vec::new();
        let mut new = Vec::new();
        // The first chunk keeps its key where it can: a new one would cost a removal.
        let mut kept = self.old.first().copied();
        for entries in self.entries.chunks(size) {
            let Some(first) = entries.first().map(|entry| entry.row.0) else {
                continue;
            };
            let key = kept.take().map_or(first, |kept| kept.min(first));
            let stays = entries.iter().any(|entry| entry.stays);
            let rows = entries.iter().map(|entry| entry.row).collect();
            if stays || self.old.contains(&key) {
                together.push((key, Some(rows)));
            } else {
                new.push((key, Some(rows)));
            }
        }
        for old in self.old {
            if together.iter().all(|(key, _)| *key != old) {
                together.push((old, None));
            }
        }
        if !together.is_empty() {
            write(together)?;
        }
        // These hold nothing that was there, so they may come later, each in its own time.
        for chunk in new {
            write(vec![chunk])?;
        }
        Ok(())
    }
}
