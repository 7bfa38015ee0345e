//! Up to where the log is known to be synced, noted in a file beside it.
//!
//! A log that ends early looks the same whether a crash tore off what was never synced, or the disk lost what was.
//! The note tells them apart: it is written behind a sync, so whatever it says has been on the disk. It is
//! never synced itself: one that is old or lost makes less certain, and nothing wrong.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the file begins with.
const MAGIC: [u8; 4] = *b"CDsy";
/// Magic, the log's end in bytes, the checksum of both.
const NOTE_BYTES: usize = 16;

/// The note, and what it does not say yet.
#[derive(Debug)]
pub(super) struct Synced {
    path: PathBuf,
    end: AtomicU64,
    noted: AtomicU64,
}

impl Synced {
    /// Notes nothing yet; the log is synced up to `end`, counted in bytes since it was begun.
    pub fn new(path: PathBuf, end: u64) -> Self {
        Self {
            path,
            end: AtomicU64::new(end),
            noted: AtomicU64::new(0),
        }
    }

    /// The log has been synced up to there.
    pub fn reach(&self, end: u64) {
        self.end.fetch_max(end, Ordering::Relaxed);
    }

    /// Writes it down, if there is something new.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn note(&self) -> io::Result<()> {
        let end = self.end.load(Ordering::Relaxed);
        if self.noted.load(Ordering::Relaxed) == end {
            return Ok(());
        }
        let mut options = File::options();
        // In one piece over the last note: there is no moment without one.
        let file = options.create(true).truncate(false).write(true);
        file.open(&self.path)?.write_all_at(&encode(end), 0)?;
        // Only now: one that failed, as on a full disk, is tried again.
        self.noted.store(end, Ordering::Relaxed);
        Ok(())
    }
}

/// What the file of a note holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// There is none, or none that has come to the disk.
    None,
    /// The log was synced up to there.
    Upto(u64),
    /// Something else.
    Damaged,
}

/// Up to where the note says that the log was synced; 0 without a note, or with a damaged one.
///
/// # Errors
/// If the file is there and can't be read.
pub(super) fn read(path: &Path) -> io::Result<u64> {
    match look(path)? {
        Note::Upto(end) => Ok(end),
        Note::None => Ok(0),
        Note::Damaged => {
            tracing::warn!(
                "{} is damaged and ignored; it is written anew",
                path.display()
            );
            Ok(0)
        }
    }
}

/// What the note says.
///
/// # Errors
/// If the file is there and can't be read.
pub(super) fn look(path: &Path) -> io::Result<Note> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Note::None),
        Err(error) => return Err(error),
    };
    Ok(match decode(&bytes) {
        Some(end) => Note::Upto(end),
        // It is never synced: a power cut leaves the file without what was written.
        None if bytes.iter().all(|byte| *byte == 0) => Note::None,
        None => Note::Damaged,
    })
}

fn encode(end: u64) -> [u8; NOTE_BYTES] {
    let mut bytes = [0; NOTE_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..12].copy_from_slice(&end.to_be_bytes());
    let checksum = crc32fast::hash(&bytes[..12]);
    bytes[12..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let end = u64::from_be_bytes(bytes.get(4..12)?.try_into().ok()?);
    (bytes == encode(end)).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_failed_is_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log-synced");
        fs::create_dir(&path).unwrap();
        let synced = Synced::new(path.clone(), 7);
        synced.note().unwrap_err();
        fs::remove_dir(&path).unwrap();
        synced.note().unwrap();
        assert_eq!(read(&path).unwrap(), 7);
    }

    #[test]
    fn a_note_comes_back_and_a_damaged_one_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log-synced");
        assert_eq!(read(&path).unwrap(), 0);
        let synced = Synced::new(path.clone(), 7);
        synced.note().unwrap();
        assert_eq!(read(&path).unwrap(), 7);
        synced.reach(1 << 40);
        synced.reach(8);
        synced.note().unwrap();
        assert_eq!(read(&path).unwrap(), 1 << 40);
        let whole = fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).unwrap();
            assert_eq!(read(&path).unwrap(), 0, "bit {bit}");
        }
        fs::write(&path, &whole[..9]).unwrap();
        assert_eq!(read(&path).unwrap(), 0);
    }
}
