//! The side that takes connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::reload::Reloaded;
use super::stream::{explained, in_time};
use super::{ALPN, NamedFile, ServerFiles, TlsError, TlsStream, pem};
use crate::net::TcpStream;

/// How long a refused client may take to read why.
const LINGER: Duration = Duration::from_secs(1);

/// Takes connections with TLS. Clones share the files' newest contents.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<Reloaded<ServerConfig>>,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// If one can't be used; the error names the option and the file.
    pub fn load(files: &ServerFiles) -> Result<Self, TlsError> {
        let [cert, key] = [files.cert.clone(), files.key.clone()];
        let client_ca = files.client_ca.clone();
        let all = [&cert, &key].into_iter().chain(&client_ca);
        let all: Vec<NamedFile> = all.cloned().collect();
        let config = Reloaded::load(all, move |contents| {
            let [chain, secret, bundle @ ..] = contents else {
                return Err(TlsError::invalid(&cert, "the files are not all there"));
            };
            let ca = client_ca.as_ref().zip(bundle.first().map(Vec::as_slice));
            config((&cert, chain), (&key, secret), ca)
        })?;
        Ok(Self { config })
    }

    /// The handshake on a connection that was accepted, within [`super::HANDSHAKE_TIMEOUT`].
    ///
    /// # Errors
    /// If the client hangs up, breaks the protocol, shows no certificate that it should, or is too slow.
    pub async fn accept(&self, tcp: TcpStream) -> io::Result<TlsStream> {
        in_time(async {
            let acceptor = TlsAcceptor::from(self.config.current().await);
            match acceptor.accept(tcp).into_fallible().await {
                Ok(stream) => Ok(TlsStream::new(stream.into())),
                Err((error, tcp)) => {
                    linger(tcp).await;
                    Err(explained(error))
                }
            }
        })
        .await
    }

    /// Looks at the files now, due or not.
    #[cfg(test)]
    pub(super) fn look(&self) {
        self.config.look();
    }
}

fn config(
    cert: (&NamedFile, &[u8]),
    key: (&NamedFile, &[u8]),
    client_ca: Option<(&NamedFile, &[u8])>,
) -> Result<ServerConfig, TlsError> {
    let identity = pem::identity(cert, key)?;
    let unusable = |error: rustls::Error| TlsError::invalid(cert.0, error.to_string());
    let builder = ServerConfig::builder_with_provider(pem::provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some((file, bundle)) => {
            let roots = pem::roots(file, bundle)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, pem::provider())
                .build()
                .map_err(|error| TlsError::invalid(file, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(identity);
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// Reads what is still on its way, for a moment: a socket that is closed with bytes unread
/// sends a reset, and that would overtake the alert that says why.
async fn linger(mut tcp: TcpStream) {
    let drained = async {
        tcp.shutdown().await?;
        let mut rest = [0; 1024];
        while tcp.read(&mut rest).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    // Whatever came of it, the connection ends now.
    let _ = timeout(LINGER, drained).await;
}
