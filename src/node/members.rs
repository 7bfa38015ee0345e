//! Who belongs to the cluster: shows it, and changes it.

use std::time::Duration;

use futures::future::join_all;

use super::Node;
use crate::clock;
use crate::proto::cluster::{self, ChangeRequest, ChangeResponse, change_request::Change};
use crate::raft::network::greet::Greeted;
use crate::raft::{ChangeFailure, Leadership};

/// How often to look whether what is waited for has come.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long to wait for a node that is to be added.
const NEWCOMER_PATIENCE: Duration = Duration::from_secs(10);
/// How long a leader may take to hand over.
pub const TRANSFER_LIMIT: Duration = Duration::from_secs(3);

type Changed = Result<(), ChangeFailure>;

fn refused(why: String) -> ChangeFailure {
    ChangeFailure::Refused(why)
}

impl Node {
    /// Every node of the cluster, as it sees itself; one that doesn't answer is `unreachable`.
    pub async fn nodes(&self) -> Vec<cluster::Node> {
        let status = self.raft.status();
        let mut nodes = join_all(status.members.iter().map(async |member| {
            if member.id == status.id {
                return self.describe();
            }
            // A member that was added a moment ago may not have been tended to yet.
            self.peers.learn(member.id, &member.address);
            let answer = self.peers.describe(member.id).await;
            answer.unwrap_or_else(|_| cluster::Node {
                id: member.id,
                role: "unreachable".into(),
                address: self.peers.address(member.id).unwrap_or_default(),
                ..cluster::Node::default()
            })
        }))
        .await;
        if status.member(status.id).is_none() {
            nodes.push(self.describe());
        }
        let leader = nodes.iter().find(|node| Some(node.id) == status.leader);
        let last = leader
            .map(|leader| leader.last_log_index)
            .filter(|last| *last > 0);
        for node in nodes.iter_mut().filter(|node| node.role != "unreachable") {
            node.lag = last.map(|last| last.saturating_sub(node.applied_index));
        }
        nodes
    }

    /// Changes the cluster, wherever its leader is.
    ///
    /// # Errors
    /// If the change can't be made, or nobody can make it now.
    pub async fn change(&self, change: ChangeRequest) -> Result<ChangeResponse, ChangeFailure> {
        match self.raft.leadership() {
            Leadership::Mine { .. } => self::change(self, change).await,
            Leadership::Of { leader, .. } => self.peers.change(leader, change).await,
            Leadership::Nobody => {
                let why = "no leader is known; nothing was done";
                Err(ChangeFailure::Unavailable(why.into()))
            }
        }
    }

    /// Hands the lead over to another voter, if this node leads and there is one.
    pub async fn hand_over(&self) {
        if self.raft.is_leader() && !self.raft.status().is_only_voter() {
            self.hand_over_to(None).await;
        }
    }

    /// Hands the lead over to a voter that takes writes, if this node leads and there is one.
    pub async fn hand_over_to_writer(&self) {
        if self.raft.is_leader()
            && let Some(writer) = self.writer().await
        {
            self.hand_over_to(Some(writer)).await;
        }
    }

    async fn hand_over_to(&self, to: Option<u64>) {
        match self.raft.transfer_leader(to, TRANSFER_LIMIT).await {
            Ok(leader) => tracing::info!(leader, "handed over"),
            Err(why) => tracing::warn!("could not hand over: {why}"),
        }
    }

    /// Of the other voters that say that they take writes, the one that is least behind.
    async fn writer(&self) -> Option<u64> {
        let status = self.raft.status();
        let voters = status.members.iter().filter(|member| member.is_voter);
        let others = voters.filter(|member| member.id != status.id);
        let answers = join_all(others.map(async |member| {
            let answer = self.peers.describe(member.id).await.ok()?;
            let writes = answer.refuses_writes.is_empty();
            writes.then_some((member.matched_index, member.id))
        }));
        let writers = answers.await.into_iter().flatten();
        writers.max().map(|(_, id)| id)
    }
}

/// Makes a change; this node must lead.
pub async fn change(node: &Node, request: ChangeRequest) -> Result<ChangeResponse, ChangeFailure> {
    match request.change {
        Some(Change::Add(new)) => add(node, &new).await?,
        Some(Change::Remove(id)) => remove(node, id).await?,
        Some(Change::Replace(replace)) => self::replace(node, replace).await?,
        Some(Change::TransferLeader(to)) => {
            let to = (to != 0).then_some(to);
            node.raft.transfer_leader(to, TRANSFER_LIMIT).await?;
        }
        None => return Err(refused("change: must be given".into())),
    }
    let leader = node.raft.status().leader;
    Ok(ChangeResponse {
        leader: leader.unwrap_or(0),
    })
}

/// Puts a node in the place of another one, or a node that has lost its data in its own.
async fn replace(node: &Node, replace: cluster::Replace) -> Changed {
    let old = replace.old;
    let Some(member) = node.raft.status().member(old).cloned() else {
        return Err(refused(format!(
            "node {old} is no member; a node that was removed comes back with `corndogs cluster add-node {old}=HOST:PORT`"
        )));
    };
    match replace.new {
        Some(new) if new.id != old => {
            add(node, &new).await?;
            remove(node, old).await
        }
        new => {
            let address = new.map_or(member.address, |new| new.address);
            renew(node, old, address).await
        }
    }
}

