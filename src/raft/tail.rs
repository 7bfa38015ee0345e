//! Tells a torn end of the log from damage, before the log is opened.
//!
//! `raft-log` cuts off what can't be read at the end of its newest file. A crash leaves such an end, of what was never
//! synced. But a damaged length looks like one too, and all records behind it would be cut off with it. So an end is
//! taken as torn only if no record stands behind it, and if nothing before it is known to have been synced.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use codeq::Decode;
use raft_log::chunked_wal::Config;
use raft_log::{RaftLog, RaftLogRecord};

use super::log::LogTypes;

const BUFFER_BYTES: usize = 1 << 20;
/// A record begins with its kind, a number of four bytes; there are this many kinds.
const KINDS: u8 = 6;

/// What is wrong with a log, and where.
#[derive(Debug, thiserror::Error)]
#[error("{}: {detail}", path.display())]
pub struct LogDamage {
    /// The file, or the log's directory.
    pub path: PathBuf,
    /// What is wrong.
    pub detail: String,
}

impl LogDamage {
    pub(super) fn new(path: &Path, detail: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            detail: detail.into(),
        }
    }
}

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chunk {
    /// Where it begins, in bytes of the whole log.
    pub start: u64,
    pub path: PathBuf,
}

/// Looks at the newest file, and makes durable what can be read in it. `synced` is up to where the log is known to have been synced. Returns the log's end.
///
/// # Errors
/// If an end is not one that a crash can have left, or a file can't be read or synced.
pub(super) fn check(dir: &Path, synced: u64) -> Result<u64, LogDamage> {
    let mut chunks = list(dir).map_err(|error| LogDamage::new(dir, error.to_string()))?;
    let mut end = 0;
    while let Some(chunk) = chunks.pop() {
        let bytes = whole_bytes(&chunk.path)?;
        if bytes > 0 {
            check_older(&chunks, chunk.start)?;
        }
        end = chunk.start + bytes;
        let known = synced.saturating_sub(chunk.start);
        let written = write_again(&chunk.path, known, bytes);
        written.map_err(|error| LogDamage::new(&chunk.path, error.to_string()))?;
        // A file without a whole record is removed; then the one before it is the newest.
        if bytes > 0 {
            break;
        }
    }
    if end < synced {
        let detail = format!(
            "it was synced up to byte {synced}, and can be read only up to byte {end}: the rest is gone or damaged"
        );
        return Err(LogDamage::new(dir, detail));
    }
    Ok(end)
}

/// Looks whether each older file ends where the next one begins. `raft-log` does not survive one that is empty.
fn check_older(older: &[Chunk], newest_start: u64) -> Result<(), LogDamage> {
    let mut next = newest_start;
    for chunk in older.iter().rev() {
        let file = std::fs::metadata(&chunk.path);
        let file = file.map_err(|error| LogDamage::new(&chunk.path, error.to_string()))?;
        let (length, expected) = (file.len(), next - chunk.start);
        if length != expected {
            let detail = format!(
                "it has {length} bytes and must have {expected}, where the next file begins"
            );
            return Err(LogDamage::new(&chunk.path, detail));
        }
        next = chunk.start;
    }
    Ok(())
}

/// Looks whether the first entry is there that was not purged. A file that is gone from the begin is missed by nothing else.
///
/// # Errors
/// If it is not.
pub(super) fn check_begin(dir: &Path, log: &RaftLog<LogTypes>) -> Result<(), LogDamage> {
    let state = log.log_state();
    let first = state.purged().map_or(0, |purged| purged.0.index + 1);
    let Some(last) = state.last().filter(|last| last.0.index >= first) else {
        return Ok(());
    };
    let found = log.read(first, first + 1).next().transpose();
    let found = found.map_err(|error| LogDamage::new(dir, error.to_string()))?;
    if found.is_some_and(|(log_id, _)| log_id.0.index == first) {
        return Ok(());
    }
    let detail = format!(
        "it ends with entry {} and must begin with entry {first}, which is not there: a file is gone",
        last.0.index
    );
    Err(LogDamage::new(dir, detail))
}

/// Makes the bytes from `from` to `end` durable. What a killed process had written can be read, and may not be on the disk;
/// and a system whose sync has failed takes the same bytes for written the next time. So they are written once more.
fn write_again(path: &Path, from: u64, end: u64) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut bytes = vec![0; usize::try_from(end.saturating_sub(from)).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from)?;
    file.write_all_at(&bytes, from)?;
    file.sync_all()
}

