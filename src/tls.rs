//! TLS, for clients and between peers: rustls with ring, and nothing of either is named elsewhere.
//!
//! [`ServerTls`] takes connections, [`ClientTls`] makes them, [`PeerTls`] is both, where each side
//! must show a certificate. They are loaded once, at the start, and any fault in a file is an error
//! then. Afterwards their files are looked at again: at a handshake, and at most once a second. What
//! has changed is used from that handshake on; connections that are open go on as they are. Files
//! that are broken at that moment, or don't belong together, change nothing: one warning says so,
//! and the next look tries again.

mod client;
mod connector;
mod error;
mod files;
mod pem;
mod reload;
mod server;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use client::ClientTls;
pub use connector::Connector;
pub use error::TlsError;
pub use files::{ClientFiles, NamedFile, PeerFiles, ServerFiles};
pub use server::ServerTls;
pub use stream::TlsStream;

/// How long a handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// All that is spoken: gRPC is HTTP/2.
const ALPN: &[u8] = b"h2";

/// Both directions between the nodes of a cluster, always mutual: whoever connects, and whoever is
/// connected to, shows the node's certificate, and takes only one that the CA has signed.
///
/// The certificate needs the node's host, as the members' list names it, among its subject
/// alternative names, and must be good for servers and clients if it restricts its use at all.
#[derive(Clone)]
pub struct PeerTls {
    /// For connections that peers make.
    pub server: ServerTls,
    /// For connections to peers.
    pub client: ClientTls,
}

impl PeerTls {
    /// Reads the files of both.
    ///
    /// # Errors
    /// If one can't be used; the error names the option and the file.
    pub fn load(files: &PeerFiles) -> Result<Self, TlsError> {
        Ok(Self {
            server: ServerTls::load(&files.as_server())?,
            client: ClientTls::load(&files.as_client())?,
        })
    }
}
