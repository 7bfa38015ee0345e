//! A node's wall clock, as libfaketime shows it to the process. Clocks that only measure how much time went by stay true.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Pid;

use super::tools::is_dead;
use crate::Failed;

/// Where Debian, Fedora and Arch keep it.
const LIBRARIES: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
];
const RIGHT: &str = "+0";
/// What libfaketime calls what it shares, before the process's id.
const OF_A_PROCESS: [&str; 2] = ["faketime_shm_", "sem.faketime_sem_"];

/// Sets the clock of the processes that it dresses, also while they run.
pub struct FakeClock {
    library: PathBuf,
    file: PathBuf,
}

impl FakeClock {
    /// A clock that goes right, kept in `file`.
    ///
    /// # Errors
    /// Where libfaketime is not there.
    pub fn create(file: PathBuf) -> Result<Self, Failed> {
        let library = library().ok_or("libfaketime is not there")?;
        let clock = Self { library, file };
        clock.set(RIGHT)?;
        Ok(clock)
    }

    /// Lets a process that is to be started go by this clock.
    pub fn dress(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
    }

    /// Lets it go wrong, as in `+3600`, `-1d` or `+0 x2` (twice as fast since the process began).
    ///
    /// # Errors
    /// Where that can't be written.
    pub fn set(&self, how: &str) -> Result<(), Failed> {
        // Processes read it all the time, and must never see half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{how}\n"))?;
        Ok(fs::rename(new, &self.file)?)
    }

    /// Lets it go right.
    ///
    /// # Errors
    /// Where that can't be written.
    pub fn set_right(&self) -> Result<(), Failed> {
        self.set(RIGHT)
    }
}

fn library() -> Option<PathBuf> {
    let mut libraries = LIBRARIES.iter().map(Path::new);
    libraries
        .find(|library| library.is_file())
        .map(Path::to_owned)
}

/// Removes what libfaketime shares between threads, of processes that were killed: it does so only at an end in order.
pub fn forget_the_dead() {
    let Ok(shared) = fs::read_dir("/dev/shm") else {
        return;
    };
    for file in shared.flatten() {
        let name = file.file_name();
        let owner = OF_A_PROCESS
            .iter()
            .find_map(|prefix| name.to_str()?.strip_prefix(prefix));
        let owner = owner.and_then(|owner| owner.parse().ok());
        if owner.and_then(Pid::from_raw).is_some_and(is_dead) {
            // What stays is a few bytes.
            let _ = fs::remove_file(file.path());
        }
    }
}

/// Why this machine can't do it.
pub fn missing() -> Option<String> {
    let missing = "libfaketime is not there; install it (`apt-get install faketime`)";
    library().is_none().then(|| missing.to_owned())
}
