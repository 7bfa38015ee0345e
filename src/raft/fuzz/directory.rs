//! The log as a whole: files that were cut, filled with zeros, or whose bits have rotted.
//!
//! A log is refused, or what it says of itself is what it once said: the state behind one of its records. Where it is
//! noted how far the log was synced, it is refused, or it says what it said last.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use openraft::RaftLogReader;
use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::{Config, RaftLog};

use super::records::{group, log_id, membership};
use crate::fuzz::{Input, Output, fuzz_target, scratch};
use crate::raft::codec::{StoredLogId, StoredPayload, StoredVote};
use crate::raft::log::{LogStore, LogTypes};
use crate::raft::tail::{self, Records};
use crate::raft::types::{Entry, LogId, Payload, Vote};

fuzz_target!(
    /// A log of several files, changed behind its back.
    log_directory, 4000, seeds, run
);

/// Records in a file of the log: few, so that there are several files.
const FILE_RECORDS: usize = 6;

/// What a log says of itself.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    entries: Vec<Entry>,
}

/// A log as it was written: its files, and what it said behind each of its records.
struct Written {
    files: Vec<(PathBuf, Vec<u8>)>,
    said: Vec<Said>,
}

fn entry(index: u64) -> (StoredLogId, StoredPayload) {
    let payload = match index % 3 {
        0 => Payload::Blank,
        1 => Payload::Normal(group()),
        _ => Payload::Membership(membership()),
    };
    (StoredLogId(log_id(index)), StoredPayload::of(&payload))
}

/// Writes a log with all kinds of records.
fn write(dir: &Path) {
    let mut config = Config::new(dir.display());
    config.wal.chunk_max_records = Some(FILE_RECORDS);
    let mut log = RaftLog::<LogTypes>::open(Arc::new(config)).unwrap();
    let vote = |committed| {
        StoredVote(Vote {
            leader_id: log_id(0).leader_id,
            committed,
        })
    };
    log.save_vote(vote(false)).unwrap();
    log.append((0..4).map(entry)).unwrap();
    log.save_vote(vote(true)).unwrap();
    log.commit(StoredLogId(log_id(2))).unwrap();
    log.append((4..9).map(entry)).unwrap();
    log.truncate(8).unwrap();
    log.append((8..12).map(entry)).unwrap();
    log.purge(StoredLogId(log_id(1))).unwrap();
    log.commit(StoredLogId(log_id(10))).unwrap();
    // Dropped, it waits for its flush thread.
    log.flush(true, None).unwrap();
}

fn written() -> &'static Written {
    static WRITTEN: OnceLock<Written> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let dir = scratch().join("written").join("log");
        fs::create_dir_all(&dir).unwrap();
        write(&dir);
        let chunks = tail::list(&dir).unwrap();
        assert!(chunks.len() > 2, "{chunks:?}");
        let name = |path: &Path| PathBuf::from(path.file_name().unwrap());
        let files: Vec<_> = chunks
            .iter()
            .map(|chunk| (name(&chunk.path), fs::read(&chunk.path).unwrap()))
            .collect();
        let mut said = Vec::new();
        for (number, chunk) in chunks.iter().enumerate() {
            let mut records = Records::open(&chunk.path).unwrap();
            loop {
                let mut cut: Vec<_> = files[..=number].to_vec();
                cut[number].1.truncate(records.at() as usize);
                said.extend(open(&put("cut", &cut, None)));
                if records.next().is_none() {
                    break;
                }
            }
        }
        Written { files, said }
    })
}

/// Puts a log's files, and the note of how far they were synced, into a directory of that name.
fn put(name: &str, files: &[(PathBuf, Vec<u8>)], synced: Option<u64>) -> PathBuf {
    let parent = scratch().join(name);
    let _ = fs::remove_dir_all(&parent);
    let dir = parent.join("log");
    fs::create_dir_all(&dir).unwrap();
    for (file, bytes) in files {
        fs::write(dir.join(file), bytes).unwrap();
    }
    if let Some(end) = synced {
        crate::raft::synced::Synced::new(parent.join("log-synced"), end)
            .note()
            .unwrap();
    }
    dir
}

/// What the log says, none if it is refused.
fn open(dir: &Path) -> Option<Said> {
    let mut log = LogStore::open(dir).ok()?;
    let (from, to) = (log.first_index(), log.last_index().saturating_add(1));
    let entries = futures::executor::block_on(log.try_get_log_entries(from..to)).ok()?;
    let state = log.log.lock();
    let state = state.log_state();
    Some(Said {
        vote: state.vote().map(|vote| vote.0),
        committed: state.committed().map(|committed| committed.0),
        purged: state.purged().map(|purged| purged.0),
        entries,
    })
}

fn run(bytes: &[u8]) {
    let written = written();
    let mut input = Input::new(bytes);
    let is_noted = input.byte() & 1 == 1;
    let mut files = written.files.clone();
    while !input.is_empty() && !files.is_empty() {
        change(&mut files, &mut input);
    }
    let end = written
        .files
        .iter()
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    let dir = put("changed", &files, is_noted.then_some(end));
    let whole: Vec<_> = files
        .iter()
        .map(|(file, _)| whole(&dir.join(file)))
        .collect();
    let Some(said) = open(&dir) else {
        // Refused, and no whole record is lost: what can't be read at the end may be gone, and a file without one begun anew.
        for ((file, bytes), whole) in files.iter().zip(whole) {
            let left = fs::read(dir.join(file)).unwrap_or_default();
            assert!(left.starts_with(&bytes[..whole]), "{file:?}");
        }
        return;
    };
    match is_noted {
        true => assert_eq!(Some(&said), written.said.last()),
        false => assert!(written.said.contains(&said), "{said:?}"),
    }
    assert_eq!(open(&dir), Some(said), "the second time");
}

/// How many bytes of a file are whole records.
fn whole(path: &Path) -> usize {
    let mut records = Records::open(path).unwrap();
    let mut whole = 0;
    while let Some(Ok(_)) = records.next() {
        whole = records.at() as usize;
    }
    whole
}

/// One change of one file. Whole records are not taken out or put in: each has a checksum of its own, so only the note
/// of what was synced misses one, and no disk does that.
fn change(files: &mut Vec<(PathBuf, Vec<u8>)>, input: &mut Input<'_>) {
    let (which, kind, arg) = (input.byte(), input.byte(), input.byte());
    let number = usize::from(which) % files.len();
    let bytes = &mut files[number].1;
    let at = usize::from(u16::from_le_bytes([input.byte(), input.byte()])) % (bytes.len() + 1);
    let end = (at + usize::from(arg)).min(bytes.len());
    match kind % 8 {
        0 => bytes.truncate(at),
        1 => bytes[at..end].fill(0),
        3 => bytes.extend(std::iter::repeat_n(0, arg.into())),
        5 => drop(files.remove(number)),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= arg;
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let change = |is_noted: u8, which: u8, kind: u8, arg: u8, at: u16| {
        let mut seed = Output::default();
        seed.byte(is_noted).byte(which).byte(kind).byte(arg);
        seed.rest(&at.to_le_bytes());
        seed.bytes()
    };
    let mut seeds = vec![vec![0], vec![1]];
    for is_noted in [0, 1] {
        for kind in 0..7 {
            seeds.push(change(is_noted, 2, kind, 1, 40));
            seeds.push(change(is_noted, 0, kind, 16, 90));
        }
    }
    seeds
}
