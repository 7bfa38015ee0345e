//! Where a run keeps the nodes' data, and what earlier runs have left behind that could not clean up.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::clock::forget_the_dead;
use super::tools::is_dead;
use super::volume::unmount_now;
use crate::Failed;

const PREFIX: &str = "jepsen-lite-";
/// Names the process that the directory belongs to.
const OWNER: &str = "owner";

/// A directory that is removed when it is dropped.
pub struct Home(TempDir);

impl Home {
    /// A new one.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn create() -> Result<Self, Failed> {
        let home = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        fs::write(home.path().join(OWNER), std::process::id().to_string())?;
        Ok(Self(home))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        forget_the_dead();
    }
}

/// Ends the nodes, unmounts the volumes and removes the data of runs that were killed.
pub fn clean_up_after_the_dead() {
    forget_the_dead();
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().as_bytes().starts_with(PREFIX.as_bytes());
        if is_ours && is_orphan(&entry.path()) {
            kill_nodes(&entry.path());
            for mount in mounts_in(&entry.path()) {
                unmount_now(&mount);
            }
            // What can't be removed is tried again by the next run.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the process is gone that made it.
fn is_orphan(home: &Path) -> bool {
    let owner = fs::read_to_string(home.join(OWNER)).unwrap_or_default();
    let owner = owner.parse().ok().and_then(Pid::from_raw);
    owner.is_some_and(is_dead)
}

/// Kills whoever was started with a data directory in there.
fn kill_nodes(home: &Path) {
    let Ok(processes) = procfs::process::all_processes() else {
        return;
    };
    let home = home.to_string_lossy();
    for process in processes.flatten() {
        let arguments = process.cmdline().unwrap_or_default();
        let is_node = arguments
            .iter()
            .any(|argument| argument.starts_with(&*home));
        if let (true, Some(pid)) = (is_node, Pid::from_raw(process.pid)) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn mounts_in(home: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let points = points.map(PathBuf::from);
    points.filter(|point| point.starts_with(home)).collect()
}