/// The log's files, in order; none without a directory.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Chunk>> {
    let listed = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut chunks = Vec::new();
    for entry in listed {
        let entry = entry?;
        if let Ok(start) = Config::parse_chunk_file_name(&entry.file_name().to_string_lossy()) {
            let path = entry.path();
            chunks.push(Chunk { start, path });
        }
    }
    chunks.sort_unstable();
    Ok(chunks)
}

/// How many bytes of a file are whole records, if a crash can have left the rest.
fn whole_bytes(path: &Path) -> Result<u64, LogDamage> {
    let mut records = Records::open(path)?;
    loop {
        let at = records.at();
        match records.next() {
            Some(Ok(_)) => {}
            None => return Ok(at),
            Some(Err(error)) => return torn_bytes(path, at, &error).map(|_| at),
        }
    }
}

/// How many bytes stand behind the last whole record, if a crash can have left them: a record that
/// ends too early or was never filled in, with no further one behind it.
///
/// # Errors
/// If it is damage.
pub(super) fn torn_bytes(path: &Path, at: u64, error: &io::Error) -> Result<u64, LogDamage> {
    let bytes = std::fs::read(path).map_err(|error| LogDamage::new(path, error.to_string()))?;
    let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
    let rest = rest.unwrap_or_default();
    let is_cut = error.kind() == ErrorKind::UnexpectedEof;
    if !is_cut && rest.iter().any(|byte| *byte != 0) {
        return Err(bad_record(path, at, error));
    }
    // A damaged length looks like a cut; what follows tells that it is none.
    if let Some(found) = (1..rest.len()).find(|from| is_record(&rest[*from..])) {
        let found = at + found as u64;
        let detail =
            format!("the record at byte {at} can't be read, but one at byte {found} can: {error}");
        return Err(LogDamage::new(path, detail));
    }
    Ok(rest.len() as u64)
}

/// Whether a whole record begins here. Zeros are none.
fn is_record(bytes: &[u8]) -> bool {
    let [0, 0, 0, kind, ..] = bytes else {
        return false;
    };
    *kind < KINDS && RaftLogRecord::<LogTypes>::decode(bytes).is_ok()
}

pub(super) fn bad_record(path: &Path, at: u64, error: &io::Error) -> LogDamage {
    let detail = format!("the record at byte {at} can't be read: {error}");
    LogDamage::new(path, detail)
}

/// A file's records, one after the other.
pub(super) struct Records {
    reader: BufReader<File>,
    at: u64,
    length: u64,
}

impl Records {
    pub fn open(path: &Path) -> Result<Self, LogDamage> {
        let failed = |error: io::Error| LogDamage::new(path, error.to_string());
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok(Self {
            reader,
            at: 0,
            length,
        })
    }

    /// How many bytes were read: where the next record begins.
    pub fn at(&self) -> u64 {
        self.at
    }
}

impl Iterator for Records {
    type Item = io::Result<RaftLogRecord<LogTypes>>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.length).then(|| RaftLogRecord::decode(self))
    }
}

