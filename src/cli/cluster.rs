//! `corndogs cluster`: shows the cluster, and changes it.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::answer::{Answer, Failure};
use super::client::Client;
use super::human::{lines, safe, section, table};
use crate::config::value::members;
use crate::proto::cluster::change_request::Change;
use crate::proto::cluster::cluster_service_client::ClusterServiceClient;
use crate::proto::cluster::{ChangeRequest, Member, Node, Replace, StatusRequest, StatusResponse};

/// Shows the cluster, and changes it.
#[derive(Debug, Subcommand)]
pub enum Cluster {
    Status(Status),
    AddNode(AddNode),
    RemoveNode(RemoveNode),
    ReplaceNode(ReplaceNode),
    TransferLeader(TransferLeader),
}

/// Shows the nodes as the asked one sees them.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    client: Client,
}

/// Adds a node that was started with --members naming this cluster's nodes and itself.
/// Waits until it has caught up and votes.
#[derive(Debug, Args)]
pub struct AddNode {
    /// The new node's id, and where its peers reach it.
    #[arg(value_name = "ID=HOST:PORT", value_parser = member)]
    node: Member,
    #[command(flatten)]
    client: Client,
}

/// Removes a node for good. Stop it afterwards.
#[derive(Debug, Args)]
pub struct RemoveNode {
    #[arg(value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    id: u64,
    #[command(flatten)]
    client: Client,
}

/// Puts a node in the place of one that has lost its data: itself, or a new one.
///
/// Without a new node: the node comes back under its id, with an empty data directory, and gets everything from its peers.
/// It must have been started with that; it says so while it waits. With a new node: adds that one, then removes the other.
#[derive(Debug, Args)]
pub struct ReplaceNode {
    /// The node that has lost its data, or is gone.
    #[arg(value_name = "OLD_ID", value_parser = clap::value_parser!(u64).range(1..))]
    old: u64,
    /// The new node's id, never used before, and where its peers reach it.
    #[arg(value_name = "NEW_ID=HOST:PORT", value_parser = member)]
    node: Option<Member>,
    #[command(flatten)]
    client: Client,
}

/// Makes another node the leader.
#[derive(Debug, Args)]
pub struct TransferLeader {
    /// The node that is to lead; without it, one that is up to date.
    #[arg(value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    #[command(flatten)]
    client: Client,
}

/// Reads `ID=HOST:PORT`.
fn member(text: &str) -> Result<Member, String> {
    let mut members = members(text)?.into_iter();
    match (members.next(), members.next()) {
        (Some((id, address)), None) => Ok(Member { id, address }),
        _ => Err("must be one ID=HOST:PORT".to_owned()),
    }
}

impl Cluster {
    pub async fn run(self) -> Result<Answer, Failure> {
        match self {
            Self::Status(status) => status.run().await,
            Self::AddNode(add) => {
                let id = add.node.id;
                let done = format!("node {id} is a voter");
                change(&add.client, Change::Add(add.node), done).await
            }
            Self::RemoveNode(remove) => {
                let done = format!("node {} is removed", remove.id);
                change(&remove.client, Change::Remove(remove.id), done).await
            }
            Self::ReplaceNode(replace) => {
                let (old, new) = (replace.old, replace.node);
                let done = match &new {
                    Some(new) if new.id != old => {
                        format!("node {} is a voter, node {old} is removed", new.id)
                    }
                    _ => format!("node {old} has everything from its peers, and is a voter again"),
                };
                change(&replace.client, Change::Replace(Replace { old, new }), done).await
            }
            Self::TransferLeader(transfer) => {
                let to = transfer.to.unwrap_or(0);
                let done = "the lead is handed over".to_owned();
                change(&transfer.client, Change::TransferLeader(to), done).await
            }
        }
    }
}

/// What a change came to.
#[derive(Serialize)]
struct Changed {
    leader: Option<u64>,
    done: String,
}

async fn change(client: &Client, change: Change, done: String) -> Result<Answer, Failure> {
    let mut service = ClusterServiceClient::new(client.connect().await?);
    let request = client.timed(ChangeRequest {
        change: Some(change),
    });
    let response = client.in_time(service.change(request)).await?.into_inner();
    let changed = Changed {
        leader: (response.leader != 0).then_some(response.leader),
        done,
    };
    Answer::new(client.format, &changed, |changed| {
        let leader = changed
            .leader
            .map_or_else(|| "none".to_owned(), |id| id.to_string());
        format!("{}; leader: {leader}\n", changed.done)
    })
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
    /// Entries of the leader's log that the node has not applied; none if that is not known.
    lag: Option<u64>,
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
            lag: node.lag,
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
            "id", "role", "address", "version", "log", "applied", "lag", "snapshot", "disk",
            "state",
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
                node.lag
                    .map_or_else(|| "?".to_owned(), |lag| lag.to_string()),
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
