//! Who is claimed next: queue, 0, state, 0, place → uuid.
//!
//! Names have no control characters, so a 0 ends them.

use uuid::Uuid;

use super::codec::{fixed, from_ordered, ordered, parts};
use super::{Keyspace, Tree};
use crate::store::StoreError;
use crate::store::record::{Name, Place};
use crate::store::view::Result;

const WHAT: &str = "checkpoint, ready index";
const PLACE_BYTES: usize = 24;

/// Who is claimed next: (queue, state, place) → uuid.
#[derive(Debug)]
pub struct Ready;

impl Keyspace for Ready {
    type Key = (Name, Name, Place);
    type Value = Uuid;
    const TREE: Tree = Tree::Ready;

    fn key((queue, state, place): &Self::Key) -> Vec<u8> {
        key_in_line(&prefix(queue, state), place)
    }

    fn parse_key(bytes: &[u8]) -> Result<Self::Key> {
        let wrong = || StoreError::damaged(WHAT, format!("a key of {} bytes", bytes.len()));
        let names = bytes.len().checked_sub(PLACE_BYTES).ok_or_else(wrong)?;
        let (names, place) = bytes.split_at_checked(names).ok_or_else(wrong)?;
        let (queue, state) = parse_prefix(WHAT, names)?;
        Ok((queue, state, parse_place(place)?))
    }

    fn value(value: &Uuid) -> Result<Vec<u8>> {
        Ok(value.as_bytes().to_vec())
    }

    fn parse_value(bytes: &[u8]) -> Result<Uuid> {
        Ok(Uuid::from_bytes(fixed(WHAT, bytes)?))
    }
}

/// What the keys of one queue and state begin with.
pub fn prefix(queue: &str, state: &str) -> Vec<u8> {
    [queue.as_bytes(), &[0], state.as_bytes(), &[0]].concat()
}

/// The end of the keys with that prefix: its last 0 made 1.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = 1;
    }
    end
}

/// A key from its prefix and place.
pub fn key_in_line(prefix: &[u8], place: &Place) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + PLACE_BYTES);
    key.extend_from_slice(prefix);
    key.extend_from_slice(&ordered(place.inverted_priority));
    key.extend_from_slice(&ordered(place.submit_time_ns));
    key.extend_from_slice(&place.seq.to_be_bytes());
    key
}

/// The place at the end of a key.
///
/// # Errors
/// If it isn't one.
pub fn parse_place(bytes: &[u8]) -> Result<Place> {
    let [priority, submit_time, seq] = parts(WHAT, bytes)?;
    Ok(Place {
        inverted_priority: from_ordered(priority),
        submit_time_ns: from_ordered(submit_time),
        seq: u64::from_be_bytes(seq),
    })
}

/// Queue and state of a prefix.
///
/// # Errors
/// If the bytes are no two names.
pub fn parse_prefix(what: &str, bytes: &[u8]) -> Result<(Name, Name)> {
    let wrong = || StoreError::damaged(what, "a key without two names");
    let names = bytes.strip_suffix(&[0]).ok_or_else(wrong)?;
    let names = std::str::from_utf8(names).map_err(|_| wrong())?;
    let (queue, state) = names.split_once('\0').ok_or_else(wrong)?;
    if state.contains('\0') {
        return Err(wrong());
    }
    Ok((queue.into(), state.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::testing::{check_keys, check_value};

    #[test]
    fn round_trip() {
        let mut keys = Vec::new();
        for queue in ["", "a", "a b", "aa", "ä", "b"] {
            for state in ["", "x", "xx"] {
                for number in [i64::MIN, -1, 0, 1, i64::MAX] {
                    let place = Place {
                        inverted_priority: number,
                        submit_time_ns: !number,
                        seq: number as u64,
                    };
                    keys.push((Name::from(queue), Name::from(state), place));
                }
            }
        }
        check_keys::<Ready>(&keys);
        check_value::<Ready>(&Uuid::from_u128(5));
    }

    #[test]
    fn lines_do_not_touch() {
        let key = Ready::key(&("a".into(), "x".into(), place(u64::MAX)));
        assert!(key < prefix_end(&prefix("a", "x")));
        assert!(prefix_end(&prefix("a", "x")) < prefix("a", "x "));
        assert!(Ready::parse_key(&key[1..]).is_ok());
        assert!(Ready::parse_key(&key[3..]).is_err());
    }

    fn place(seq: u64) -> Place {
        Place {
            inverted_priority: i64::MAX,
            submit_time_ns: i64::MAX,
            seq,
        }
    }
}
