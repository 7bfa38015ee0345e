//! The keyspaces of the checkpoint: what a row looks like as bytes, one file each.
//!
//! Keys are big-endian, so that the order of the bytes is the order of the keys.
//! Values are bincode behind a version byte ([`codec`]); the indexes stand in chunks ([`chunk`]).

use super::view::Result;

mod answers;
mod buckets;
pub mod chunk;
pub mod codec;
mod counts;
mod deadlines;
mod delayed;
mod documents;
mod header;
mod history;
pub mod ready;
mod tasks;
mod unique;

pub use answers::{Answers, Expiries};
pub use buckets::{Buckets, join_uuids, split_uuids};
pub use counts::LineCounts;
pub use documents::DocumentRows;
pub use header::{Head, StoredHeader};
pub use tasks::{Archive, Live};
pub use unique::Unique;

/// One tree of the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tree {
    /// Live tasks by uuid.
    Live,
    /// Uuids of claimable tasks by queue, state and place, in chunks.
    Ready,
    /// Uuids of live tasks by deadline, in chunks.
    Deadlines,
    /// Archived tasks by uuid.
    Archive,
    /// Buckets of the archive by log index.
    Buckets,
    /// Numbers of live tasks by queue and state.
    Counts,
    /// The header.
    Header,
    /// Uuids of tasks that are not claimable yet by the time when they are, in chunks.
    Delayed,
    /// Uuids of live tasks by queue and unique key.
    Unique,
    /// Remembered answers by request key.
    Answers,
    /// Footprints of remembered answers by time of forgetting and request key.
    Expiries,
    /// Documents by kind and name.
    Documents,
}

impl Tree {
    /// All trees, by their number.
    pub const ALL: [Tree; 12] = [
        Tree::Live,
        Tree::Ready,
        Tree::Deadlines,
        Tree::Archive,
        Tree::Buckets,
        Tree::Counts,
        Tree::Header,
        Tree::Delayed,
        Tree::Unique,
        Tree::Answers,
        Tree::Expiries,
        Tree::Documents,
    ];

    /// The name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Tree::Live => "live",
            Tree::Ready => "ready",
            Tree::Deadlines => "deadlines",
            Tree::Archive => "archive",
            Tree::Buckets => "buckets",
            Tree::Counts => "counts",
            Tree::Header => "header",
            Tree::Delayed => "delayed",
            Tree::Unique => "unique",
            Tree::Answers => "answers",
            Tree::Expiries => "expiries",
            Tree::Documents => "documents",
        }
    }

    /// The number in a redo file.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether its rows are chunks, so that a reader of several wants them all of one moment.
    pub fn is_packed(self) -> bool {
        matches!(self, Tree::Ready | Tree::Deadlines | Tree::Delayed)
    }

    /// The tree of a number.
    pub fn from_number(number: u8) -> Option<Tree> {
        Tree::ALL.get(usize::from(number)).copied()
    }
}

/// How the rows of one tree are written.
pub trait Keyspace {
    /// What rows are found by.
    type Key;
    /// What is found.
    type Value;
    /// Where.
    const TREE: Tree;

    /// A key as bytes.
    fn key(key: &Self::Key) -> Vec<u8>;

    /// A key from bytes.
    ///
    /// # Errors
    /// If they are none.
    fn parse_key(bytes: &[u8]) -> Result<Self::Key>;

    /// A value as bytes.
    ///
    /// # Errors
    /// If it can't be encoded.
    fn value(value: &Self::Value) -> Result<Vec<u8>>;

    /// A value from bytes.
    ///
    /// # Errors
    /// If they are none.
    fn parse_value(bytes: &[u8]) -> Result<Self::Value>;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod testing {
    use std::fmt::Debug;

    use super::Keyspace;
    use super::chunk::IndexKey;

    /// A key comes back from its bytes, and bytes are ordered as keys are.
    pub fn check_index_keys<K: IndexKey + Debug>(keys: &[K]) {
        let bytes = |key: &K| {
            let mut bytes = Vec::new();
            key.write(&mut bytes);
            bytes
        };
        for a in keys {
            assert_eq!(bytes(a).len(), K::WIDTH);
            assert_eq!(&K::parse(&bytes(a)).unwrap(), a);
            for b in keys {
                assert_eq!(a.cmp(b), bytes(a).cmp(&bytes(b)), "{a:?} {b:?}");
            }
        }
    }

    /// A key comes back from its bytes, and bytes are ordered as keys are.
    pub fn check_keys<S: Keyspace<Key: Ord + Debug + Clone>>(keys: &[S::Key]) {
        for a in keys {
            assert_eq!(&S::parse_key(&S::key(a)).unwrap(), a);
            for b in keys {
                assert_eq!(a.cmp(b), S::key(a).cmp(&S::key(b)), "{a:?} {b:?}");
            }
        }
    }

    /// A value comes back from its bytes, and a cut or longer one is refused.
    pub fn check_value<S: Keyspace<Value: PartialEq + Debug>>(value: &S::Value) {
        let bytes = S::value(value).unwrap();
        assert_eq!(&S::parse_value(&bytes).unwrap(), value);
        for cut in 0..bytes.len() {
            assert!(S::parse_value(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(S::parse_value(&longer).is_err());
    }

    /// The bytes on disk never change within a version.
    pub fn check_golden<S: Keyspace>(value: &S::Value, golden: &str) {
        let bytes = S::value(value).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden);
    }
}
