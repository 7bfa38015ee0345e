//! Numbers of live tasks: queue, 0, state, 0 → number, then those of the delayed ones and of those in
//! flight; zeros at the end are left out.

use super::ready::{parse_prefix, prefix};
use super::{Keyspace, Tree};
use crate::store::StoreError;
use crate::store::counts::LineCount;
use crate::store::record::Name;
use crate::store::view::Result;

const WHAT: &str = "checkpoint, counts";
const NUMBER_BYTES: usize = 8;
const MOST_NUMBERS: usize = 3;

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
        let numbers = [value.live, value.delayed, value.in_flight];
        let is_set = |number: &u64| *number > 0;
        let used = numbers.iter().rposition(is_set).map_or(1, |last| last + 1);
        let numbers = numbers.iter().take(used);
        Ok(numbers.flat_map(|number| number.to_be_bytes()).collect())
    }

    fn parse_value(bytes: &[u8]) -> Result<LineCount> {
        let (numbers, rest) = bytes.as_chunks::<NUMBER_BYTES>();
        let number = |at: usize| numbers.get(at).copied().map_or(0, u64::from_be_bytes);
        if numbers.is_empty() || numbers.len() > MOST_NUMBERS || !rest.is_empty() {
            let detail = format!("counts of {} bytes", bytes.len());
            return Err(StoreError::damaged(WHAT, detail));
        }
        Ok(LineCount {
            live: number(0),
            delayed: number(1),
            in_flight: number(2),
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
        in_flight: 0,
    };
    const SOME_DELAYED: LineCount = LineCount {
        live: 300,
        delayed: 7,
        in_flight: 0,
    };
    const SOME_IN_FLIGHT: LineCount = LineCount {
        live: 300,
        delayed: 0,
        in_flight: 9,
    };

    #[test]
    fn round_trip() {
        let names = [("", ""), ("a", "x"), ("a", "xx"), ("a b", "x"), ("aa", "")];
        let names = names.map(|(queue, state)| (Name::from(queue), Name::from(state)));
        check_keys::<LineCounts>(&names);
        check_value::<LineCounts>(&SOME);
        for counts in [SOME_DELAYED, SOME_IN_FLIGHT] {
            let bytes = LineCounts::value(&counts).unwrap();
            assert_eq!(LineCounts::parse_value(&bytes).unwrap(), counts);
            for cut in (0..bytes.len()).filter(|cut| *cut == 0 || cut % NUMBER_BYTES != 0) {
                assert!(LineCounts::parse_value(&bytes[..cut]).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn golden() {
        check_golden::<LineCounts>(&SOME, "000000000000012c");
        check_golden::<LineCounts>(&SOME_DELAYED, "000000000000012c0000000000000007");
        let golden = "000000000000012c00000000000000000000000000000009";
        check_golden::<LineCounts>(&SOME_IN_FLIGHT, golden);
    }
}
