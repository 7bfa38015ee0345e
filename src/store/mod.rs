//! The state on disk and in memory: rows, indexes, and the files they live in.
//!
//! Lowest layer: knows tasks as rows, but not what claims or timeouts mean.

use std::io;
use std::path::PathBuf;

pub mod answer;
mod apply;
pub mod awaited;
mod blocks;
mod check;
mod checkpoint;
pub mod controls;
pub mod counts;
mod delayed;
pub mod directory;
mod disk;
mod diverged;
pub mod documents;
pub mod durable;
mod exchange;
pub mod figures;
mod files;
mod frozen;
#[cfg(test)]
mod fuzz;
pub mod groups;
mod handle;
pub mod hashes;
mod heads;
pub mod history;
mod keys;
mod layered;
pub mod ledger;
mod lines;
mod load;
pub mod memory;
mod options;
mod overlay;
mod pace;
mod packed;
mod pieces;
pub mod ready;
pub mod record;
mod recovery;
mod redo;
mod remembered;
mod repack;
mod scan;
pub mod scrub;
pub mod snapshot;
mod state;
mod steady;
mod sum;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod verify;
pub mod view;

pub use diverged::diverged_in;
pub use handle::{Guard, Store};
pub use ledger::Ledger;
pub use memory::MemoryStore;
pub use options::{Options, StoreMetrics};
pub use pace::{Pace, Report};
pub use pieces::pieces;
pub use snapshot::{SnapshotFile, SnapshotReader, read_snapshot};
pub use state::State;
pub use steady::SteadyFile;
pub use view::{Change, Changes, TaskPage, View};

/// Why a store can't answer. Whoever meets one while applying stops the node.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as in "write".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The operating system refused something to sled, which goes on refusing it until it is opened again.
    #[error("use {}: {source}", path.display())]
    Sled {
        /// Where sled's files are.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was read is not what was written.
    #[error("{what} is damaged: {detail}")]
    Damaged {
        /// The file or keyspace.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The embedded store failed.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
}

impl StoreError {
    /// Whether a disk had no room: that tells nothing of what was read.
    pub fn is_full(&self) -> bool {
        let source = match self {
            Self::Io { source, .. } | Self::Sled { source, .. } => source,
            _ => return false,
        };
        source.kind() == io::ErrorKind::StorageFull
    }

    /// What was read is not what was written, or a change does not follow on what is stored.
    pub(crate) fn damaged(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Damaged {
            what: what.into(),
            detail: detail.into(),
        }
    }
}
