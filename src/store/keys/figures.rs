//! Figures: resolution, slot, kind, queue, 0, state, 0, worker → what happened.

use serde::{Deserialize, Serialize};

use super::codec::{decode, encode};
use super::{Keyspace, Tree};
use crate::store::StoreError;
use crate::store::figures::{Cell, FigureKey, Histogram, Kind, Resolution, SlotKey, Subject};
use crate::store::view::Result;

const WHAT: &str = "checkpoint, figures";

/// Figures by slot and subject.
#[derive(Debug)]
pub struct FigureRows;

/// Figures on disk. The order of the fields is the format.
#[derive(Serialize, Deserialize)]
struct FigureRow {
    counts: Vec<u64>,
    last_seen_ns: i64,
    waited: HistogramRow,
    worked: HistogramRow,
}

#[derive(Serialize, Deserialize)]
struct HistogramRow {
    buckets: Vec<(u16, u64)>,
    max_us: u64,
    sum_us: u64,
}

impl From<&Histogram> for HistogramRow {
    fn from(histogram: &Histogram) -> Self {
        Self {
            buckets: histogram.buckets.clone(),
            max_us: histogram.max_us,
            sum_us: histogram.sum_us,
        }
    }
}

impl From<HistogramRow> for Histogram {
    fn from(row: HistogramRow) -> Self {
        Self {
            buckets: row.buckets,
            max_us: row.max_us,
            sum_us: row.sum_us,
        }
    }
}

impl Keyspace for FigureRows {
    type Key = FigureKey;
    type Value = Cell;
    const TREE: Tree = Tree::Figures;

    fn key(key: &FigureKey) -> Vec<u8> {
        key.to_bytes()
    }

    fn parse_key(bytes: &[u8]) -> Result<FigureKey> {
        parse(bytes).ok_or_else(|| StoreError::damaged(WHAT, "a key that is none"))
    }

    fn value(value: &Cell) -> Result<Vec<u8>> {
        encode(&FigureRow {
            counts: value.used_counts().to_vec(),
            last_seen_ns: value.last_seen_ns,
            waited: (&value.waited).into(),
            worked: (&value.worked).into(),
        })
    }

    fn parse_value(bytes: &[u8]) -> Result<Cell> {
        let row: FigureRow = decode(WHAT, bytes)?;
        let counts = Cell::read_counts(&row.counts);
        Ok(Cell {
            counts: counts.ok_or_else(|| StoreError::damaged(WHAT, "too many counts"))?,
            last_seen_ns: row.last_seen_ns,
            waited: row.waited.into(),
            worked: row.worked.into(),
        })
    }
}

fn parse(bytes: &[u8]) -> Option<FigureKey> {
    let (resolution, rest) = bytes.split_first()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (kind, names) = rest.split_first()?;
    let mut names = str::from_utf8(names).ok()?.split('\0');
    let subject = Subject {
        kind: Kind::from_number(*kind)?,
        queue: names.next()?.into(),
        state: names.next()?.into(),
        worker: names.next()?.into(),
    };
    let slot = SlotKey {
        resolution: Resolution::from_number(*resolution)?,
        number: u32::from_be_bytes(*number),
    };
    names
        .next()
        .is_none()
        .then_some(FigureKey { slot, subject })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::figures::hash;
    use crate::store::keys::testing::{check_golden, check_keys, check_value};

    fn keys() -> Vec<FigureKey> {
        let mut keys = Vec::new();
        for resolution in Resolution::ALL {
            for number in [0, 1, 255, 256, u32::MAX] {
                for (kind, queue, state, worker) in [
                    (Kind::Line, "", "a", ""),
                    (Kind::Line, "a", "a", ""),
                    (Kind::Worker, "a", "a", "w"),
                    (Kind::Worker, "a", "a b", "v"),
                    (Kind::Worker, "a b", "", "w"),
                    (Kind::OtherLines, "", "", ""),
                    (Kind::Dropped, "", "", ""),
                ] {
                    keys.push(FigureKey {
                        slot: SlotKey { resolution, number },
                        subject: Subject {
                            kind,
                            queue: queue.into(),
                            state: state.into(),
                            worker: worker.into(),
                        },
                    });
                }
            }
        }
        keys
    }

    fn cell() -> Cell {
        let mut cell = Cell {
            counts: [1, 2, 300, 0, 5, 0, 0],
            last_seen_ns: 1_700_000_000_000_000_000,
            ..Cell::default()
        };
        for us in [1, 1, 20, 1_000_000] {
            cell.waited.record(us);
        }
        cell.worked.record(7);
        cell
    }

    #[test]
    fn round_trip() {
        check_keys::<FigureRows>(&keys());
        check_value::<FigureRows>(&Cell::default());
        check_value::<FigureRows>(&cell());
        for bad in [
            &b""[..],
            b"\x01\0\0\0\0\x01a",
            b"\x04\0\0\0\0\x01\0\0",
            b"\x01\0\0\0\0\x06\0\0",
        ] {
            assert!(FigureRows::parse_key(bad).is_err(), "{bad:?}");
        }
        let many = FigureRow {
            counts: vec![1; 100],
            last_seen_ns: 0,
            waited: (&Histogram::default()).into(),
            worked: (&Histogram::default()).into(),
        };
        assert!(FigureRows::parse_value(&encode(&many).unwrap()).is_err());
    }

    #[test]
    fn golden() {
        let golden = concat!(
            "01050102fb2c010005fd0000546cfc392f2f03010212018f01fc40420f00fc56",
            "420f000107010707",
        );
        check_golden::<FigureRows>(&cell(), golden);
        let key = &keys()[2];
        assert_eq!(FigureRows::key(key), b"\x01\0\0\0\0\x02a\0a\0w");
        assert_eq!(hash(key, &cell()), 7_386_697_741_873_824_129);
    }
}
