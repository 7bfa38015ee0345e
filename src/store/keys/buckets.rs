//! Buckets of the archive: log index → who was archived.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::codec::{Raw, decode, encode, fixed};
use super::{Keyspace, Tree};
use crate::store::StoreError;
use crate::store::record::Bucket;
use crate::store::view::Result;

const WHAT: &str = "checkpoint, buckets";

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
    type Key = u64;
    type Value = Bucket;
    const TREE: Tree = Tree::Buckets;

    fn key(key: &u64) -> Vec<u8> {
        key.to_be_bytes().to_vec()
    }

    fn parse_key(bytes: &[u8]) -> Result<u64> {
        Ok(u64::from_be_bytes(fixed(WHAT, bytes)?))
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
        check_keys::<Buckets>(&[0, 1, 255, 256, u64::MAX]);
        check_value::<Buckets>(&bucket());
        check_value::<Buckets>(&Bucket::default());
    }

    #[test]
    fn golden() {
        let golden = concat!(
            "01fd0000546cfc392f2ffdfeffffffffffffff20000000000000000000000000",
            "00000001ffffffffffffffffffffffffffffffff",
        );
        check_golden::<Buckets>(&bucket(), golden);
    }
}
