//! `ClusterService`: what operators ask of a node.

use std::fs::File;
use std::io::Read;
use std::pin::Pin;

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::node::Node;
use crate::proto::cluster::cluster_service_server::ClusterService;
use crate::proto::cluster::*;
use crate::raft::Role;

/// Bytes of a backup in one message.
const CHUNK_BYTES: usize = 256 << 10;
/// Messages that wait for a slow client.
const CHUNKS_AHEAD: usize = 4;

/// Serves operators from a node.
#[derive(Clone)]
pub struct Cluster {
    node: Node,
    cluster_id: Uuid,
}

impl Cluster {
    /// Serves from that node.
    pub fn new(node: Node, cluster_id: Uuid) -> Self {
        Self { node, cluster_id }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
    }
}

#[tonic::async_trait]
impl ClusterService for Cluster {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let status = self.node.status();
        let header = self.node.local(|view| Ok(view.header().clone()))?;
        let address = status.members.iter().find(|(id, _)| *id == status.id);
        let node = crate::proto::cluster::Node {
            id: status.id,
            role: role(status.role).into(),
            address: address
                .map(|(_, address)| address.clone())
                .unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").into(),
            last_log_index: status.last_log_index,
            applied_index: header.position.index,
            snapshot_index: status.snapshot_index,
            disk_bytes: self.node.store().metrics().checkpoint_disk_bytes
                + self.node.raft().log().figures().disk_bytes,
            state_hash: header.state_hash,
        };
        Ok(Response::new(StatusResponse {
            leader: status.leader.unwrap_or(0),
            term: status.term,
            cluster_id: self.cluster_id.to_string(),
            nodes: vec![node],
        }))
    }

    type BackupStream = Pin<Box<dyn Stream<Item = Result<BackupChunk, Status>> + Send>>;

    async fn backup(
        &self,
        _: Request<BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        let file = self.node.backup().await?;
        let (chunks, stream) = mpsc::channel(CHUNKS_AHEAD);
        tokio::task::spawn_blocking(move || send(file, &chunks));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Sends a file in pieces, as fast as the client takes them; stops when it is gone.
fn send(mut file: File, chunks: &mpsc::Sender<Result<BackupChunk, Status>>) {
    loop {
        let mut data = vec![0; CHUNK_BYTES];
        let chunk = match file.read(&mut data) {
            Ok(0) => return,
            Ok(length) => {
                data.truncate(length);
                Ok(BackupChunk { data: data.into() })
            }
            Err(error) => Err(Status::internal(format!(
                "the snapshot can't be read: {error}"
            ))),
        };
        let ends = chunk.is_err();
        if chunks.blocking_send(chunk).is_err() || ends {
            return;
        }
    }
}
