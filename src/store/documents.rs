//! Documents: small rows that are all in memory, as the settings of queues. What is in them is not the store's.
//!
//! Whoever writes them bounds how many there are, and how long they are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::StoreError;
use super::record::Name;
use super::view::Result;

/// Sets a document's hash apart from a task's, whatever they hold.
const HASH_TAG: &[u8] = b"document";

/// What a document is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentKey {
    /// What it is about.
    pub kind: u8,
    /// Its name among those of its kind.
    pub name: Name,
}

impl DocumentKey {
    /// This row's share of the state hash: XXH3 over all fields, the same on every machine.
    pub fn hash(&self, value: &[u8]) -> u64 {
        let mut hasher = Xxh3::new();
        hasher.update(HASH_TAG);
        hasher.update(&[self.kind]);
        hasher.update(&(self.name.len() as u32).to_le_bytes());
        hasher.update(self.name.as_bytes());
        hasher.update(value);
        hasher.digest()
    }
}

/// All documents.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    rows: BTreeMap<DocumentKey, Bytes>,
    /// Which ones changed since the last freeze.
    touched: BTreeSet<DocumentKey>,
}

impl PartialEq for Documents {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl Eq for Documents {}

/// What changed, on its way to the base.
pub type FrozenDocuments = Vec<(DocumentKey, Option<Bytes>)>;

impl Documents {
    /// Those that a checkpoint or snapshot holds.
    pub fn new(rows: BTreeMap<DocumentKey, Bytes>) -> Self {
        Self {
            rows,
            touched: BTreeSet::new(),
        }
    }

    /// One document.
    pub fn get(&self, kind: u8, name: &str) -> Option<&Bytes> {
        let name = name.into();
        self.rows.get(&DocumentKey { kind, name })
    }

    /// All documents of a kind, by name.
    pub fn of_kind(&self, kind: u8) -> impl Iterator<Item = (&Name, &Bytes)> {
        let from = DocumentKey {
            kind,
            name: Name::default(),
        };
        let rows = self.rows.range((Bound::Included(from), Bound::Unbounded));
        rows.take_while(move |(key, _)| key.kind == kind)
            .map(|(key, value)| (&key.name, value))
    }

    /// All documents.
    pub fn all(&self) -> impl Iterator<Item = (&DocumentKey, &Bytes)> {
        self.rows.iter()
    }

    /// Puts a document in, in another one's place, or takes it away.
    ///
    /// # Errors
    /// If `before` is not what is there.
    pub fn change(
        &mut self,
        key: &DocumentKey,
        before: Option<&Bytes>,
        after: Option<&Bytes>,
    ) -> Result<()> {
        let found = match after {
            Some(after) => self.rows.insert(key.clone(), after.clone()),
            None => self.rows.remove(key),
        };
        if found.as_ref() != before {
            let detail = format!("{:?} is not what was to be changed", key.name);
            return Err(StoreError::damaged("documents", detail));
        }
        self.touched.insert(key.clone());
        Ok(())
    }

    /// What changed since the last freeze.
    pub fn freeze(&mut self) -> FrozenDocuments {
        let touched = std::mem::take(&mut self.touched);
        let rows = touched.into_iter().map(|key| {
            let value = self.rows.get(&key).cloned();
            (key, value)
        });
        rows.collect()
    }
}
