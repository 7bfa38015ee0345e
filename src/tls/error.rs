//! Why TLS can't be had: each message names the option and the file.

use std::io;

use super::NamedFile;

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{file}: can't read it: {source}")]
    Read {
        /// Which one.
        file: NamedFile,
        /// What the system said.
        source: io::Error,
    },
    /// A file doesn't hold what it should.
    #[error("{file}: {reason}")]
    Invalid {
        /// Which one.
        file: NamedFile,
        /// What would be right.
        reason: String,
    },
    /// Key and certificate don't belong together.
    #[error("{key}: it is not the key of the certificate in {:?} ({})", cert.path, cert.origin)]
    Mismatch {
        /// The certificate's file.
        cert: NamedFile,
        /// The key's file.
        key: NamedFile,
    },
}

impl TlsError {
    pub(super) fn invalid(file: &NamedFile, reason: impl Into<String>) -> Self {
        Self::Invalid {
            file: file.clone(),
            reason: reason.into(),
        }
    }
}
