//! Unique keys: queue, 0, key, 0 → uuid of the live task that holds it.

use uuid::Uuid;

use super::codec::fixed;
use super::ready::{parse_prefix, prefix};
use super::{Keyspace, Tree};
use crate::store::record::Name;
use crate::store::view::Result;

const WHAT: &str = "checkpoint, unique keys";

/// Unique keys: (queue, key) → uuid.
#[derive(Debug)]
pub struct Unique;

impl Keyspace for Unique {
    type Key = (Name, Name);
    type Value = Uuid;
    const TREE: Tree = Tree::Unique;

    fn key((queue, key): &Self::Key) -> Vec<u8> {
        prefix(queue, key)
    }

    fn parse_key(bytes: &[u8]) -> Result<Self::Key> {
        parse_prefix(WHAT, bytes)
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
        let names = [("", "k"), ("a", "k"), ("a", "kk"), ("a b", "k"), ("aa", "")];
        let names = names.map(|(queue, key)| (Name::from(queue), Name::from(key)));
        check_keys::<Unique>(&names);
        check_value::<Unique>(&Uuid::from_u128(7));
    }

    #[test]
    fn golden() {
        let key = (Name::from("q"), Name::from("k"));
        assert_eq!(Unique::key(&key), b"q\0k\0");
        let golden = "00000000000000000000000000000007";
        check_golden::<Unique>(&Uuid::from_u128(7), golden);
    }
}
