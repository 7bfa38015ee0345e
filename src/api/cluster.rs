//! `ClusterService`: what operators ask of a node.

use std::pin::Pin;

use futures::Stream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::node::Node;
use crate::proto::cluster::cluster_service_server::ClusterService;
use crate::proto::cluster::*;
use crate::raft::Role;

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
            address: address.map(|(_, address)| address.clone()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").into(),
            last_log_index: status.last_log_index,
            applied_index: header.position.index,
            snapshot_index: status.snapshot_index,
            disk_bytes: self.node.store().metrics().checkpoint_disk_bytes + self.node.raft().log().figures().disk_bytes,
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

    async fn backup(&self, _: Request<BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        Err(Status::unimplemented("backup"))
    }
}
