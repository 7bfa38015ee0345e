//! The header: one row.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::codec::{Raw, decode, decode_row, encode, encode_as};
use super::{Keyspace, Tree};
use crate::store::StoreError;
use crate::store::record::{Header, Position, Totals};
use crate::store::view::Result;

const WHAT: &str = "checkpoint, header";
const KEY: &[u8] = b"header";
/// Headers with totals that came later; all others are still written in the first version.
const LATER_VERSION: u8 = 2;

/// The header, with what only this node wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredHeader {
    /// The replicated part.
    pub header: Header,
    /// About how many bytes the rows are: what the size on disk is compared with.
    pub held_bytes: u64,
}

/// The header's keyspace.
#[derive(Debug)]
pub struct Head;

/// A header on disk. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
struct HeaderRow<'a> {
    index: u64,
    #[serde(borrow)]
    log_id: Raw<'a>,
    #[serde(borrow)]
    membership: Raw<'a>,
    clock_ns: i64,
    next_seq: u64,
    submitted: u64,
    completed: u64,
    canceled: u64,
    timed_out: u64,
    state_hash: u64,
    held_bytes: u64,
}

/// A header on disk with totals that came later. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
struct LaterHeaderRow<'a> {
    #[serde(borrow)]
    row: HeaderRow<'a>,
    failed: u64,
}

impl Keyspace for Head {
    type Key = ();
    type Value = StoredHeader;
    const TREE: Tree = Tree::Header;

    fn key((): &()) -> Vec<u8> {
        KEY.to_vec()
    }

    fn parse_key(bytes: &[u8]) -> Result<()> {
        if bytes == KEY {
            return Ok(());
        }
        Err(StoreError::damaged(WHAT, "an unknown key"))
    }

    fn value(value: &StoredHeader) -> Result<Vec<u8>> {
        let StoredHeader { header, held_bytes } = value;
        let row = HeaderRow {
            index: header.position.index,
            log_id: Raw(&header.position.log_id),
            membership: Raw(&header.position.membership),
            clock_ns: header.clock_ns,
            next_seq: header.next_seq,
            submitted: header.totals.submitted,
            completed: header.totals.completed,
            canceled: header.totals.canceled,
            timed_out: header.totals.timed_out,
            state_hash: header.state_hash,
            held_bytes: *held_bytes,
        };
        match header.totals.failed {
            0 => encode(&row),
            failed => encode_as(LATER_VERSION, &LaterHeaderRow { row, failed }),
        }
    }

    fn parse_value(bytes: &[u8]) -> Result<StoredHeader> {
        let LaterHeaderRow { row, failed } = match bytes.split_first() {
            Some((&LATER_VERSION, row)) => decode_row(WHAT, row)?,
            _ => LaterHeaderRow {
                row: decode(WHAT, bytes)?,
                failed: 0,
            },
        };
        let position = Position {
            index: row.index,
            log_id: Bytes::copy_from_slice(row.log_id.0),
            membership: Bytes::copy_from_slice(row.membership.0),
        };
        let totals = Totals {
            submitted: row.submitted,
            completed: row.completed,
            canceled: row.canceled,
            timed_out: row.timed_out,
            failed,
        };
        let header = Header {
            position,
            clock_ns: row.clock_ns,
            next_seq: row.next_seq,
            totals,
            state_hash: row.state_hash,
        };
        Ok(StoredHeader {
            header,
            held_bytes: row.held_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::testing::{check_golden, check_value};

    fn header() -> StoredHeader {
        let position = Position {
            index: 1000,
            log_id: Bytes::from_static(b"log"),
            membership: Bytes::from_static(b"members"),
        };
        let totals = Totals {
            submitted: 1,
            completed: 2,
            canceled: 3,
            timed_out: 4,
            failed: 0,
        };
        let header = Header {
            position,
            clock_ns: -5,
            next_seq: 6,
            totals,
            state_hash: u64::MAX,
        };
        StoredHeader {
            header,
            held_bytes: 7,
        }
    }

    #[test]
    fn round_trip() {
        check_value::<Head>(&header());
        check_value::<Head>(&StoredHeader::default());
        assert!(Head::parse_key(&Head::key(&())).is_ok());
    }

    #[test]
    fn golden() {
        let golden = "01fbe803036c6f67076d656d62657273090601020304fdffffffffffffffff07";
        check_golden::<Head>(&header(), golden);
    }

    /// Headers of the first version are still read, and written where nothing needs the second one.
    #[test]
    fn golden_with_later_totals() {
        let mut later = header();
        later.header.totals.failed = 8;
        check_value::<Head>(&later);
        let golden = "02fbe803036c6f67076d656d62657273090601020304fdffffffffffffffff0708";
        check_golden::<Head>(&later, golden);
    }
}
