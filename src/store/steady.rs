//! A file that is synced while it is written.
//!
//! A log on the same disk is synced for each group of commands. Behind a file of hundreds of
//! megabytes that is synced at once, it would wait until all of it is written.

use std::fs::File;
use std::io::{self, Write};

/// What may wait to be written.
pub const STEP_BYTES: usize = 512 << 10;

/// Writes to a file, and syncs it every few hundred KiB.
#[derive(Debug)]
pub struct SteadyFile {
    file: File,
    unsynced: usize,
}

impl SteadyFile {
    /// Writes to that file.
    pub fn new(file: File) -> Self {
        Self { file, unsynced: 0 }
    }

    /// Makes all of it durable, but not its name.
    ///
    /// # Errors
    /// If it can't be synced.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Write for SteadyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= STEP_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
