//! Numbers of live tasks: queue, 0, state, 0 → number, and, where some are delayed, their number.

use super::codec::fixed;
use super::ready::{parse_prefix, prefix};
use super::{Keyspace, Tree};
use crate::store::counts::LineCount;
use crate::store::record::Name;
use crate::store::view::Result;

const WHAT: &str = "checkpoint, counts";
const NUMBER_BYTES: usize = 8;

/// Numbers of live tasks: (queue, state) → numbers. None of them counts no task.
#[derive(Debug)]
pub struct LineCounts;

impl Keyspace for LineCounts {
    type Key = (Name, Name);
    type Value = LineCount;
    const TREE: Tree = Tree::Counts;

    fn key((queue, state): &Self::Key) -> Vec<u8> {
        prefix(queue, state)
    }

    fn parse_key(bytes: &[u8]) -> Result<Self::Key> {
        parse_prefix(WHAT, bytes)
    }

    fn value(value: &LineCount) -> Result<Vec<u8>> {
        let mut bytes = value.live.to_be_bytes().to_vec();
        if value.delayed > 0 {
            bytes.extend_from_slice(&value.delayed.to_be_bytes());
        }
        Ok(bytes)
    }

    fn parse_value(bytes: &[u8]) -> Result<LineCount> {
        let (live, delayed) = bytes.split_at(bytes.len().min(NUMBER_BYTES));
        let number = |bytes| Ok(u64::from_be_bytes(fixed(WHAT, bytes)?));
        Ok(LineCount {
            live: number(live)?,
            delayed: match delayed {
                [] => 0,
                delayed => number(delayed)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::testing::{check_golden, check_keys, check_value};

    const SOME: LineCount = LineCount {
        live: 300,
        delayed: 0,
    };
    const SOME_DELAYED: LineCount = LineCount {
        live: 300,
        delayed: 7,
    };

    #[test]
    fn round_trip() {
        let names = [("", ""), ("a", "x"), ("a", "xx"), ("a b", "x"), ("aa", "")];
        let names = names.map(|(queue, state)| (Name::from(queue), Name::from(state)));
        check_keys::<LineCounts>(&names);
        check_value::<LineCounts>(&SOME);
        let bytes = LineCounts::value(&SOME_DELAYED).unwrap();
        assert_eq!(LineCounts::parse_value(&bytes).unwrap(), SOME_DELAYED);
        for cut in (0..bytes.len()).filter(|cut| *cut != NUMBER_BYTES) {
            assert!(LineCounts::parse_value(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn golden() {
        check_golden::<LineCounts>(&SOME, "000000000000012c");
        check_golden::<LineCounts>(&SOME_DELAYED, "000000000000012c0000000000000007");
    }
}
