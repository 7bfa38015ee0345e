//! Dials for a gRPC channel.

use std::io;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tonic::codegen::http::Uri;
use tonic::codegen::{BoxFuture, Service};

use super::client::server_name;
use super::{ClientTls, TlsStream};
use crate::net::TcpStream;

/// Connects to a URI's host and port with TLS: for `Endpoint::connect_with_connector`, whose URI
/// then begins with `https://`.
#[derive(Clone)]
pub struct Connector {
    tls: ClientTls,
    server_name: Option<String>,
}

impl Connector {
    /// Checks the server's certificate against the URI's host.
    pub fn new(tls: ClientTls) -> Self {
        Self {
            tls,
            server_name: None,
        }
    }

    /// Checks it against this name instead.
    ///
    /// # Errors
    /// If it is neither a DNS name nor an IP address.
    pub fn with_server_name(mut self, name: String) -> io::Result<Self> {
        server_name(&name)?;
        self.server_name = Some(name);
        Ok(self)
    }

    async fn dial(self, uri: Uri) -> io::Result<TokioIo<TlsStream>> {
        let incomplete = || io::Error::from(io::ErrorKind::InvalidInput);
        let host = uri.host().ok_or_else(incomplete)?;
        let port = uri.port_u16().ok_or_else(incomplete)?;
        let tcp = TcpStream::connect(format!("{host}:{port}")).await?;
        tcp.set_nodelay(true)?;
        let name = self.server_name.as_deref().unwrap_or(host);
        Ok(TokioIo::new(self.tls.connect(name, tcp).await?))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream>;
    type Error = io::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}
