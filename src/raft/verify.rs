//! Reads a stopped node's log without opening it: opening drops a torn end, and may remove files.
//!
//! Every record is read and its checksum compared, and what the records say must follow on each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use raft_log::{RaftLogAction, RaftLogRecord, WALRecord};

use super::codec::{self, StoredPayload};
use super::log::{LogTypes, NOTE};
use super::synced;
pub use super::tail::LogDamage;
use super::tail::{Chunk, Records, bad_record, list, torn_bytes};
use super::types::{LogId, Payload, Vote};
use crate::note::Note;
use crate::queue;
use crate::store::record::Position;

/// A file of the log.
#[derive(Debug)]
pub struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// How many of its records are whole.
    pub records: u64,
    /// Bytes of a last record that a crash has cut off; the next start drops them.
    pub torn_bytes: u64,
}

/// What a whole log holds.
#[derive(Debug, Default)]
pub struct LogContents {
    /// Its files, the oldest first.
    pub files: Vec<LogFile>,
    /// Up to which byte the log is known to have been synced.
    pub synced_bytes: u64,
    /// Whether the note that tells this is damaged.
    pub note_is_damaged: bool,
    has_begun: bool,
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
                if self.has_begun && (vote, last) != (self.vote, self.last) {
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
        self.has_begun = true;
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

/// Where the note lies that says up to where the log in `dir` was synced.
pub fn note_path(dir: &Path) -> PathBuf {
    dir.with_file_name(NOTE)
}

/// Reads the whole log in `dir`, and changes nothing. Without a directory it is an empty log.
///
/// # Errors
/// What is damaged, or can't be read.
pub fn read_log(dir: &Path) -> Result<LogContents, LogDamage> {
    let mut chunks = list(dir).map_err(|error| LogDamage::new(dir, error.to_string()))?;
    let note = synced::look(&note_path(dir));
    let note = note.map_err(|error| LogDamage::new(&note_path(dir), error.to_string()))?;
    let mut log = LogContents {
        note_is_damaged: note == Note::Damaged,
        synced_bytes: match note {
            Note::Is(end) => end,
            Note::None | Note::Damaged => 0,
        },
        ..LogContents::default()
    };
    // A start removes files at the end whose first record was never written.
    let mut unwritten = Vec::new();
    while let Some(chunk) = chunks.last() {
        let Some(torn_bytes) = unwritten_bytes(chunk)? else {
            break;
        };
        let path = chunk.path.clone();
        let records = 0;
        unwritten.push(LogFile {
            path,
            records,
            torn_bytes,
        });
        chunks.pop();
    }
    let mut end = None;
    for (number, chunk) in chunks.iter().enumerate() {
        let start = chunk.start;
        if let Some(end) = end.filter(|end| *end != start) {
            let detail =
                format!("it begins at byte {start} of the log, the file before it ends at {end}");
            return Err(LogDamage::new(&chunk.path, detail));
        }
        let is_last = number + 1 == chunks.len();
        end = Some(start + read_file(&chunk.path, is_last, &mut log)?);
    }
    let (end, synced) = (end.unwrap_or(0), log.synced_bytes);
    if end < synced {
        let detail = format!(
            "it was synced up to byte {synced}, and can be read only up to byte {end}: the rest is gone or damaged"
        );
        return Err(LogDamage::new(dir, detail));
    }
    let (first, next) = (log.first_index(), log.next_index());
    let found = log.entries.keys().next().copied().unwrap_or(next);
    if found > first {
        let detail = format!("the entries {first} to {} are missing", found - 1);
        return Err(LogDamage::new(dir, detail));
    }
    log.files.extend(unwritten.into_iter().rev());
    Ok(log)
}

/// Reads a file's records into `log`, and tells how many bytes of it are whole.
fn read_file(path: &Path, is_last: bool, log: &mut LogContents) -> Result<u64, LogDamage> {
    let mut file = LogFile {
        path: path.to_owned(),
        records: 0,
        torn_bytes: 0,
    };
    let mut records = Records::open(path)?;
    let mut at = 0;
    while let Some(record) = records.next() {
        match record {
            Ok(record) => log.add(record).map_err(|detail| {
                LogDamage::new(path, format!("the record at byte {at}: {detail}"))
            })?,
            Err(error) if is_last => {
                file.torn_bytes = torn_bytes(path, at, &error)?;
                break;
            }
            Err(error) => return Err(bad_record(path, at, &error)),
        }
        file.records += 1;
        at = records.at();
    }
    log.files.push(file);
    Ok(at)
}

/// How many bytes a file holds whose first record is not whole; none if it is.
fn unwritten_bytes(chunk: &Chunk) -> Result<Option<u64>, LogDamage> {
    match Records::open(&chunk.path)?.next() {
        Some(Ok(_)) => Ok(None),
        None => Ok(Some(0)),
        Some(Err(error)) => torn_bytes(&chunk.path, 0, &error).map(Some),
    }
}
