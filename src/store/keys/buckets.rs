//! Buckets of the archive: log index → who was archived. Of a queue with a retention of its own: queue, log index.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::codec::{Raw, decode, encode, fixed};
use super::{Keyspace, Tree};
use crate::store::StoreError;
use crate::store::record::{Bucket, BucketKey, Name};
use crate::store::view::Result;

const WHAT: &str = "checkpoint, buckets";
/// Sets those of queues behind all others: no log has so many entries.
const OF_QUEUE: [u8; 8] = [0xff; 8];

/// Buckets of the archive: log index → who was archived.
#[derive(Debug)]
pub struct Buckets;

/// A bucket on disk. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
struct BucketRow<'a> {
    archived_ns: i64,
    hash_sum: u64,
    #[serde(borrow)]
    uuids: Raw<'a>,
}

impl Keyspace for Buckets {
    type Key = BucketKey;
    type Value = Bucket;
    const TREE: Tree = Tree::Buckets;

    fn key(key: &BucketKey) -> Vec<u8> {
        let index = key.index.to_be_bytes();
        match key.queue.is_empty() {
            true => index.to_vec(),
            // Names have no control characters, so a 0 ends them.
            false => [&OF_QUEUE, key.queue.as_bytes(), &[0], &index].concat(),
        }
    }

    fn parse_key(bytes: &[u8]) -> Result<BucketKey> {
        let of_queue = bytes
            .strip_prefix(&OF_QUEUE)
            .filter(|rest| !rest.is_empty());
        let Some(rest) = of_queue else {
            return Ok(BucketKey {
                queue: Name::default(),
                index: u64::from_be_bytes(fixed(WHAT, bytes)?),
            });
        };
        let damaged = || StoreError::damaged(WHAT, "a key without queue and index");
        let (queue, index) = rest.split_last_chunk::<8>().ok_or_else(damaged)?;
        let queue = queue.strip_suffix(&[0]).ok_or_else(damaged)?;
        Ok(BucketKey {
            queue: str::from_utf8(queue).map_err(|_| damaged())?.into(),
            index: u64::from_be_bytes(*index),
        })
    }

    fn value(value: &Bucket) -> Result<Vec<u8>> {
        encode(&BucketRow {
            archived_ns: value.archived_ns,
            hash_sum: value.hash_sum,
            uuids: Raw(&join_uuids(&value.uuids)),
        })
    }

    fn parse_value(bytes: &[u8]) -> Result<Bucket> {
        let row: BucketRow<'_> = decode(WHAT, bytes)?;
        Ok(Bucket {
            archived_ns: row.archived_ns,
            hash_sum: row.hash_sum,
            uuids: split_uuids(WHAT, row.uuids.0)?,
        })
    }
}

/// Many uuids as bytes, 16 each.
pub fn join_uuids(uuids: &[Uuid]) -> Vec<u8> {
    let bytes = uuids.iter().flat_map(|uuid| uuid.as_bytes());
    bytes.copied().collect()
}

/// The uuids behind [`join_uuids`] bytes.
pub fn split_uuids(what: &str, bytes: &[u8]) -> Result<Vec<Uuid>> {
    let (uuids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(StoreError::damaged(what, "a uuid that is cut"));
    }
    Ok(uuids.iter().map(|uuid| Uuid::from_bytes(*uuid)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::testing::{check_golden, check_keys, check_value};

    fn bucket() -> Bucket {
        Bucket {
            archived_ns: 1_700_000_000_000_000_000,
            hash_sum: u64::MAX - 1,
            uuids: vec![Uuid::from_u128(1), Uuid::from_u128(u128::MAX)],
        }
    }

    #[test]
    fn round_trip() {
        let keys = [
            ("", 0),
            ("", 1),
            ("", 255),
            ("", 256),
            ("", u64::MAX),
            ("a", 0),
            ("a", 256),
            ("a", u64::MAX),
            ("a b", 1),
            ("aa", 0),
        ];
        check_keys::<Buckets>(&keys.map(|(queue, index)| key(queue, index)));
        for wrong in [&b""[..], &[0; 7], &[0xff; 9], &[0xff; 16]] {
            assert!(Buckets::parse_key(wrong).is_err(), "{wrong:?}");
        }
        check_value::<Buckets>(&bucket());
        check_value::<Buckets>(&Bucket::default());
    }

    fn key(queue: &str, index: u64) -> BucketKey {
        let queue = queue.into();
        BucketKey { queue, index }
    }

    #[test]
    fn golden() {
        assert_eq!(Buckets::key(&key("", 258)), [0, 0, 0, 0, 0, 0, 1, 2]);
        let of_queue = b"\xff\xff\xff\xff\xff\xff\xff\xffq\0\0\0\0\0\0\0\x01\x02";
        assert_eq!(Buckets::key(&key("q", 258)), of_queue);
        let golden = concat!(
            "01fd0000546cfc392f2ffdfeffffffffffffff20000000000000000000000000",
            "00000001ffffffffffffffffffffffffffffffff",
        );
        check_golden::<Buckets>(&bucket(), golden);
    }
}
