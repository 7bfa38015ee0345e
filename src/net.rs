//! TCP: the system's, or in a simulation (feature `simulation`) the simulated network's.

use std::io;

use futures::Stream;
use tonic::transport::server::TcpConnectInfo;

#[cfg(not(feature = "simulation"))]
pub use tokio::net::{TcpListener, TcpStream};
#[cfg(feature = "simulation")]
pub use turmoil::net::{TcpListener, TcpStream};

/// The connections of a listener; small messages go out at once.
#[cfg(not(feature = "simulation"))]
pub fn accepted(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true))
}

/// The connections of a listener.
#[cfg(feature = "simulation")]
pub fn accepted(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    Box::pin(futures::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(tcp, _)| tcp);
        Some((accepted, listener))
    }))
}

/// Both ends of a connection.
pub fn connect_info(tcp: &TcpStream) -> TcpConnectInfo {
    TcpConnectInfo {
        local_addr: tcp.local_addr().ok(),
        remote_addr: tcp.peer_addr().ok(),
    }
}
