//! Chunks of an index: many entries in one row, since a row costs sled the same whatever it holds.
//!
//! ```text
//! value = version (u8), entry…
//! entry = key (fixed width), uuid (16 bytes)
//! ```
//!
//! Entries are in key order, and none stands before the key of its chunk.

use uuid::Uuid;

use super::Tree;
use crate::store::StoreError;
use crate::store::view::Result;

const VERSION: u8 = 1;
const UUID_BYTES: usize = 16;

/// A key of an index: its bytes have a fixed width and its order.
pub trait IndexKey: Copy + Ord {
    /// The tree of the index.
    const TREE: Tree;
    /// What errors call the index.
    const WHAT: &'static str;
    /// How many bytes a key has.
    const WIDTH: usize;

    /// Appends the key's bytes.
    fn write(&self, bytes: &mut Vec<u8>);

    /// A key from its bytes.
    ///
    /// # Errors
    /// If they are none.
    fn parse(bytes: &[u8]) -> Result<Self>;
}

/// Entries that are stored as one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk<K> {
    /// What the chunk is found by: its first entry's key when it was made.
    pub key: K,
    /// What it holds, in key order.
    pub entries: Vec<(K, Uuid)>,
}

/// Entries as the value of a row.
pub fn encode<K: IndexKey>(entries: &[(K, Uuid)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + entries.len() * (K::WIDTH + UUID_BYTES));
    bytes.push(VERSION);
    for (key, uuid) in entries {
        key.write(&mut bytes);
        bytes.extend_from_slice(uuid.as_bytes());
    }
    bytes
}

/// A chunk from its row.
///
/// # Errors
/// If the row is none, or not in order.
pub fn decode<K: IndexKey>(key: &[u8], value: &[u8]) -> Result<Chunk<K>> {
    let damaged = |detail: &str| StoreError::damaged(K::WHAT, detail);
    let key = K::parse(key)?;
    let rows = match value.split_first() {
        Some((&VERSION, rows)) => rows,
        Some(_) => return Err(damaged("a chunk of an unknown version")),
        None => return Err(damaged("an empty value")),
    };
    let rows = rows.chunks_exact(K::WIDTH + UUID_BYTES);
    if !rows.remainder().is_empty() || rows.len() == 0 {
        return Err(damaged("a chunk that is cut"));
    }
    let mut entries: Vec<(K, Uuid)> = Vec::with_capacity(rows.len());
    for row in rows {
        let (entry, uuid) = row.split_at(K::WIDTH);
        let entry = K::parse(entry)?;
        let ordered = match entries.last() {
            Some((last, _)) => *last < entry,
            None => key <= entry,
        };
        if !ordered {
            return Err(damaged("a chunk that is not in order"));
        }
        let uuid = Uuid::from_slice(uuid).map_err(|_| damaged("a uuid that is cut"))?;
        entries.push((entry, uuid));
    }
    Ok(Chunk { key, entries })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::{Deadline, Place};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn deadlines() -> Vec<(Deadline, Uuid)> {
        let at = |at_ns, seq| Deadline { at_ns, seq };
        vec![
            (at(-1, 7), Uuid::from_u128(1)),
            (at(0, 6), Uuid::from_u128(u128::MAX)),
        ]
    }

    #[test]
    fn round_trip() {
        let (mut key, entries) = (Vec::new(), deadlines());
        Deadline { at_ns: -5, seq: 0 }.write(&mut key);
        let value = encode(&entries);
        let chunk = decode::<Deadline>(&key, &value).unwrap();
        assert_eq!(chunk.entries, entries);
        assert_eq!(chunk.key.at_ns, -5);
        for cut in (0..value.len()).filter(|cut| *cut != 33) {
            assert!(
                decode::<Deadline>(&key, &value[..cut]).is_err(),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn order_is_checked() {
        let (mut key, mut entries) = (Vec::new(), deadlines());
        Deadline { at_ns: -1, seq: 8 }.write(&mut key);
        assert!(decode::<Deadline>(&key, &encode(&entries)).is_err());
        entries.reverse();
        Deadline { at_ns: -9, seq: 8 }.write(&mut key);
        assert!(decode::<Deadline>(&key, &encode(&entries)).is_err());
    }

    #[test]
    fn golden() {
        assert_eq!(
            hex(&encode(&deadlines())),
            concat!(
                "017fffffffffffffff0000000000000007000000000000000000000000000000",
                "0180000000000000000000000000000006ffffffffffffffffffffffffffffff",
                "ff",
            )
        );
        let place = Place {
            inverted_priority: -1,
            submit_time_ns: 2,
            seq: 3,
        };
        assert_eq!(
            hex(&encode(&[(place, Uuid::from_u128(5))])),
            concat!(
                "017fffffffffffffff8000000000000002000000000000000300000000000000",
                "000000000000000005",
            )
        );
    }
}
