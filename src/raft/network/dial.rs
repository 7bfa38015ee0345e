//! How a peer is dialled: its name is resolved each time, since a pod's address changes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

/// Resolving and connecting together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Dials one address.
#[derive(Clone)]
pub struct Dial {
    address: String,
}

/// Dials that address, `HOST:PORT`.
pub fn connector(address: String) -> Dial {
    Dial { address }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let address = self.address.clone();
        Box::pin(async move { dial(&address).await.map(TokioIo::new) })
    }
}

async fn dial(address: &str) -> io::Result<TcpStream> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let stream = connecting.unwrap_or_else(|_| {
        let what = format!("no connection within {CONNECT_TIMEOUT:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, what))
    });
    let said = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let stream = stream.map_err(said)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
