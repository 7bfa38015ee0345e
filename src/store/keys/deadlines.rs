//! Deadlines: (time, order of arrival) → uuid.

use uuid::Uuid;

use super::codec::{fixed, from_ordered, ordered, pair};
use super::{Keyspace, Tree};
use crate::store::record::Deadline;
use crate::store::view::Result;

const WHAT: &str = "checkpoint, deadlines";

/// Deadlines: (time, order of arrival) → uuid.
#[derive(Debug)]
pub struct Deadlines;

impl Keyspace for Deadlines {
    type Key = Deadline;
    type Value = Uuid;
    const TREE: Tree = Tree::Deadlines;

    fn key(key: &Deadline) -> Vec<u8> {
        [ordered(key.at_ns), key.seq.to_be_bytes()].concat()
    }

    fn parse_key(bytes: &[u8]) -> Result<Deadline> {
        let (at_ns, seq) = pair(WHAT, bytes)?;
        Ok(Deadline {
            at_ns: from_ordered(at_ns),
            seq: u64::from_be_bytes(seq),
        })
    }

    fn value(value: &Uuid) -> Result<Vec<u8>> {
        Ok(value.as_bytes().to_vec())
    }

    fn parse_value(bytes: &[u8]) -> Result<Uuid> {
        Ok(Uuid::from_bytes(fixed(WHAT, bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::testing::{check_golden, check_keys, check_value};

    #[test]
    fn round_trip() {
        let mut keys = Vec::new();
        for at_ns in [i64::MIN, -1, 0, 1, 255, 256, i64::MAX] {
            for seq in [0, 1, 256, u64::MAX] {
                keys.push(Deadline { at_ns, seq });
            }
        }
        check_keys::<Deadlines>(&keys);
        check_value::<Deadlines>(&Uuid::from_u128(5));
    }

    #[test]
    fn golden() {
        let golden = "00000000000000000000000000000005";
        check_golden::<Deadlines>(&Uuid::from_u128(5), golden);
    }
}
