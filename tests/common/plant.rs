//! Changes what a stopped node has on disk, as no checksum tells of it.

use std::fs;
use std::path::{Path, PathBuf};

/// The checkpoint, and what says how it was last finished: a changed header must not look like a lost end.
fn open(data_dir: &Path) -> sled::Db {
    let group = data_dir.join("group-0");
    let done = group.join("redo.done");
    if done.exists() {
        fs::remove_file(done).unwrap();
    }
    sled::open(group.join("checkpoint")).unwrap()
}

/// Takes away the first row of a keyspace, and nothing else.
pub fn lose_row(data_dir: &Path, keyspace: &str) {
    let db = open(data_dir);
    let tree = db.open_tree(keyspace).unwrap();
    let lost = tree.pop_min().unwrap();
    assert!(lost.is_some(), "{keyspace} has no row");
    db.flush().unwrap();
}

/// Changes the payload of a live task that holds those bytes, and nothing that is kept in step with it.
pub fn change_payload(data_dir: &Path, bytes: &[u8]) {
    let db = open(data_dir);
    let live = db.open_tree("live").unwrap();
    let holds = |value: &[u8]| value.windows(bytes.len()).position(|found| found == bytes);
    let mut rows = live.iter().map(Result::unwrap);
    let (key, value, at) = rows
        .find_map(|(key, value)| holds(&value).map(|at| (key, value, at)))
        .expect("a live task with that payload");
    let mut changed = value.to_vec();
    changed[at] ^= 1;
    live.insert(key, changed).unwrap();
    db.flush().unwrap();
}

/// Changes the state hash that is kept.
pub fn change_hash(data_dir: &Path, hash: u64) {
    let db = open(data_dir);
    let header = db.open_tree("header").unwrap();
    let mut value = header.get("header").unwrap().unwrap().to_vec();
    let bytes = hash.to_le_bytes();
    let at = value.windows(8).position(|found| found == bytes);
    value[at.expect("the state hash in the header")] ^= 1;
    header.insert("header", value).unwrap();
    db.flush().unwrap();
}

/// Flips a bit in the middle of the largest file of the log.
pub fn damage_log(data_dir: &Path) {
    let path = largest_file(&data_dir.join("group-0/log"));
    let middle = fs::metadata(&path).unwrap().len() / 2;
    flip_bit(&path, middle as usize);
}

/// Takes the last bytes of the log, as a disk does that loses what it said was written: it looks like an end that a crash tore.
pub fn lose_end_of_log(data_dir: &Path) {
    let group = data_dir.join("group-0");
    // What tells that the end was synced comes up to a second late.
    let note = group.join("log-synced");
    if note.exists() {
        fs::remove_file(note).unwrap();
    }
    let path = largest_file(&group.join("log"));
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 10).unwrap();
}

/// Flips a bit in the snapshot: in its header, or in the middle of its rows.
pub fn damage_snapshot(data_dir: &Path, in_header: bool) {
    let path = largest_file(&data_dir.join("group-0/snapshot"));
    let middle = fs::metadata(&path).unwrap().len() as usize / 2;
    flip_bit(&path, if in_header { 40 } else { middle });
}

fn largest_file(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    files
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap()
}

fn flip_bit(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}
