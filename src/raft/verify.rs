//! Reads a stopped node's log without opening it: opening drops a torn end, and may remove files.
//!
//! Every record is read and its checksum compared, and what the records say must follow on each other.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use codeq::Decode;
use raft_log::chunked_wal::Config;
use raft_log::{RaftLogAction, RaftLogRecord, WALRecord};

use super::codec::{self, StoredPayload};
use super::log::LogTypes;
use super::types::{LogId, Payload, Vote};
use crate::queue;
use crate::store::record::Position;

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

/// What a whole log holds.
#[derive(Debug, Default)]
pub struct LogContents {
    /// How many files it has.
    pub files: usize,
    /// How many records are whole.
    pub records: u64,
    /// Bytes of a last record that a crash has cut off; the next start drops them.
    pub torn_bytes: u64,
    entries: BTreeMap<u64, LogId>,
    vote: Option<Vote>,
    last: Option<LogId>,
    purged: Option<LogId>,
    committed: Option<LogId>,
}

impl LogContents {
    /// The first index that is not purged.
    pub fn first_index(&self) -> u64 {
        self.purged.map_or(0, |purged| purged.index + 1)
    }

    /// The index that the next entry will get.
    pub fn next_index(&self) -> u64 {
        self.last.map_or(0, |last| last.index + 1)
    }

    /// Whether a state at this position can go on with this log.
    ///
    /// # Errors
    /// Why it can't: entries are missing between them, or they tell different stories.
    pub fn check_position(&self, position: &Position) -> Result<(), String> {
        let log_id = codec::log_id_from_bytes(&position.log_id);
        let log_id = log_id.map_err(|error| error.to_string())?;
        codec::membership_from_bytes(&position.membership).map_err(|error| error.to_string())?;
        if log_id.map_or(0, |log_id| log_id.index) != position.index {
            return Err(format!("it says index {} and {log_id:?}", position.index));
        }
        let next = log_id.map_or(0, |log_id| log_id.index + 1);
        let (first, end) = (self.first_index(), self.next_index());
        if first > next || end < next {
            return Err(format!(
                "it needs the log's entry {next} next, but the log goes from {first} to before {end}"
            ));
        }
        let Some(log_id) = log_id else {
            return Ok(());
        };
        let purged = self.purged.filter(|purged| purged.index == log_id.index);
        match self.entries.get(&log_id.index).copied().or(purged) {
            Some(found) if found != log_id => Err(format!(
                "it has applied {log_id}, but the log holds {found}"
            )),
            _ => Ok(()),
        }
    }

    /// Takes the next record.
    fn add(&mut self, record: RaftLogRecord<LogTypes>) -> Result<(), String> {
        match record {
            WALRecord::Checkpoint(state) => {
                let vote = state.vote().map(|vote| vote.0);
                let last = state.last().map(|last| last.0);
                if self.records > 0 && (vote, last) != (self.vote, self.last) {
                    return Err("it does not go on where the file before it ends".to_owned());
                }
                self.vote = vote;
                self.last = last;
                self.purged = state.purged().map(|purged| purged.0);
                self.committed = state.committed().map(|committed| committed.0);
            }
            WALRecord::Action(RaftLogAction::SaveVote(vote)) => {
                if Some(vote.0) < self.vote {
                    return Err(format!("the vote {} is older than the last one", vote.0));
                }
                self.vote = Some(vote.0);
            }
            WALRecord::Action(RaftLogAction::Append(log_id, payload)) => {
                self.append(log_id.0, &payload)?;
            }
            WALRecord::Action(RaftLogAction::Commit(log_id)) => {
                if Some(log_id.0) > self.last {
                    return Err(format!("{} is committed but not there", log_id.0));
                }
                self.committed = Some(log_id.0);
            }
            WALRecord::Action(RaftLogAction::TruncateAfter(log_id)) => {
                let keep = log_id.map(|log_id| log_id.0);
                if keep < self.committed {
                    return Err("committed entries are taken back".to_owned());
                }
                self.entries
                    .split_off(&keep.map_or(0, |keep| keep.index + 1));
                self.last = self.last.min(keep);
            }
            WALRecord::Action(RaftLogAction::PurgeUpto(log_id)) => {
                self.entries = self.entries.split_off(&(log_id.0.index + 1));
                self.purged = self.purged.max(Some(log_id.0));
                self.last = self.last.max(self.purged);
            }
        }
        self.records += 1;
        Ok(())
    }

