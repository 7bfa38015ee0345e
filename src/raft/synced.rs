//! Up to where the log is known to be synced, noted in a file beside it.
//!
//! A log that ends early looks the same whether a crash tore off what was never synced, or the disk lost what was.
//! The note tells them apart: it is written behind a sync, so whatever it says has been on the disk. It is
//! never synced itself: one that is old or lost makes less certain, and nothing wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::note::{self, Magic, Note};

/// What the file begins with.
const MAGIC: Magic = *b"CDsy";

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
        note::write(&self.path, MAGIC, end)?;
        // Only now: one that failed, as on a full disk, is tried again.
        self.noted.store(end, Ordering::Relaxed);
        Ok(())
    }
}

/// Up to where the note says that the log was synced; 0 without a note, or with a damaged one.
///
/// # Errors
/// If the file is there and can't be read.
pub(super) fn read(path: &Path) -> io::Result<u64> {
    note::read(path, MAGIC)
}

/// What the note says.
///
/// # Errors
/// If the file is there and can't be read.
pub(super) fn look(path: &Path) -> io::Result<Note> {
    note::look(path, MAGIC)
}

#[cfg(test)]
mod tests {
    use std::fs;

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
    fn only_the_furthest_is_noted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log-synced");
        let synced = Synced::new(path.clone(), 7);
        synced.note().unwrap();
        assert_eq!(read(&path).unwrap(), 7);
        synced.reach(1 << 40);
        synced.reach(8);
        synced.note().unwrap();
        assert_eq!(read(&path).unwrap(), 1 << 40);
    }
}
