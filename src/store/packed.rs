//! An index that stands in chunks, like the leaves of a B-tree whose inner nodes are sled's.
//!
//! An entry stands in the last chunk whose key is not behind it.

use std::marker::PhantomData;
use std::ops::Bound;

use uuid::Uuid;

use super::disk::{ByteBound, ByteRow, Disk};
use super::keys::chunk::{self, Chunk, IndexKey};
use super::keys::ready;
use super::layered::{Base, Part};
use super::repack::{Chunks, Group, repack};
use super::view::Result;

/// How many chunks are read at once when one was not enough.
const CHUNKS: usize = 4;

/// A key as bytes and its new value, none if it goes.
pub type Row = (Vec<u8>, Option<Vec<u8>>);

/// One index in the checkpoint, or one line of it.
#[derive(Debug)]
pub struct Packed<'a, K> {
    disk: &'a Disk,
    prefix: Vec<u8>,
    key: PhantomData<K>,
}

impl<'a, K: IndexKey> Packed<'a, K> {
    /// All of an index.
    pub fn all(disk: &'a Disk) -> Self {
        Self::line(disk, Vec::new())
    }

    /// The part of an index whose keys begin with a prefix of names.
    pub fn line(disk: &'a Disk, prefix: Vec<u8>) -> Self {
        Self {
            disk,
            prefix,
            key: PhantomData,
        }
    }

    /// Works out which chunks change, and hands them out in groups that must be written at once each.
    ///
    /// Groups may be written while others read, and in between all entries are seen that don't change.
    pub fn repack(
        &self,
        changes: impl Iterator<Item = (K, Option<Uuid>)>,
        mut write: impl FnMut(&[Row]) -> Result<()>,
    ) -> Result<()> {
        repack(self, changes, |group: Group<K>| {
            let rows = group.iter().map(|(key, entries)| {
                let entries = entries.as_deref().map(chunk::encode);
                (self.bytes(key), entries)
            });
            write(&rows.collect::<Vec<_>>())
        })
    }

    /// Makes changes in the checkpoint at once.
    pub fn apply(&self, changes: impl Iterator<Item = (K, Option<Uuid>)>) -> Result<()> {
        self.repack(changes, |rows| {
            let rows = rows.iter().map(|(key, value)| (&key[..], value.as_deref()));
            self.disk.apply(K::TREE, &rows.collect::<Vec<_>>())
        })
    }

    fn bytes(&self, key: &K) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.prefix.len() + K::WIDTH);
        bytes.extend_from_slice(&self.prefix);
        key.write(&mut bytes);
        bytes
    }

    fn chunk(&self, (key, value): &ByteRow) -> Result<Chunk<K>> {
        let key = key.get(self.prefix.len()..).unwrap_or_default();
        self.disk.noting_damage(chunk::decode(key, value))
    }

    /// The chunk that holds the key, if any does.
    fn holding(&self, key: &K) -> Result<Option<ByteRow>> {
        let to = self.bytes(key);
        self.disk
            .last_bytes(K::TREE, Bound::Included(&self.prefix), Bound::Included(&to))
    }

    fn rows(&self, from: ByteBound<'_>, limit: usize) -> Result<Vec<ByteRow>> {
        let end = ready::prefix_end(&self.prefix);
        let to = match &end[..] {
            [] => Bound::Unbounded,
            end => Bound::Excluded(end),
        };
        self.disk.read_bytes(K::TREE, from, to, limit)
    }

    fn next(&self, from: ByteBound<'_>) -> Result<Option<Chunk<K>>> {
        let rows = self.rows(from, 1)?;
        rows.first().map(|row| self.chunk(row)).transpose()
    }
}

impl<K: IndexKey> Base<K, Uuid> for Packed<'_, K> {
    fn get(&self, key: &K) -> Result<Option<Uuid>> {
        let _packed = self.disk.packed.read();
        let Some(row) = self.holding(key)? else {
            return Ok(None);
        };
        let entries = self.chunk(&row)?.entries;
        let found = entries.binary_search_by_key(key, |(key, _)| *key).ok();
        Ok(found.and_then(|at| entries.get(at)).map(|(_, uuid)| *uuid))
    }

    fn read_some(
        &self,
        from: Bound<&K>,
        limit: usize,
        _bytes: usize,
        wanted: &dyn Fn(&K) -> bool,
    ) -> Result<Part<K, Uuid>> {
        Ok(Part::of(self.read(from, limit)?, limit, wanted))
    }

    fn read(&self, from: Bound<&K>, limit: usize) -> Result<Vec<(K, Uuid)>> {
        // A chunk that is split or merged between two reads here would hide entries, or show them twice.
        let _packed = self.disk.packed.read();
        let mut found = Vec::new();
        let begins = |key: &K| match from {
            Bound::Included(from) => key >= from,
            Bound::Excluded(from) => key > from,
            Bound::Unbounded => true,
        };
        let mut after = None;
        if let Bound::Included(key) | Bound::Excluded(key) = from
            && let Some(row) = self.holding(key)?
        {
            let entries = self.chunk(&row)?.entries.into_iter();
            found.extend(entries.filter(|(key, _)| begins(key)).take(limit));
            after = Some(row.0);
        }
        let mut chunks = 1;
        while found.len() < limit {
            let from = match &after {
                Some(after) => Bound::Excluded(&after[..]),
                None => Bound::Included(&self.prefix[..]),
            };
            let rows = self.rows(from, chunks)?;
            for row in &rows {
                let left = limit - found.len();
                found.extend(self.chunk(row)?.entries.into_iter().take(left));
            }
            match rows.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => break,
            }
            chunks = CHUNKS;
        }
        Ok(found)
    }
}

impl<K: IndexKey> Chunks<K> for Packed<'_, K> {
    fn around(&self, key: &K) -> Result<Option<Chunk<K>>> {
        match self.holding(key)? {
            Some(row) => self.chunk(&row).map(Some),
            None => self.next(Bound::Included(&self.prefix)),
        }
    }

    fn after(&self, key: &K) -> Result<Option<Chunk<K>>> {
        self.next(Bound::Excluded(&self.bytes(key)))
    }
}
