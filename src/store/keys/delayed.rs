//! Delayed tasks: (time, order of arrival) → uuid, in chunks.

use super::Tree;
use super::chunk::IndexKey;
use super::codec::{parse_moment, write_moment};
use crate::store::record::Ripening;
use crate::store::view::Result;

impl IndexKey for Ripening {
    const TREE: Tree = Tree::Delayed;
    const WHAT: &'static str = "checkpoint, delayed tasks";
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
                keys.push(Ripening { at_ns, seq });
            }
        }
        check_index_keys(&keys);
    }

    #[test]
    fn golden() {
        let mut bytes = Vec::new();
        Ripening { at_ns: 2, seq: 3 }.write(&mut bytes);
        let wanted = [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3];
        assert_eq!(bytes, wanted);
    }
}
