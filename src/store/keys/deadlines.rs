//! Deadlines: (time, order of arrival) → uuid, in chunks.

use super::Tree;
use super::chunk::IndexKey;
use super::codec::{parse_moment, write_moment};
use crate::store::record::Deadline;
use crate::store::view::Result;

impl IndexKey for Deadline {
    const TREE: Tree = Tree::Deadlines;
    const WHAT: &'static str = "checkpoint, deadlines";
    const WIDTH: usize = 16;

    fn write(&self, bytes: &mut Vec<u8>) {
        write_moment(bytes, self.at_ns, self.seq);
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let (at_ns, seq) = parse_moment(Self::WHAT, bytes)?;
        Ok(Self { at_ns, seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::testing::check_index_keys;

    #[test]
    fn round_trip() {
        let mut keys = Vec::new();
        for at_ns in [i64::MIN, -1, 0, 1, 255, 256, i64::MAX] {
            for seq in [0, 1, 256, u64::MAX] {
                keys.push(Deadline { at_ns, seq });
            }
        }
        check_index_keys(&keys);
    }
}
