//! How a peer is dialled: its name is resolved each time, since a pod's address changes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

use crate::connection::Connection;
use crate::net::TcpStream;
use crate::tls::ClientTls;

/// Resolving, connecting and shaking hands together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Dials one address, `HOST:PORT`.
#[derive(Clone)]
pub struct Dial {
    pub address: String,
    pub tls: Option<ClientTls>,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Connection>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dial = self.clone();
        Box::pin(async move {
            let dialling = tokio::time::timeout(CONNECT_TIMEOUT, dial.dial()).await;
            let late = |_| {
                let what = format!("no connection within {CONNECT_TIMEOUT:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, what))
            };
            let said = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", dial.address))
            };
            let connection = dialling.unwrap_or_else(late).map_err(said)?;
            Ok(TokioIo::new(connection))
        })
    }
}

impl Dial {
    async fn dial(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Ok(Connection::Peer(tcp));
        };
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host);
        Ok(Connection::Tls(tls.connect(host, tcp).await?))
    }
}
