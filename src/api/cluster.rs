//! `ClusterService`: what operators ask of a node.

use std::fs::File;
use std::pin::Pin;

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::node::Node;
use crate::proto::cluster::cluster_service_server::ClusterService;
use crate::proto::cluster::*;
use crate::raft::Leadership;
use crate::store::pieces;
use crate::work;

/// Messages that wait for a slow client.
const CHUNKS_AHEAD: usize = 4;

/// Serves operators from a node.
#[derive(Clone)]
pub struct Cluster {
    node: Node,
}

impl Cluster {
    /// Serves from that node.
    pub fn new(node: Node) -> Self {
        Self { node }
    }
}

#[tonic::async_trait]
impl ClusterService for Cluster {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let nodes = self.node.nodes().await;
        let (leader, term) = match self.node.raft().leadership() {
            Leadership::Mine { term } => (self.node.status().id, term),
            Leadership::Of { leader, term } => (leader, term),
            Leadership::Nobody => (0, self.node.status().term),
        };
        let cluster_id = self.node.peers().cluster_id();
        Ok(Response::new(StatusResponse {
            leader,
            term,
            cluster_id: cluster_id.map(|id| id.to_string()).unwrap_or_default(),
            nodes,
        }))
    }

    async fn change(
        &self,
        request: Request<ChangeRequest>,
    ) -> Result<Response<ChangeResponse>, Status> {
        let changed = self.node.change(request.into_inner()).await;
        Ok(Response::new(changed?))
    }

    type BackupStream = Pin<Box<dyn Stream<Item = Result<BackupChunk, Status>> + Send>>;

    async fn backup(
        &self,
        _: Request<BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        let file = self.node.backup().await?;
        let (chunks, stream) = mpsc::channel(CHUNKS_AHEAD);
        tokio::spawn(send(file, chunks));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Sends a file as fast as the client takes it; stops when it is gone.
async fn send(file: File, chunks: mpsc::Sender<Result<BackupChunk, Status>>) {
    let mut pieces = pieces(file);
    loop {
        let piece = match work::blocking(move || (pieces.next(), pieces)).await {
            Ok((None, _)) => return,
            Ok((Some(piece), rest)) => {
                pieces = rest;
                piece.map(|data| BackupChunk { data })
            }
            // The runtime ends, and the stream with it.
            Err(_) => return,
        };
        let chunk =
            piece.map_err(|error| Status::internal(format!("the snapshot can't be read: {error}")));
        if chunks.send(chunk).await.is_err() {
            return;
        }
    }
}
