//! The side that makes connections.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::reload::Reloaded;
use super::stream::{explained, in_time};
use super::{ALPN, ClientFiles, NamedFile, TlsError, TlsStream, pem};
use crate::net::TcpStream;

/// Makes connections with TLS. Clones share the files' newest contents.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<Reloaded<ClientConfig>>,
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// If one can't be used; the error names the option and the file.
    pub fn load(files: &ClientFiles) -> Result<Self, TlsError> {
        let files = files.clone();
        let identity = files.identity.iter().flat_map(|(cert, key)| [cert, key]);
        let all: Vec<NamedFile> = [&files.ca].into_iter().chain(identity).cloned().collect();
        let config = Reloaded::load(all, move |contents| config(&files, contents))?;
        Ok(Self { config })
    }

    /// The handshake on a connection to `host`, within [`super::HANDSHAKE_TIMEOUT`]: a name or an IP address
    /// (brackets around it are fine) that the server's certificate must have among its subject alternative names.
    ///
    /// With TLS 1.3, a server that takes no connection without a certificate, or not with this one, says so
    /// after this has returned: it is the first read that fails then.
    ///
    /// # Errors
    /// If `host` is no name, or the server hangs up, breaks the protocol, is somebody else, or is too slow.
    pub async fn connect(&self, host: &str, tcp: TcpStream) -> io::Result<TlsStream> {
        let name = server_name(host)?;
        in_time(async {
            let connector = TlsConnector::from(self.config.current().await);
            let stream = connector.connect(name, tcp).await.map_err(explained)?;
            Ok(TlsStream::new(stream.into()))
        })
        .await
    }

    /// Looks at the files now, due or not.
    #[cfg(test)]
    pub(super) fn look(&self) {
        self.config.look();
    }
}

/// Whether a certificate can have it as a name: what [`ClientTls::connect`] takes for a host.
pub(super) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let name = ServerName::try_from(bare.unwrap_or(host).to_owned());
    name.map_err(|_| {
        let reason = format!("{host:?} is neither a DNS name nor an IP address");
        io::Error::new(io::ErrorKind::InvalidInput, reason)
    })
}

fn config(files: &ClientFiles, contents: &[Vec<u8>]) -> Result<ClientConfig, TlsError> {
    let unusable =
        |reason: &dyn std::fmt::Display| TlsError::invalid(&files.ca, reason.to_string());
    let incomplete = || unusable(&"the files are not all there");
    let [bundle, identity @ ..] = contents else {
        return Err(incomplete());
    };
    let builder = ClientConfig::builder_with_provider(pem::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(pem::roots(&files.ca, bundle)?);
    let mut config = match (&files.identity, identity) {
        (None, _) => builder.with_no_client_auth(),
        (Some((cert, key)), [chain, secret]) => {
            builder.with_client_cert_resolver(pem::identity((cert, chain), (key, secret))?)
        }
        _ => return Err(incomplete()),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}
