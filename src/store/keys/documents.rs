//! Documents: kind, name → what the layer above wrote.

use bytes::Bytes;

use super::{Keyspace, Tree};
use crate::store::StoreError;
use crate::store::documents::DocumentKey;
use crate::store::view::Result;

const WHAT: &str = "checkpoint, documents";

/// Documents by kind and name.
#[derive(Debug)]
pub struct DocumentRows;

impl Keyspace for DocumentRows {
    type Key = DocumentKey;
    type Value = Bytes;
    const TREE: Tree = Tree::Documents;

    fn key(key: &DocumentKey) -> Vec<u8> {
        [&[key.kind], key.name.as_bytes()].concat()
    }

    fn parse_key(bytes: &[u8]) -> Result<DocumentKey> {
        let damaged = || StoreError::damaged(WHAT, "a key that is none");
        let (kind, name) = bytes.split_first().ok_or_else(damaged)?;
        let name = str::from_utf8(name).map_err(|_| damaged())?;
        Ok(DocumentKey {
            kind: *kind,
            name: name.into(),
        })
    }

    fn value(value: &Bytes) -> Result<Vec<u8>> {
        Ok(value.to_vec())
    }

    fn parse_value(bytes: &[u8]) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::testing::{check_golden, check_keys};

    #[test]
    fn round_trip() {
        let keys = [(1, ""), (1, "a"), (1, "aa"), (1, "b"), (2, ""), (2, "a")];
        let keys = keys.map(|(kind, name)| DocumentKey {
            kind,
            name: name.into(),
        });
        check_keys::<DocumentRows>(&keys);
        assert!(DocumentRows::parse_key(b"").is_err());
        assert!(DocumentRows::parse_key(&[1, 0xff]).is_err());
    }

    #[test]
    fn golden() {
        let key = DocumentKey {
            kind: 1,
            name: "q".into(),
        };
        assert_eq!(DocumentRows::key(&key), b"\x01q");
        check_golden::<DocumentRows>(&Bytes::from_static(b"value"), "76616c7565");
    }
}
