//! The state hash at some log indexes, so that nodes can compare where both have been.
//!
//! Nodes seldom stand at the same index when they are asked. So each keeps its hash at every so many indexes, the same
//! ones on all nodes, for as long as a peer may be behind.

use std::collections::VecDeque;

/// Raised whenever the same log comes to other hashes than before: only those of one version can be compared.
pub const HASH_VERSION: u32 = 1;

/// The hash is kept at each multiple of this index, …
const EVERY: u64 = 256;
/// … and that many times: some seconds at the highest load.
const KEPT: usize = 256;

/// A log index, and the state hash once that entry was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashAt {
    /// The log index.
    pub index: u64,
    /// The state's hash there.
    pub hash: u64,
}

/// The hashes that are kept, the oldest first.
#[derive(Debug, Default)]
pub struct Hashes(VecDeque<HashAt>);

impl Hashes {
    /// Takes note of an applied entry.
    pub fn note(&mut self, index: u64, hash: u64) {
        if !index.is_multiple_of(EVERY) {
            return;
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(HashAt { index, hash });
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = HashAt> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_at_the_same_indexes() {
        let mut hashes = Hashes::default();
        let end = EVERY * (KEPT as u64 + 10);
        for index in 1..=end {
            hashes.note(index, index * 7);
        }
        let kept: Vec<HashAt> = hashes.iter().collect();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].index, EVERY * 11);
        let last = kept[KEPT - 1];
        assert_eq!((last.index, last.hash), (end, end * 7));
    }
}
