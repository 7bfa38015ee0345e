//! Who is claimed next: queue, 0, state, 0, place → uuid, in chunks.
//!
//! Names have no control characters, so a 0 ends them.

use super::Tree;
use super::chunk::IndexKey;
use super::codec::{from_ordered, ordered, parts};
use crate::store::StoreError;
use crate::store::record::{Name, Place};
use crate::store::view::Result;

const WHAT: &str = "checkpoint, ready index";

impl IndexKey for Place {
    const TREE: Tree = Tree::Ready;
    const WHAT: &'static str = WHAT;
    const WIDTH: usize = 24;

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&ordered(self.inverted_priority));
        bytes.extend_from_slice(&ordered(self.submit_time_ns));
        bytes.extend_from_slice(&self.seq.to_be_bytes());
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let [priority, submit_time, seq] = parts(WHAT, bytes)?;
        Ok(Self {
            inverted_priority: from_ordered(priority),
            submit_time_ns: from_ordered(submit_time),
            seq: u64::from_be_bytes(seq),
        })
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
    use crate::store::keys::testing::check_index_keys;

    #[test]
    fn round_trip() {
        let keys = [i64::MIN, -1, 0, 1, i64::MAX].map(|number| Place {
            inverted_priority: number,
            submit_time_ns: !number,
            seq: number as u64,
        });
        check_index_keys(&keys);
    }

    #[test]
    fn lines_do_not_touch() {
        let mut key = prefix("a", "x");
        key.extend_from_slice(&[255; Place::WIDTH]);
        assert!(key < prefix_end(&prefix("a", "x")));
        assert!(prefix_end(&prefix("a", "x")) < prefix("a", "x "));
        assert!(prefix_end(&prefix("a", "x")) < prefix("a ", "x"));
        assert!(prefix_end(&prefix("a", "")) < prefix("a", "x"));
        assert!(parse_prefix(WHAT, &prefix("a", "x")).is_ok());
        assert!(parse_prefix(WHAT, &prefix("a", "x")[2..]).is_err());
    }
}
