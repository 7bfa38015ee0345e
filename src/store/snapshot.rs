//! Snapshot files: the whole state at one position, without indexes and counts, which follow from it.
//!
//! Framed as `blocks` says. The first block is the header, the last one the
//! trailer; those between hold records one behind the other, each as a varint length
//! and a protobuf message of that length, as in `durable/v1/snapshot.proto`: live
//! tasks, then archived ones, then buckets, answers and documents, each in key order.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;

use super::StoreError;
use super::blocks::{BlockReader, BlockWriter, Format};
use super::durable::{Record, header_from_message, header_to_message};
use super::files::{self, failed};
use super::record::Header;
use super::view::Result;
use crate::proto::durable;

const FORMAT: Format = Format {
    magic: *b"cdogsnap",
    version: 1,
};
const HEADER: u8 = 1;
const RECORDS: u8 = 2;
const TRAILER: u8 = 3;

const BLOCK_BYTES: usize = 64 * 1024;
const SUFFIX: &str = "snap";
/// What a snapshot's name ends with until it is whole.
pub const UNFINISHED: &str = "tmp";
const INDEX_DIGITS: usize = 20;

/// A snapshot on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Where it is.
    pub path: PathBuf,
    /// The last log entry in it.
    pub index: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Writes a snapshot.
#[derive(Debug)]
pub struct SnapshotWriter {
    blocks: BlockWriter,
    block: Vec<u8>,
    records: u64,
}

impl SnapshotWriter {
    /// Begins a file.
    pub fn create(path: &Path, header: &Header) -> Result<Self> {
        let mut blocks = BlockWriter::create(path, FORMAT)?;
        blocks.write(
            HEADER,
            &header_to_message(header).encode_length_delimited_to_vec(),
        )?;
        Ok(Self {
            blocks,
            block: Vec::with_capacity(BLOCK_BYTES),
            records: 0,
        })
    }

    /// Adds a row.
    pub fn push(&mut self, record: &Record) -> Result<()> {
        let message = record.to_message().encode_length_delimited_to_vec();
        self.block.extend_from_slice(&message);
        self.records += 1;
        if self.block.len() >= BLOCK_BYTES {
            self.write_block()?;
        }
        Ok(())
    }

    /// Ends the file and makes it durable, but not its name. Returns its size.
    pub fn finish(mut self) -> Result<u64> {
        self.write_block()?;
        let records = self.records;
        let trailer = durable::Trailer { records };
        self.blocks
            .write(TRAILER, &trailer.encode_length_delimited_to_vec())?;
        self.blocks.finish()
    }

    fn write_block(&mut self) -> Result<()> {
        if !self.block.is_empty() {
            self.blocks.write(RECORDS, &self.block)?;
            self.block.clear();
        }
        Ok(())
    }
}

/// Reads a snapshot row by row, with no more than a block in memory.
///
/// Ends after an error; without one, the file was whole.
#[derive(Debug)]
pub struct SnapshotReader {
    blocks: BlockReader,
    header: Header,
    block: VecDeque<Record>,
    records: u64,
    done: bool,
}

/// Opens a snapshot file.
///
/// # Errors
/// If it can't be read, or is damaged at the beginning.
pub fn read_snapshot(path: &Path) -> Result<SnapshotReader> {
    let mut blocks = BlockReader::open(path, FORMAT)?;
    let header = match blocks.next()? {
        Some((HEADER, bytes)) => durable::Header::decode_length_delimited(&bytes[..]),
        _ => return Err(blocks.damaged("it has no header")),
    };
    let header = header.map_err(|error| blocks.damaged(&error.to_string()))?;
    Ok(SnapshotReader {
        blocks,
        header: header_from_message(header),
        block: VecDeque::new(),
        records: 0,
        done: false,
    })
}

impl SnapshotReader {
    /// The part of the state that is not rows.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many bytes of the file are still to be read.
    pub fn left(&self) -> u64 {
        self.blocks.left()
    }

    /// An error that names the file.
    pub fn damaged(&self, detail: &str) -> StoreError {
        self.blocks.damaged(detail)
    }

    fn read(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.block.pop_front() {
                self.records += 1;
                return Ok(Some(record));
            }
            match self.blocks.next()? {
                Some((RECORDS, bytes)) => self.parse(bytes.into())?,
                Some((TRAILER, bytes)) => return self.end(&bytes).map(|()| None),
                Some(_) => return Err(self.damaged("a block of an unknown kind")),
                None => return Err(self.damaged("it is cut")),
            }
        }
    }

    fn parse(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            let record = durable::Record::decode_length_delimited(&mut bytes);
            let record = record.map_err(|error| self.damaged(&error.to_string()))?;
            let record = Record::from_message(record);
            let record = record.map_err(|error| self.damaged(&error.to_string()))?;
            self.block.push_back(record);
        }
        Ok(())
    }

    fn end(&mut self, bytes: &[u8]) -> Result<()> {
        let trailer = durable::Trailer::decode_length_delimited(bytes);
        let trailer = trailer.map_err(|error| self.damaged(&error.to_string()))?;
        if trailer.records != self.records || self.blocks.next()?.is_some() {
            return Err(self.damaged("a wrong end"));
        }
        Ok(())
    }
}

impl Iterator for SnapshotReader {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let record = self.read();
        self.done = !matches!(record, Ok(Some(_)));
        record.transpose()
    }
}

/// Where the snapshot of an index is.
pub fn snapshot_path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:0INDEX_DIGITS$}.{SUFFIX}"))
}

/// All snapshots of a directory, the newest first.
pub fn list_snapshots(dir: &Path) -> Result<Vec<SnapshotFile>> {
    let mut snapshots = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("read", dir))? {
        let entry = entry.map_err(failed("read", dir))?;
        let path = entry.path();
        let Some(index) = index_of(&path) else {
            continue;
        };
        let bytes = entry.metadata().map_err(failed("read", &path))?.len();
        snapshots.push(SnapshotFile { path, index, bytes });
    }
    snapshots.sort_unstable_by_key(|snapshot| std::cmp::Reverse(snapshot.index));
    Ok(snapshots)
}

/// Removes what is left of unfinished snapshots.
pub fn remove_unfinished(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(failed("read", dir))? {
        let path = entry.map_err(failed("read", dir))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == UNFINISHED)
        {
            files::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Removes all snapshots but one.
pub fn remove_others(dir: &Path, keep: u64) -> Result<()> {
    for snapshot in list_snapshots(dir)? {
        if snapshot.index != keep {
            files::remove_file(&snapshot.path)?;
        }
    }
    Ok(())
}

fn index_of(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let is_snapshot = path.extension()? == SUFFIX && stem.len() == INDEX_DIGITS;
    if is_snapshot { stem.parse().ok() } else { None }
}
