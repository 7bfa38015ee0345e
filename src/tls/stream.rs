//! A connection with TLS, and how its handshake can fail.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::HANDSHAKE_TIMEOUT;
use crate::net::TcpStream;

/// A connection after its handshake. It doesn't offer vectored writes: whoever writes
/// gathers small frames itself, so that many of them make one record and one system call.
pub struct TlsStream(Box<tokio_rustls::TlsStream<TcpStream>>);

impl TlsStream {
    pub(super) fn new(stream: tokio_rustls::TlsStream<TcpStream>) -> Self {
        Self(Box::new(stream))
    }

    /// The connection below, for its addresses.
    pub fn tcp(&self) -> &TcpStream {
        self.0.get_ref().0
    }

    /// The protocol that both sides have agreed on, if any.
    pub fn alpn(&self) -> Option<Vec<u8>> {
        self.0.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    }

    /// What the other side has shown: its certificate first, in DER; empty if it has shown none.
    pub fn peer_certificates(&self) -> Vec<Vec<u8>> {
        let shown = self.0.get_ref().1.peer_certificates().unwrap_or_default();
        shown.iter().map(|cert| cert.as_ref().to_vec()).collect()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        false
    }
}

/// A handshake that takes too long has failed.
pub(super) async fn in_time<T>(handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let ended = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await;
    ended.unwrap_or_else(|_| {
        let reason = format!("no TLS handshake within {HANDSHAKE_TIMEOUT:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, reason))
    })
}

/// A handshake's error, with what it most likely comes from.
pub(super) fn explained(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    let hint = match cause {
        Some(rustls::Error::InvalidMessage(_)) => "the other side may not speak TLS",
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the other side hung up",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error}: {hint}"))
}
