//! What an operator does, with the operator's tool: `corndogs cluster`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Cluster;
use super::node::PATIENCE;
use super::tools::{run, text};
use crate::Failed;
use crate::api::Place;
use crate::proto::cluster::StatusRequest;
use crate::proto::cluster::cluster_service_client::ClusterServiceClient;

const AGAIN: Duration = Duration::from_millis(200);
/// How long a node may take to say who belongs to the cluster.
const LIMIT: Duration = Duration::from_secs(2);

impl Cluster {
    /// `remove-node`, asked of the other nodes.
    pub async fn remove_node(&mut self, id: u64) -> Result<(), Failed> {
        let done = |voters: &BTreeSet<u64>, members: &BTreeSet<u64>| {
            !members.contains(&id) && !voters.is_empty()
        };
        self.change(&["remove-node", &id.to_string()], id, done)
            .await
    }

    /// `add-node`, asked of the other nodes; it votes when that is done.
    pub async fn add_node(&mut self, id: u64) -> Result<(), Failed> {
        let member = format!("{id}={}", self.node(id)?.address);
        let done = |voters: &BTreeSet<u64>, _: &BTreeSet<u64>| voters.contains(&id);
        self.change(&["add-node", &member], id, done).await
    }

    /// `transfer-leader`; it may be refused for reasons of the moment.
    pub async fn transfer_leader(&mut self, to: u64) -> Result<(), Failed> {
        let to = to.to_string();
        let asked = self.places().first().map(|place| place.grpc.to_string());
        let asked = asked.ok_or("there are no nodes")?;
        let binary = self.binary.clone();
        let arguments = ["cluster", "transfer-leader", &to, "--address", &asked];
        run(text(&binary)?, &arguments).await.map(drop)
    }

    /// What is to be done with a node whose data is lost or damaged: it is removed, wiped, started empty and added.
    pub async fn replace(&mut self, id: u64) -> Result<(), Failed> {
        self.node(id)?.kill().await?;
        self.remove_node(id).await?;
        self.come_back(id).await
    }

    /// Lets a node that was removed come back with an empty disk.
    pub async fn come_back(&mut self, id: u64) -> Result<(), Failed> {
        let node = self.node(id)?;
        node.kill().await?;
        node.wipe()?;
        node.start()?;
        self.add_node(id).await?;
        self.node(id)?.ready().await
    }

    /// Asks one node after the other until it is done.
    async fn change(
        &mut self,
        arguments: &[&str],
        subject: u64,
        is_done: impl Fn(&BTreeSet<u64>, &BTreeSet<u64>) -> bool,
    ) -> Result<(), Failed> {
        let began = Instant::now();
        let binary = self.binary.clone();
        let mut refused = Failed::from("no node can be asked");
        loop {
            for place in self.others(subject) {
                let asked = place.grpc.to_string();
                let mut all = vec!["cluster"];
                all.extend(arguments);
                all.extend(["--address", &asked]);
                match run(text(&binary)?, &all).await {
                    Ok(_) => return Ok(()),
                    Err(error) => refused = error,
                }
                // An attempt whose answer was lost may be done all the same.
                if let Some((voters, members)) = membership(&place).await
                    && is_done(&voters, &members)
                {
                    return Ok(());
                }
            }
            if began.elapsed() > PATIENCE {
                return Err(refused);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The nodes that run, but for that one.
    fn others(&mut self, subject: u64) -> Vec<Place> {
        let nodes = self.nodes.iter_mut();
        let others = nodes.filter(|node| node.place.node != subject);
        let others = others.filter_map(|node| node.is_running().then_some(node.place));
        others.collect()
    }
}

/// Voters and members, as that node sees it.
async fn membership(place: &Place) -> Option<(BTreeSet<u64>, BTreeSet<u64>)> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", place.grpc));
    let endpoint = endpoint.ok()?.timeout(LIMIT).connect_timeout(LIMIT);
    let mut service = ClusterServiceClient::new(endpoint.connect_lazy());
    let status = service.status(StatusRequest {}).await.ok()?.into_inner();
    // A node that has no leader doesn't know.
    if status.leader == 0 {
        return None;
    }
    let members = status.nodes.iter().map(|node| node.id).collect();
    let voters = status.nodes.iter();
    let voters = voters.filter(|node| ["leader", "follower"].contains(&node.role.as_str()));
    Some((voters.map(|node| node.id).collect(), members))
}
