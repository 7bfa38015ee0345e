//! Numbers of live tasks: queue, 0, state, 0 → number.

use super::codec::fixed;
use super::ready::{parse_prefix, prefix};
use super::{Keyspace, Tree};
use crate::store::record::Name;
use crate::store::view::Result;

const WHAT: &str = "checkpoint, counts";

/// Numbers of live tasks: (queue, state) → number. None of them is 0.
#[derive(Debug)]
pub struct LineCounts;

impl Keyspace for LineCounts {
    type Key = (Name, Name);
    type Value = u64;
    const TREE: Tree = Tree::Counts;

    fn key((queue, state): &Self::Key) -> Vec<u8> {
        prefix(queue, state)
    }

    fn parse_key(bytes: &[u8]) -> Result<Self::Key> {
        parse_prefix(WHAT, bytes)
    }

    fn value(value: &u64) -> Result<Vec<u8>> {
        Ok(value.to_be_bytes().to_vec())
    }

    fn parse_value(bytes: &[u8]) -> Result<u64> {
        Ok(u64::from_be_bytes(fixed(WHAT, bytes)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::testing::{check_keys, check_value};

    #[test]
    fn round_trip() {
        let names = [("", ""), ("a", "x"), ("a", "xx"), ("a b", "x"), ("aa", "")];
        let names = names.map(|(queue, state)| (Name::from(queue), Name::from(state)));
        check_keys::<LineCounts>(&names);
        check_value::<LineCounts>(&300);
    }
}