    fn append(&mut self, log_id: LogId, payload: &StoredPayload) -> Result<(), String> {
        let is_next = self.last.is_none() || log_id.index == self.next_index();
        if !is_next || Some(log_id) <= self.last {
            let last = self.last.map_or_else(String::new, |last| last.to_string());
            return Err(format!("entry {log_id} follows on entry {last}"));
        }
        let unreadable = |error: &dyn std::fmt::Display| format!("entry {log_id}: {error}");
        if let Payload::Normal(group) = payload.payload().map_err(|error| unreadable(&error))? {
            let group = group.decode().map_err(|error| unreadable(&error))?;
            if group.version > queue::VERSION {
                return Err(unreadable(&"a newer version of corndogs wrote it"));
            }
        }
        self.entries.insert(log_id.index, log_id);
        self.last = Some(log_id);
        Ok(())
    }
}

/// Reads the whole log in `dir`, and changes nothing. Without a directory it is an empty log.
///
/// # Errors
/// What is damaged, or can't be read.
pub fn read_log(dir: &Path) -> Result<LogContents, LogDamage> {
    let mut files = list(dir).map_err(|error| damage(dir, error.to_string()))?;
    let mut log = LogContents::default();
    // A start removes files at the end whose first record was never written.
    while let Some((_, path)) = files.last() {
        let Some(bytes) = unwritten(path)? else { break };
        log.torn_bytes += bytes;
        files.pop();
    }
    log.files = files.len();
    let mut end = None;
    for (number, (start, path)) in files.iter().enumerate() {
        if let Some(end) = end.filter(|end| end != start) {
            let detail =
                format!("it begins at byte {start} of the log, the file before it ends at {end}");
            return Err(damage(path, detail));
        }
        let is_last = number + 1 == files.len();
        end = Some(start + read_file(path, is_last, &mut log)?);
    }
    let (first, next) = (log.first_index(), log.next_index());
    let found = log.entries.keys().next().copied().unwrap_or(next);
    if found > first {
        let detail = format!("the entries {first} to {} are missing", found - 1);
        return Err(damage(dir, detail));
    }
    Ok(log)
}

/// The log's files with their places in it, in order.
fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let listed = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut files = Vec::new();
    for entry in listed {
        let entry = entry?;
        if let Ok(start) = Config::parse_chunk_file_name(&entry.file_name().to_string_lossy()) {
            files.push((start, entry.path()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Reads a file's records into `log`, and tells how long they are.
fn read_file(path: &Path, is_last: bool, log: &mut LogContents) -> Result<u64, LogDamage> {
    let failed = |error: io::Error| damage(path, error.to_string());
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut reader = Counted {
        inner: BufReader::with_capacity(BUFFER_BYTES, file),
        at: 0,
    };
    while reader.at < length {
        let at = reader.at;
        match RaftLogRecord::decode(&mut reader) {
            Ok(record) => log
                .add(record)
                .map_err(|detail| damage(path, format!("the record at byte {at}: {detail}")))?,
            Err(error) if is_last => {
                log.torn_bytes += torn(path, at, &error)?;
                return Ok(at);
            }
            Err(error) => return Err(bad_record(path, at, &error)),
        }
    }
    Ok(length)
}

/// How many bytes a file holds whose first record is not whole; none if it is.
fn unwritten(path: &Path) -> Result<Option<u64>, LogDamage> {
    let file = File::open(path).map_err(|error| damage(path, error.to_string()))?;
    match RaftLogRecord::<LogTypes>::decode(BufReader::new(file)) {
        Ok(_) => Ok(None),
        Err(error) => torn(path, 0, &error).map(Some),
    }
}

/// How many bytes stand behind the last whole record, if a crash can have left them: a record that
/// ends too early or was never filled in, with no further one behind it.
fn torn(path: &Path, at: u64, error: &io::Error) -> Result<u64, LogDamage> {
    let bytes = std::fs::read(path).map_err(|error| damage(path, error.to_string()))?;
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
        return Err(damage(path, detail));
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

fn bad_record(path: &Path, at: u64, error: &io::Error) -> LogDamage {
    damage(
        path,
        format!("the record at byte {at} can't be read: {error}"),
    )
}

fn damage(path: &Path, detail: String) -> LogDamage {
    LogDamage {
        path: path.to_owned(),
        detail,
    }
}

/// Knows how far it has read.
struct Counted<R> {
    inner: R,
    at: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.at += read as u64;
        Ok(read)
    }
}
