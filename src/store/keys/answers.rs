//! Remembered answers: request key → answer, and (time of forgetting, request key) → what it takes away.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::codec::{Raw, decode, encode, from_ordered, ordered};
use super::{Keyspace, Tree};
use crate::store::StoreError;
use crate::store::answer::{Answer, Expiry, Footprint};
use crate::store::record::Name;
use crate::store::view::Result;

const ANSWERS: &str = "checkpoint, answers";
const EXPIRIES: &str = "checkpoint, expiries";

/// Answers by request key.
#[derive(Debug)]
pub struct Answers;

/// The order in which answers are forgotten.
#[derive(Debug)]
pub struct Expiries;

/// An answer on disk. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
struct AnswerRow<'a> {
    request_digest: u128,
    expires_ns: i64,
    #[serde(borrow)]
    outcome: Raw<'a>,
}

/// A footprint on disk. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
struct FootprintRow {
    hash: u64,
    outcome_bytes: u64,
}

impl Keyspace for Answers {
    type Key = Name;
    type Value = Arc<Answer>;
    const TREE: Tree = Tree::Answers;

    fn key(key: &Name) -> Vec<u8> {
        key.as_bytes().to_vec()
    }

    fn parse_key(bytes: &[u8]) -> Result<Name> {
        parse_name(ANSWERS, bytes)
    }

    fn value(value: &Arc<Answer>) -> Result<Vec<u8>> {
        encode(&AnswerRow {
            request_digest: value.request_digest,
            expires_ns: value.expires_ns,
            outcome: Raw(&value.outcome),
        })
    }

    fn parse_value(bytes: &[u8]) -> Result<Arc<Answer>> {
        let row: AnswerRow<'_> = decode(ANSWERS, bytes)?;
        Ok(Arc::new(Answer {
            request_digest: row.request_digest,
            expires_ns: row.expires_ns,
            outcome: Bytes::copy_from_slice(row.outcome.0),
        }))
    }
}

impl Keyspace for Expiries {
    type Key = Expiry;
    type Value = Footprint;
    const TREE: Tree = Tree::Expiries;

    fn key(key: &Expiry) -> Vec<u8> {
        [&ordered(key.expires_ns), key.key.as_bytes()].concat()
    }

    fn parse_key(bytes: &[u8]) -> Result<Expiry> {
        let cut = || StoreError::damaged(EXPIRIES, format!("a key of {} bytes", bytes.len()));
        let (expires_ns, key) = bytes.split_first_chunk().ok_or_else(cut)?;
        Ok(Expiry {
            expires_ns: from_ordered(*expires_ns),
            key: parse_name(EXPIRIES, key)?,
        })
    }

    fn value(value: &Footprint) -> Result<Vec<u8>> {
        encode(&FootprintRow {
            hash: value.hash,
            outcome_bytes: value.outcome_bytes,
        })
    }

    fn parse_value(bytes: &[u8]) -> Result<Footprint> {
        let row: FootprintRow = decode(EXPIRIES, bytes)?;
        Ok(Footprint {
            hash: row.hash,
            outcome_bytes: row.outcome_bytes,
        })
    }
}

fn parse_name(what: &str, bytes: &[u8]) -> Result<Name> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| StoreError::damaged(what, "a key that is no text"))?;
    Ok(Name::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::testing::{check_golden, check_keys, check_value};
    use crate::store::testing::answer;

    #[test]
    fn round_trip() {
        let names = ["", " ", "a", "a b", "aa", "b", "~"].map(Name::from);
        check_keys::<Answers>(&names);
        let mut expiries = Vec::new();
        for expires_ns in [i64::MIN, -1, 0, 1, 255, 256, i64::MAX] {
            for key in &names {
                let key = key.clone();
                expiries.push(Expiry { expires_ns, key });
            }
        }
        check_keys::<Expiries>(&expiries);
        check_value::<Answers>(&Arc::new(answer(7)));
        check_value::<Expiries>(&answer(7).footprint("key"));
    }

    #[test]
    fn golden() {
        let golden = concat!(
            "01fe07000000000000000000000010000000fd0000546cfc392f2f096f757463",
            "6f6d652037",
        );
        check_golden::<Answers>(&Arc::new(answer(7)), golden);
        let footprint = Footprint {
            hash: u64::MAX - 1,
            outcome_bytes: 300,
        };
        check_golden::<Expiries>(&footprint, "01fdfefffffffffffffffb2c01");
    }
}