/// Takes a member out that has lost its data, and in again. Only so can it come back: what it once promised under
/// its id binds nobody any more once a majority without it has its removal in the log.
async fn renew(node: &Node, id: u64, address: String) -> Changed {
    if id == node.peers.me() {
        let why = format!("node {id} leads: it has its data");
        return Err(refused(why));
    }
    expect_empty(node, id, &address).await?;
    remove(node, id).await?;
    let new = cluster::Member { id, address };
    add(node, &new).await.map_err(|failure| {
        let next = format!(
            "node {id} is removed, and not back yet; go on with `corndogs cluster add-node {id}={}`",
            new.address
        );
        match failure {
            ChangeFailure::Refused(why) => refused(format!("{why}; {next}")),
            ChangeFailure::Unavailable(why) => {
                ChangeFailure::Unavailable(format!("{why}; {next}"))
            }
        }
    })
}

/// The node must be there, and have nothing: one that has its data needs nobody's.
async fn expect_empty(node: &Node, id: u64, address: &str) -> Changed {
    let start = "start it with an empty data directory first; the old one can be moved away";
    let greeted = node.peers.greet(address).await.map_err(|why| {
        refused(format!(
            "node {id} can't be reached at {address}: {why}; {start}"
        ))
    })?;
    match greeted.cluster_id {
        _ if greeted.id != id => {
            let other = greeted.id;
            Err(refused(format!(
                "at {address} is node {other}, not node {id}"
            )))
        }
        Some(_) => Err(refused(format!(
            "node {id} at {address} has data of a cluster: stop it, and {start}"
        ))),
        None => Ok(()),
    }
}

/// Adds a node and waits until it votes. To ask again goes on where it stood.
async fn add(node: &Node, new: &cluster::Member) -> Changed {
    let (id, address) = (new.id, new.address.as_str());
    if id == 0 || !address.contains(':') {
        return Err(refused(
            "a node is given as ID=HOST:PORT, with an id of at least 1".into(),
        ));
    }
    match node.raft.status().member(id) {
        Some(member) if member.address != address => {
            let there = &member.address;
            return Err(refused(format!(
                "node {id} is a member already, at {there}"
            )));
        }
        Some(_) => {}
        None => {
            expect_newcomer(node, id, address).await?;
            tracing::info!(id, address, "adding a node");
            node.raft.add_learner(id, address).await?;
        }
    }
    loop {
        match node.raft.status().member(id) {
            Some(member) if member.is_voter => break,
            Some(_) => tokio::time::sleep(LOOK_AGAIN).await,
            None => return Err(refused(format!("node {id} was removed meanwhile"))),
        }
        if !node.raft.is_leader() {
            let why = format!(
                "the leader changed; node {id} is added, and gets its vote once it has caught up"
            );
            return Err(ChangeFailure::Unavailable(why));
        }
    }
    settled(node).await;
    Ok(())
}

/// The node must be there, be who it is said to be, and belong to no other cluster.
async fn expect_newcomer(node: &Node, id: u64, address: &str) -> Changed {
    let greeted = greet_patiently(node, address).await;
    let greeted = greeted.map_err(|why| {
        refused(format!(
            "node {id} can't be reached at {address}: {why}; start it first"
        ))
    })?;
    if greeted.id != id {
        let other = greeted.id;
        return Err(refused(format!(
            "at {address} is node {other}, not node {id}"
        )));
    }
    let ours = node.peers.cluster_id();
    match greeted.cluster_id {
        Some(theirs) if Some(theirs) != ours => Err(refused(format!(
            "node {id} belongs to another cluster, {theirs}"
        ))),
        Some(_) => Ok(()),
        None => Err(refused(format!(
            "node {id} does not belong to this cluster yet: give it --members that name this cluster's nodes and itself, and see its log"
        ))),
    }
}

/// A node that was just started needs a moment.
async fn greet_patiently(node: &Node, address: &str) -> Result<Greeted, String> {
    let until = clock::monotonic() + NEWCOMER_PATIENCE;
    loop {
        match node.peers.greet(address).await {
            Ok(greeted) if greeted.cluster_id.is_some() => return Ok(greeted),
            answer if clock::monotonic() >= until => return answer,
            _ => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

async fn remove(node: &Node, id: u64) -> Changed {
    let status = node.raft.status();
    let member = status
        .member(id)
        .ok_or_else(|| refused(format!("node {id} is no member")))?;
    let voters = status.members.iter().filter(|member| member.is_voter);
    if member.is_voter && voters.count() == 1 {
        return Err(refused(format!(
            "node {id} is the only voter: a cluster needs one"
        )));
    }
    if id != status.id {
        tracing::info!(id, "removing a node");
        return node.raft.remove(id).await;
    }
    // A leader is not to order the log of a cluster that it doesn't belong to.
    let leader = node.raft.transfer_leader(None, TRANSFER_LIMIT).await?;
    let change = ChangeRequest {
        change: Some(Change::Remove(id)),
    };
    node.peers.change(leader, change).await.map(drop)
}

/// Waits until no change is under way.
async fn settled(node: &Node) {
    while node.raft.status().is_changing && node.raft.is_leader() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
