//! Redo files and snapshots: refused, or read as what was written, and never more than the file holds.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;

use super::{file, inputs_of, remembered, tasks};
use crate::fuzz::{fuzz_target, scratch};
use crate::store::documents::DocumentKey;
use crate::store::durable::Record;
use crate::store::figures::{Cell, FigureKey, Kind, Resolution, SlotKey, Subject};
use crate::store::keys::Tree;
use crate::store::record::{Bucket, BucketKey, Header, Position};
use crate::store::redo::{self, RedoWriter};
use crate::store::snapshot::SnapshotWriter;
use crate::store::view::Result;
use crate::store::{controls, read_snapshot};

const REDO_BEGIN: &[u8] = b"cdogredo\x02\0\0\0";
const SNAPSHOT_BEGIN: &[u8] = b"cdogsnap\x01\0\0\0";

fuzz_target!(
    /// What a checkpoint was to change.
    redo_file, 10_000, redo_seeds, redo_file_run
);
fuzz_target!(
    /// A whole state, from disk or from a peer.
    snapshot_file, 10_000, snapshot_seeds, snapshot_file_run
);

type Changes = Vec<(Tree, Vec<u8>, Option<Vec<u8>>)>;

fn read_redo(path: &std::path::Path) -> Result<Changes> {
    let mut changes = Changes::new();
    redo::read(path, |tree, piece| {
        let owned = piece
            .iter()
            .map(|(key, value)| (tree, key.to_vec(), value.map(<[u8]>::to_vec)));
        changes.extend(owned);
        Ok(())
    })?;
    Ok(changes)
}

fn write_redo(changes: &Changes) -> Vec<u8> {
    let path = scratch().join("redo-again");
    let mut redo = RedoWriter::create(&path).unwrap();
    for (tree, key, value) in changes {
        redo.push(*tree, key, value.as_deref()).unwrap();
    }
    redo.finish().unwrap();
    fs::read(&path).unwrap()
}

fn redo_seeds() -> Vec<Vec<u8>> {
    let row = |tree, key: &[u8], value: Option<&[u8]>| (tree, key.to_vec(), value.map(Into::into));
    let some = vec![
        row(Tree::Live, b"0123456789abcdef", Some(b"value")),
        row(Tree::Live, b"0123456789abcdeg", None),
        row(Tree::Header, b"header", Some(b"")),
    ];
    let files = [write_redo(&Changes::new()), write_redo(&some)];
    files
        .iter()
        .flat_map(|file| inputs_of(file, REDO_BEGIN))
        .collect()
}

fn redo_file_run(bytes: &[u8]) {
    let path = file("redo", REDO_BEGIN, bytes);
    let Ok(changes) = read_redo(&path) else {
        return;
    };
    let length = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
    let held: usize = changes
        .iter()
        .map(|(_, key, value)| key.len() + length(value))
        .sum();
    assert!(held as u64 <= fs::metadata(&path).unwrap().len());
    write_redo(&changes);
    assert_eq!(read_redo(&scratch().join("redo-again")).unwrap(), changes);
}

/// A row of each kind.
fn records() -> Vec<Record> {
    let mut records: Vec<Record> = tasks()
        .into_iter()
        .map(|task| Record::Live(Arc::new(task)))
        .collect();
    records.extend(tasks().pop().map(|task| Record::Archived(Arc::new(task))));
    let bucket = Bucket {
        archived_ns: 5,
        hash_sum: 6,
        uuids: vec![uuid::Uuid::from_u128(7)],
    };
    let key = BucketKey {
        queue: "queue".into(),
        index: 3,
    };
    records.push(Record::Bucket(key, bucket));
    records.push(Record::Answer("key".into(), Arc::new(remembered())));
    let kind = controls::SETTINGS;
    let name = "queue".into();
    records.push(Record::Document(
        DocumentKey { kind, name },
        Bytes::from_static(&[8, 1]),
    ));
    let (key, cell) = figure();
    records.push(Record::Figure(key, Box::new(cell)));
    records
}

/// Some figures.
pub(super) fn figure() -> (FigureKey, Cell) {
    let key = FigureKey {
        slot: SlotKey {
            resolution: Resolution::ALL[0],
            number: 7,
        },
        subject: Subject {
            kind: Kind::Worker,
            queue: "queue".into(),
            state: "state".into(),
            worker: "worker".into(),
        },
    };
    let mut cell = Cell {
        counts: [1; _],
        last_seen_ns: 5,
        ..Cell::default()
    };
    cell.waited.record(1000);
    cell.worked.record(3);
    (key, cell)
}

fn header() -> Header {
    Header {
        position: Position {
            index: 7,
            log_id: Bytes::from_static(b"\x06\x08\x01\x10\x02\x18\x07"),
            membership: Bytes::new(),
        },
        clock_ns: 8,
        next_seq: 9,
        state_hash: 10,
        ..Header::default()
    }
}

fn write_snapshot(header: &Header, records: &[Record]) -> Vec<u8> {
    let path = scratch().join("snapshot-again");
    let mut snapshot = SnapshotWriter::create(&path, header).unwrap();
    for record in records {
        snapshot.push(record).unwrap();
    }
    snapshot.finish().unwrap();
    fs::read(&path).unwrap()
}

fn snapshot_seeds() -> Vec<Vec<u8>> {
    let files = [
        write_snapshot(&Header::default(), &[]),
        write_snapshot(&header(), &records()),
    ];
    files
        .iter()
        .flat_map(|file| inputs_of(file, SNAPSHOT_BEGIN))
        .collect()
}

fn read(path: &std::path::Path) -> Result<(Header, Vec<Record>)> {
    let mut reader = read_snapshot(path)?;
    let records: Result<Vec<Record>> = reader.by_ref().collect();
    assert!(reader.next().is_none(), "it goes on behind its end");
    Ok((reader.header().clone(), records?))
}

fn snapshot_file_run(bytes: &[u8]) {
    let path = file("snapshot", SNAPSHOT_BEGIN, bytes);
    let Ok((header, records)) = read(&path) else {
        return;
    };
    write_snapshot(&header, &records);
    let again = read(&scratch().join("snapshot-again")).unwrap();
    assert_eq!(again, (header, records));
}
