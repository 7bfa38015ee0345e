//! The files that options name.

use std::fmt;
use std::path::PathBuf;

/// A file, and who named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// As the operator would look for it: `--tls-cert`, `environment variable CORNDOGS_TLS_CERT`.
    pub origin: String,
    /// Where it is.
    pub path: PathBuf,
}

impl fmt::Display for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: bad value {:?}", self.origin, self.path)
    }
}

/// What a server shows, and whom it takes. All are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// The server's certificate, then those between it and its CA.
    pub cert: NamedFile,
    /// The certificate's private key.
    pub key: NamedFile,
    /// Those who sign clients' certificates; with it, a client must show one.
    pub client_ca: Option<NamedFile>,
}

/// Whom a client trusts, and what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// Those who sign servers' certificates; nobody else is trusted.
    pub ca: NamedFile,
    /// The client's own certificate and its key, for servers that ask for one.
    pub identity: Option<(NamedFile, NamedFile)>,
}

/// What a node of a cluster shows its peers, and whom it takes for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFiles {
    /// The node's certificate, then those between it and its CA.
    pub cert: NamedFile,
    /// The certificate's private key.
    pub key: NamedFile,
    /// Those who sign nodes' certificates.
    pub ca: NamedFile,
}

impl PeerFiles {
    /// As connections of peers need them.
    pub fn as_server(&self) -> ServerFiles {
        ServerFiles {
            cert: self.cert.clone(),
            key: self.key.clone(),
            client_ca: Some(self.ca.clone()),
        }
    }

    /// As connections to peers need them.
    pub fn as_client(&self) -> ClientFiles {
        ClientFiles {
            ca: self.ca.clone(),
            identity: Some((self.cert.clone(), self.key.clone())),
        }
    }
}
