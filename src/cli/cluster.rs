//! `corndogs cluster`: shows the cluster, and changes it.

use std::ffi::OsString;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::answer::{Answer, Failure};
use super::client::Client;
use super::human::{lines, safe, section, table};
use crate::proto::cluster::cluster_service_client::ClusterServiceClient;
use crate::proto::cluster::{Node, StatusRequest, StatusResponse};

/// Shows the cluster, and changes it.
#[derive(Debug, Subcommand)]
pub enum Cluster {
    Status(Status),
    /// Adds a node (not available in this version).
    AddNode(Unavailable),
    /// Removes a node (not available in this version).
    RemoveNode(Unavailable),
    /// Makes another node the leader (not available in this version).
    TransferLeader(Unavailable),
}

/// Shows the nodes as the asked one sees them.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    client: Client,
}

/// A command whose flags are not settled yet.
#[derive(Debug, Args)]
pub struct Unavailable {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

impl Cluster {
    pub async fn run(self) -> Result<Answer, Failure> {
        match self {
            Self::Status(status) => status.run().await,
            Self::AddNode(_) | Self::RemoveNode(_) | Self::TransferLeader(_) => {
                Err(Failure::Failed("not available in this version".to_owned()))
            }
        }
    }
}

impl Status {
    async fn run(self) -> Result<Answer, Failure> {
        let mut service = ClusterServiceClient::new(self.client.connect().await?);
        let request = self.client.timed(StatusRequest {});
        let response = self.client.in_time(service.status(request)).await?;
        let shown = Shown::from(response.into_inner());
        Answer::new(self.client.format, &shown, Shown::human)
    }
}

/// The status as it is printed; the order of the keys is part of the contract.
#[derive(Serialize)]
struct Shown {
    leader: Option<u64>,
    nodes: Vec<ShownNode>,
    term: u64,
    cluster_id: String,
}

#[derive(Serialize)]
struct ShownNode {
    id: u64,
    role: String,
    address: String,
    version: String,
    last_log_index: u64,
    applied_index: u64,
    snapshot_index: u64,
    disk_bytes: u64,
    /// In hex: as a number it would lose digits in most readers of JSON.
    state_hash: String,
}

impl From<StatusResponse> for Shown {
    fn from(status: StatusResponse) -> Self {
        Self {
            leader: (status.leader != 0).then_some(status.leader),
            nodes: status.nodes.into_iter().map(ShownNode::from).collect(),
            term: status.term,
            cluster_id: status.cluster_id,
        }
    }
}

impl From<Node> for ShownNode {
    fn from(node: Node) -> Self {
        Self {
            id: node.id,
            role: node.role,
            address: node.address,
            version: node.version,
            last_log_index: node.last_log_index,
            applied_index: node.applied_index,
            snapshot_index: node.snapshot_index,
            disk_bytes: node.disk_bytes,
            state_hash: format!("{:016x}", node.state_hash),
        }
    }
}

impl Shown {
    fn human(&self) -> String {
        let leader = self
            .leader
            .map_or_else(|| "none".to_owned(), |id| id.to_string());
        let head = lines(&[
            ("leader", leader),
            ("term", self.term.to_string()),
            ("cluster_id", safe(&self.cluster_id)),
        ]);
        let titles = [
            "id", "role", "address", "version", "log", "applied", "snapshot", "disk", "state",
        ];
        let mut rows = vec![titles.map(str::to_owned).to_vec()];
        rows.extend(self.nodes.iter().map(|node| {
            vec![
                node.id.to_string(),
                safe(&node.role),
                safe(&node.address),
                safe(&node.version),
                node.last_log_index.to_string(),
                node.applied_index.to_string(),
                node.snapshot_index.to_string(),
                node.disk_bytes.to_string(),
                node.state_hash.clone(),
            ]
        }));
        head + &section("nodes", &table(&rows))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Node, Shown, StatusResponse};

    #[test]
    fn status_in_json() {
        let node = Node {
            id: 1,
            role: "leader".into(),
            state_hash: u64::MAX,
            ..Node::default()
        };
        let status = StatusResponse {
            leader: 1,
            term: 2,
            nodes: vec![node],
            ..StatusResponse::default()
        };
        let json = serde_json::to_string(&Shown::from(status)).unwrap();
        let start = r#"{"leader":1,"nodes":[{"id":1,"role":"leader","#;
        assert!(json.starts_with(start), "{json}");
        assert!(
            json.contains(r#""state_hash":"ffffffffffffffff""#),
            "{json}"
        );
        let json = serde_json::to_string(&Shown::from(StatusResponse::default())).unwrap();
        assert!(json.starts_with(r#"{"leader":null,"nodes":[]"#), "{json}");
    }
}
