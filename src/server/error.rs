//! Why a server doesn't start: each message says what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::node::remedy::Remedy;
use crate::store::StoreError;
use crate::store::directory::DirectoryError;
use crate::tls::TlsError;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory is refused.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The files for TLS can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The state can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state is damaged, and can't be rebuilt either.
    #[error(
        "the state can't be opened: {source}; no snapshot that it could be rebuilt from is sound: {remedy}"
    )]
    State {
        /// What is wrong.
        source: StoreError,
        /// What to do.
        remedy: Remedy,
    },
    /// The log can't be opened.
    #[error("the log in {} can't be opened: {source}; a damaged log is never shortened: {remedy}", path.display())]
    Log {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
        /// What to do.
        remedy: Remedy,
    },
    /// Entries between state and log are missing.
    #[error("the log in {} holds the entries {first} to {last}, but the state needs entry {next} next: entries are missing; {remedy}", path.display())]
    Gap {
        /// Where it lies.
        path: PathBuf,
        /// The log's first entry.
        first: u64,
        /// The log's last entry.
        last: u64,
        /// The entry that the state needs next.
        next: u64,
        /// What to do.
        remedy: Remedy,
    },
    /// An address can't be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A cluster's directory was given to a single node.
    #[error("data directory {} belongs to a node of a cluster of {members}: start it with --node-id, --peer-listen and --members", path.display())]
    NotSingle {
        /// The directory.
        path: PathBuf,
        /// How many nodes the cluster has.
        members: usize,
    },
    /// Anything else that stops a start.
    #[error("{what}: {why}")]
    Start {
        /// What was being done.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
}

/// For `map_err`: what was being done when it went wrong.
pub(super) fn start_error(what: &'static str) -> impl FnOnce(String) -> ServerError {
    move |why| ServerError::Start { what, why }
}
