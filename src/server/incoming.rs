//! The connections of a listener, ready to be served.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, ready};
use futures::stream::{Stream, StreamExt, TryStreamExt};
use metrics::{Counter, counter};
use parking_lot::Mutex;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::clock;
use crate::connection::Connection;
use crate::net::{self, TcpListener, TcpStream};
use crate::tls::ServerTls;

/// TLS handshakes under way at once; more wait in the listener's backlog, and none takes
/// longer than [`crate::tls::HANDSHAKE_TIMEOUT`].
const MAX_HANDSHAKES: usize = 256;
/// At most one warning of failed handshakes in this time.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// The connections of a listener, with TLS if it is given. Handshakes go on beside each other,
/// as long as the stream is polled; those that fail yield nothing, and are counted for `who`.
pub fn incoming(
    listener: TcpListener,
    tls: Option<ServerTls>,
    who: &'static str,
) -> impl Stream<Item = io::Result<Connection>> {
    let accepted = net::accepted(listener);
    match tls {
        None => Either::Left(accepted.map_ok(Connection::Plain)),
        Some(tls) => Either::Right(handshakes(accepted, tls, Failures::of(who))),
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match self {
            Self::Plain(tcp) | Self::Peer(tcp) => net::connect_info(tcp),
            Self::Tls(tls) => net::connect_info(tls.tcp()),
        }
    }
}

fn handshakes(
    accepted: impl Stream<Item = io::Result<TcpStream>>,
    tls: ServerTls,
    failures: Failures,
) -> impl Stream<Item = io::Result<Connection>> {
    let failures = Arc::new(failures);
    let handshakes = accepted.map(move |accepted| {
        let (tls, failures) = (tls.clone(), failures.clone());
        async move {
            let tcp = match accepted {
                Ok(tcp) => tcp,
                Err(error) => return Some(Err(error)),
            };
            let from = tcp.peer_addr();
            match tls.accept(tcp).await {
                Ok(stream) => Some(Ok(Connection::Tls(stream))),
                Err(error) => {
                    failures.note(from.ok(), &error);
                    None
                }
            }
        }
    });
    handshakes
        .buffer_unordered(MAX_HANDSHAKES)
        .filter_map(ready)
}

/// Handshakes that failed. Anybody can make them fail, as often as they like: the log must not fill with them.
struct Failures {
    who: &'static str,
    count: Counter,
    warned: Mutex<Warned>,
}

#[derive(Default)]
struct Warned {
    at: Option<Duration>,
    /// Failures since then that were not told.
    untold: u64,
}

impl Failures {
    fn of(who: &'static str) -> Self {
        Self {
            who,
            count: counter!("corndogs_tls_handshake_failures_total", "of" => who),
            warned: Mutex::default(),
        }
    }

    fn note(&self, from: Option<SocketAddr>, error: &io::Error) {
        self.count.increment(1);
        let (who, from) = (self.who, from.map(tracing::field::display));
        // A probe of the port, or a client that gave up: nothing that needs mending.
        let hung_up = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
        );
        match (!hung_up).then(|| self.warned.lock().due(clock::monotonic())) {
            Some(Some(untold)) => {
                tracing::warn!(who, from, %error, untold, "a TLS handshake failed");
            }
            Some(None) | None => tracing::debug!(who, from, %error, "a TLS handshake failed"),
        }
    }
}

impl Warned {
    /// How many were not told before this one, if this one is to be told.
    fn due(&mut self, now: Duration) -> Option<u64> {
        if self.at.is_some_and(|at| now < at + WARN_INTERVAL) {
            self.untold += 1;
            return None;
        }
        self.at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_told_and_the_next_only_later() {
        let mut warned = Warned::default();
        let at = |s: u64| Duration::from_secs(1000 + s);
        assert_eq!(warned.due(at(0)), Some(0));
        assert_eq!(warned.due(at(1)), None);
        assert_eq!(warned.due(at(59)), None);
        assert_eq!(warned.due(at(60)), Some(2));
        assert_eq!(warned.due(at(120)), Some(0));
    }
}
