//! Serves the other nodes of the cluster.

use std::time::Duration;

use tonic::service::interceptor::InterceptedService;

use super::incoming::incoming;
use crate::net::TcpListener;
use crate::proto::peer::peer_service_server::PeerServiceServer;
use crate::raft::network::service::PeerServer;
use crate::tls::ServerTls;

/// A peer that is gone without a word is noticed after this long without an answer.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// What a peer may have on the way: entries and pieces of snapshots.
const WINDOW_BYTES: u32 = 8 << 20;
/// A group of commands is bounded where it is made.
const MAX_MESSAGE_BYTES: usize = 2 << 30;

/// Serves the other nodes for as long as the process runs.
pub fn serve(listener: TcpListener, tls: Option<ServerTls>, server: &PeerServer) {
    let service = PeerServiceServer::new(server.clone())
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let service = InterceptedService::new(service, server.gate());
    let serving = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_service(service)
        .serve_with_incoming(incoming(listener, tls, "peers"));
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "peers are served no more");
        }
    });
}