impl Read for Records {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buf)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use openraft::RaftLogReader;
    use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
    use openraft::type_config::TypeConfigExt;
    use proptest::prelude::*;
    use raft_log::{RaftLogAction, WALRecord};
    use tempfile::TempDir;

    use super::*;
    use crate::raft::log::LogStore;
    use crate::raft::types::{Entry, Group, LeaderId, LogId, Payload, TypeConfig, Vote};

    const ENTRIES: u64 = 12;

    fn log_id(index: u64) -> LogId {
        let (term, node_id) = (3, 1);
        let leader_id = LeaderId { term, node_id };
        LogId { leader_id, index }
    }

    fn entry(index: u64) -> Entry {
        Entry {
            log_id: log_id(index),
            payload: Payload::Normal(Group::splice(index as i64, [].iter(), Vec::new())),
        }
    }

    /// A log of a few entries, and a vote in their middle.
    fn log() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        TypeConfig::run(async {
            let mut log = LogStore::open(&dir.path().join("log")).unwrap();
            log.blocking_append((0..ENTRIES / 2).map(entry))
                .await
                .unwrap();
            let leader_id = log_id(0).leader_id;
            let committed = true;
            let vote = Vote {
                leader_id,
                committed,
            };
            log.save_vote(&vote).await.unwrap();
            log.save_committed(Some(log_id(3))).await.unwrap();
            let rest = (ENTRIES / 2..ENTRIES).map(entry);
            log.blocking_append(rest).await.unwrap();
        });
        dir
    }

    fn newest(dir: &TempDir) -> PathBuf {
        let mut chunks = list(&dir.path().join("log")).unwrap();
        chunks.pop().unwrap().path
    }

    /// The log's entries, or why it is refused.
    fn open(dir: &TempDir) -> Result<Vec<Entry>, String> {
        TypeConfig::run(async {
            let opened = LogStore::open(&dir.path().join("log"));
            let mut log = opened.map_err(|error| error.to_string())?;
            let read = log.try_get_log_entries(0..ENTRIES).await;
            read.map_err(|error| error.to_string())
        })
    }

    /// Bytes where the records begin, and the end.
    fn edges(path: &Path) -> Vec<u64> {
        let mut records = Records::open(path).unwrap();
        let mut edges = vec![0];
        while records.next().is_some() {
            edges.push(records.at());
        }
        edges
    }

    /// Bytes where the records of entries end.
    fn appended(path: &Path) -> Vec<u64> {
        let mut records = Records::open(path).unwrap();
        let mut ends = Vec::new();
        while let Some(record) = records.next() {
            if let WALRecord::Action(RaftLogAction::Append(..)) = record.unwrap() {
                ends.push(records.at());
            }
        }
        ends
    }

    /// A length that says too much looks like a record that a crash has cut off.
    #[test]
    fn a_damaged_length_is_no_torn_end() {
        let dir = log();
        let path = newest(&dir);
        let mut bytes = std::fs::read(&path).unwrap();
        let record = edges(&path)[2] as usize;
        let length = record + 4 + 24;
        bytes[length + 1] ^= 0x10;
        std::fs::write(&path, bytes).unwrap();
        let refused = open(&dir).unwrap_err();
        let said = format!("the record at byte {record} can't be read, but one at byte");
        assert!(refused.contains(&said), "{refused}");
    }

    /// A file whose first record can't be read is not one that was never written.
    #[test]
    fn a_file_with_a_damaged_begin_is_not_removed() {
        let dir = log();
        let path = newest(&dir);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3] = 1;
        std::fs::write(&path, &bytes).unwrap();
        let refused = open(&dir).unwrap_err();
        assert!(refused.contains("the record at byte 0"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn what_was_never_synced_may_be_torn_anywhere() {
        let dir = log();
        let path = newest(&dir);
        let whole = std::fs::read(&path).unwrap();
        let (edges, appended) = (edges(&path), appended(&path));
        for end in edges[1]..whole.len() as u64 {
            for chunk in list(&dir.path().join("log")).unwrap() {
                std::fs::remove_file(chunk.path).unwrap();
            }
            std::fs::write(&path, &whole[..end as usize]).unwrap();
            let whole = appended.iter().filter(|until| **until <= end).count() as u64;
            let expected: Vec<Entry> = (0..whole).map(entry).collect();
            assert_eq!(open(&dir).unwrap(), expected, "cut at {end}");
            assert_eq!(
                open(&dir).unwrap(),
                expected,
                "cut at {end}, the second time"
            );
        }
    }

    #[test]
    fn what_was_synced_is_missed_where_the_note_tells_of_it() {
        let dir = log();
        TypeConfig::run(async {
            let log = LogStore::open(&dir.path().join("log")).unwrap();
            log.note_synced().unwrap();
        });
        let path = newest(&dir);
        let whole = std::fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(5) {
            std::fs::write(&path, &whole[..end]).unwrap();
            let refused = open(&dir).unwrap_err();
            assert!(refused.contains("it was synced up to byte"), "{refused}");
            assert_eq!(std::fs::read(&path).unwrap(), &whole[..end]);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(open(&dir).unwrap_err().contains("it was synced up to byte"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever bits rot: the log is whole, or it is refused and left as it is.
        #[test]
        fn rotten_bits_never_shorten_a_log(flips in proptest::collection::vec((0.0..1.0, 0..8_u8), 1..3)) {
            let dir = log();
            TypeConfig::run(async {
                let log = LogStore::open(&dir.path().join("log")).unwrap();
                log.note_synced().unwrap();
            });
            let path = newest(&dir);
            let mut bytes = std::fs::read(&path).unwrap();
            for (place, bit) in flips {
                let at = (place * bytes.len() as f64) as usize;
                bytes[at] ^= 1 << bit;
            }
            std::fs::write(&path, &bytes).unwrap();
            match open(&dir) {
                Ok(entries) => prop_assert_eq!(entries, (0..ENTRIES).map(entry).collect::<Vec<_>>()),
                Err(_) => prop_assert_eq!(std::fs::read(&path).unwrap(), bytes),
            }
        }
    }
}
