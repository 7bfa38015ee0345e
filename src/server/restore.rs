//! `corndogs restore`: a backup into a new data directory.

use std::fs;
use std::path::Path;

use super::SINGLE_NODE;
use super::error::{ServerError, start_error};
use super::open::log_dir;
use crate::clock;
use crate::raft;
use crate::store::directory::{DataDir, DirectoryError, Identity};
use crate::store::{self, Store, View, read_snapshot};

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Live tasks.
    pub live: u64,
    /// The last log index in the backup.
    pub index: u64,
}

/// Makes a data directory for a single node out of a backup. The directory must be new or empty.
///
/// # Errors
/// If the backup is damaged, the directory is not empty, or files can't be written.
pub fn restore(data_dir: &Path, backup: &Path) -> Result<Restored, ServerError> {
    let failed = |why: std::io::Error| start_error("restore")(why.to_string());
    // A backup that can't be read must not leave a directory behind.
    read_snapshot(backup)?;
    refuse_used(data_dir)?;
    let fresh = Identity {
        cluster_id: clock::random_uuid(),
        node_id: SINGLE_NODE,
    };
    let mut directory = DataDir::open(data_dir, SINGLE_NODE)?;
    directory.identity_or(fresh)?;
    let group = directory.group(0);
    fs::create_dir_all(&group).map_err(failed)?;
    // Installing moves the file: the backup itself stays where it is.
    let copy = group.join("restore.tmp");
    fs::copy(backup, &copy).map_err(failed)?;
    let store = Store::open(&group, store::Options::default())?;
    store.install_snapshot(&copy)?;
    let (position, live) = {
        let state = store.lock();
        (state.header().position.clone(), state.counts().total())
    };
    raft::begin_log_at(&log_dir(&group), SINGLE_NODE, &position).map_err(failed)?;
    Ok(Restored {
        live,
        index: position.index,
    })
}

fn refuse_used(data_dir: &Path) -> Result<(), ServerError> {
    let used = data_dir.join("identity");
    if used.exists() {
        return Err(DirectoryError::NotEmpty {
            path: data_dir.to_owned(),
        }
        .into());
    }
    Ok(())
}
