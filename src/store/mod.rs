//! The state on disk and in memory: rows, indexes, and the files they live in.
//!
//! Lowest layer: knows tasks as rows, but not what claims or timeouts mean.

use std::io;
use std::path::PathBuf;

pub mod counts;
pub mod directory;
pub mod ledger;
pub mod memory;
pub mod record;
pub mod view;

pub use ledger::Ledger;
pub use memory::MemoryStore;
pub use view::{Change, Changes, View};

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
    /// What was read is not what was written, or a change does not follow on what is stored.
    pub(crate) fn damaged(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Damaged {
            what: what.into(),
            detail: detail.into(),
        }
    }
}
