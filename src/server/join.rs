//! How a node comes to belong to a cluster: it founds one with the others, or joins theirs.
//!
//! A node with an empty disk can't know what it promised before, if it ever ran. So a cluster is
//! founded only while every member answers and none belongs to a founded cluster; and an
//! empty node whose id is a member of a living cluster stays out, for it may have voted.
//!
//! 1. Empty nodes greet all members, themselves included.
//! 2. Once all answer, the lowest id makes up a cluster id, writes it down and tells the
//!    others, which write it down before they say yes.
//! 3. When all have it, the lowest id founds the group: the first log entry names the members.
//!
//! A crash at any point leaves nodes that have the id and no log; the lowest id goes on with them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::error::ServerError;
use crate::clock;
use crate::config::value::list_members;
use crate::node::health::{Health, HealthBoard};
use crate::raft::Raft;
use crate::raft::network::greet::Greeted;
use crate::raft::network::peers::Peers;
use crate::raft::network::service::Founding;
use crate::store::directory::{DataDir, Identity};

/// Between two rounds of greetings.
const ROUND: Duration = Duration::from_millis(500);

type Answers = BTreeMap<u64, Result<Greeted, String>>;

/// What an empty node makes of the members' answers.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Belong to that cluster, which exists or is being founded.
    Join(Uuid),
    /// Found a new one.
    Found,
    /// Ask again later.
    Wait(String),
    /// Ask again later, but an operator has to do something first.
    Refuse(String),
}

/// Waits until an empty node belongs to a cluster, and writes that down.
///
/// # Errors
/// If it can't be written down.
pub async fn join(
    directory: &mut DataDir,
    peers: &Peers,
    foundings: &mut mpsc::Receiver<Founding>,
    health: &HealthBoard,
) -> Result<(), ServerError> {
    let mut said = Said::default();
    loop {
        let answers = greet_all(peers).await;
        let cluster_id = match decide(peers, &answers) {
            Step::Join(cluster_id) => Some(cluster_id),
            Step::Found => Some(clock::random_uuid()),
            Step::Wait(why) => {
                health.set(Health::Starting(why.clone()));
                said.wait(why);
                None
            }
            Step::Refuse(why) => {
                health.set(Health::Starting(why.clone()));
                said.refuse(why);
                None
            }
        };
        if let Some(cluster_id) = cluster_id {
            return claim(directory, peers, cluster_id);
        }
        let founded = tokio::time::timeout(ROUND, foundings.recv()).await;
        if let Ok(Some(founding)) = founded
            && take_part(directory, peers, founding)?
        {
            return Ok(());
        }
    }
}

fn claim(directory: &mut DataDir, peers: &Peers, cluster_id: Uuid) -> Result<(), ServerError> {
    let node_id = peers.me();
    directory.claim(Identity {
        cluster_id,
        node_id,
    })?;
    tracing::info!(%cluster_id, node_id, "this node belongs to the cluster");
    Ok(())
}

/// Says yes to a founding, if it is the one that this node was configured for.
fn take_part(
    directory: &mut DataDir,
    peers: &Peers,
    founding: Founding,
) -> Result<bool, ServerError> {
    let founder = peers.configured().keys().next().copied();
    let refusal = if Some(founding.from) != founder {
        Some(format!(
            "node {} has not the lowest id of --members",
            founding.from
        ))
    } else if founding.members != *peers.configured() {
        Some(other_members(peers, founding.from, &founding.members))
    } else {
        None
    };
    if let Some(why) = refusal {
        // A founder that is gone asks again.
        let _ = founding.answer.send(Err(why));
        return Ok(false);
    }
    claim(directory, peers, founding.cluster_id)?;
    let _ = founding.answer.send(Ok(()));
    Ok(true)
}

/// Founds the group once all members have its id, if that is this node's part.
pub async fn found(raft: Raft, peers: Peers) {
    if peers.configured().keys().next() != Some(&peers.me()) {
        return;
    }
    let mut said = Said::default();
    while !raft.is_founded().await {
        let answers = greet_all(&peers).await;
        match ready_to_found(&peers, &answers) {
            Ok(newcomers) if newcomers.is_empty() => {
                tracing::info!(members = peers.configured().len(), "founding the cluster");
                if let Err(error) = raft.found(peers.configured()).await {
                    tracing::error!(%error, "the cluster can't be founded");
                }
                return;
            }
            Ok(newcomers) => tell(&peers, newcomers, &mut said).await,
            Err(why) => said.wait(why),
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// Tells members that belong to no cluster the id of this one.
async fn tell(peers: &Peers, newcomers: Vec<u64>, said: &mut Said) {
    let Some(cluster_id) = peers.cluster_id() else {
        return;
    };
    for id in newcomers {
        let address = peers.address(id).unwrap_or_default();
        if let Err(why) = peers.found(&address, cluster_id).await {
            said.wait(format!("node {id} at {address} doesn't take part: {why}"));
        }
    }
}

/// Who has still to be told the cluster's id; an error if it can't be founded now.
fn ready_to_found(peers: &Peers, answers: &Answers) -> Result<Vec<u64>, String> {
    all_agree(peers, answers)?;
    let mut newcomers = Vec::new();
    for (id, greeted) in answers.iter().filter(|(id, _)| **id != peers.me()) {
        let Ok(greeted) = greeted else { continue };
        match greeted.cluster_id {
            None => newcomers.push(*id),
            theirs if theirs != peers.cluster_id() => {
                return Err(format!("node {id} belongs to another cluster"));
            }
            _ if greeted.founded => {
                return Err("the cluster is founded: waiting to be added to it".into());
            }
            _ => {}
        }
    }
    Ok(newcomers)
}

async fn greet_all(peers: &Peers) -> Answers {
    let greetings = peers.configured().iter().map(async |(id, address)| {
        let answer = peers.greet(address).await;
        let answer = answer.and_then(|greeted| match greeted.id {
            other if other != *id => Err(format!("node {other} answers there, not node {id}")),
            _ => Ok(greeted),
        });
        (*id, answer)
    });
    join_all(greetings).await.into_iter().collect()
}

fn decide(peers: &Peers, answers: &Answers) -> Step {
    let me = peers.me();
    let others = answers.iter().filter(|(id, _)| **id != me);
    let others: Vec<(&u64, &Greeted)> = others
        .filter_map(|(id, answer)| Some((id, answer.as_ref().ok()?)))
        .collect();
    let mut clusters = others
        .iter()
        .filter_map(|(id, greeted)| Some((id, greeted.cluster_id?)));
    if let Some((first, cluster_id)) = clusters.next()
        && let Some((other, theirs)) = clusters.find(|(_, theirs)| *theirs != cluster_id)
    {
        return Step::Refuse(format!(
            "--members names nodes of two clusters: node {first} belongs to {cluster_id}, node {other} to {theirs}"
        ));
    }
    let founded: Vec<&Greeted> = others
        .iter()
        .filter_map(|(_, greeted)| greeted.founded.then_some(*greeted))
        .collect();
    if let Some(cluster_id) = founded.iter().find_map(|greeted| greeted.cluster_id) {
        return join_founded(me, cluster_id, &founded);
    }
    if let Err(why) = all_agree(peers, answers) {
        return Step::Wait(why);
    }
    if peers.configured().keys().next() != Some(&me) {
        return Step::Wait("waiting for the node with the lowest id to found the cluster".into());
    }
    // A founding that was cut short goes on under its id.
    let begun = others.iter().find_map(|(_, greeted)| greeted.cluster_id);
    begun.map_or(Step::Found, Step::Join)
}

fn join_founded(me: u64, cluster_id: Uuid, founded: &[&Greeted]) -> Step {
    match founded.iter().find_map(|greeted| greeted.asker_is_member) {
        Some(false) => Step::Join(cluster_id),
        Some(true) => Step::Refuse(format!(
            "node {me} is a member of cluster {cluster_id}, but its data directory is empty: what it promised is lost, so it must not come back by itself. \
             Run `corndogs cluster replace-node {me}` against another member: that takes it out and in again, and it gets everything from its peers"
        )),
        None => Step::Wait(format!(
            "cluster {cluster_id} has no leader now that could tell whether node {me} is a member"
        )),
    }
}

/// All members must answer, and have the same list of members.
fn all_agree(peers: &Peers, answers: &Answers) -> Result<(), String> {
    for (id, answer) in answers {
        let address = peers.address(*id).unwrap_or_default();
        match answer {
            Err(why) => {
                return Err(format!(
                    "waiting for node {id} at {address} to found the cluster: {why}"
                ));
            }
            Ok(greeted) if greeted.members != *peers.configured() => {
                return Err(other_members(peers, *id, &greeted.members));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

fn other_members(peers: &Peers, id: u64, theirs: &BTreeMap<u64, String>) -> String {
    format!(
        "node {id} was started with other --members ({}) than this node ({}): they must be the same on all nodes",
        list_members(theirs),
        list_members(peers.configured())
    )
}

/// What was said last, so that it is said once.
#[derive(Default)]
struct Said(String);

impl Said {
    fn wait(&mut self, why: String) {
        if self.0 != why {
            tracing::info!("{why}");
            self.0 = why;
        }
    }

    fn refuse(&mut self, why: String) {
        if self.0 != why {
            tracing::error!("{why}");
            self.0 = why;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    fn members() -> BTreeMap<u64, String> {
        [1, 2, 3].map(|id| (id, format!("host{id}:5090"))).into()
    }

    fn empty(id: u64) -> Greeted {
        Greeted {
            id,
            cluster_id: None,
            founded: false,
            members: members(),
            asker_is_member: None,
        }
    }

    fn of(id: u64, cluster_id: Uuid, founded: bool, asker_is_member: Option<bool>) -> Greeted {
        Greeted {
            cluster_id: Some(cluster_id),
            founded,
            asker_is_member,
            ..empty(id)
        }
    }

    fn decided(me: u64, greeted: Vec<Greeted>) -> Step {
        let mut answers: Answers = members()
            .into_keys()
            .map(|id| (id, Err("connection refused".to_owned())))
            .collect();
        for greeted in greeted {
            answers.insert(greeted.id, Ok(greeted));
        }
        decide(&Peers::new(me, members(), None), &answers)
    }

    #[test]
    fn the_lowest_id_founds_once_all_answer() {
        let all = || vec![empty(1), empty(2), empty(3)];
        assert_eq!(decided(1, all()), Step::Found);
        assert!(matches!(decided(2, all()), Step::Wait(_)));
        let two = vec![empty(1), empty(2)];
        assert!(matches!(decided(1, two), Step::Wait(why) if why.contains("node 3 at host3:5090")));
    }

    #[test]
    fn other_members_are_told() {
        let mut other = empty(2);
        other.members.remove(&3);
        let step = decided(1, vec![empty(1), other, empty(3)]);
        assert!(matches!(step, Step::Wait(why) if why.contains("other --members")));
    }

    #[test]
    fn a_founding_that_was_cut_short_goes_on() {
        let begun = vec![empty(1), of(2, A, false, None), empty(3)];
        assert_eq!(decided(1, begun), Step::Join(A));
    }

    #[test]
    fn an_empty_member_of_a_living_cluster_stays_out() {
        for me in [1, 3] {
            let other = of(2, A, true, Some(true));
            let step = decided(me, vec![empty(1), empty(3), other]);
            assert!(matches!(step, Step::Refuse(why) if why.contains("replace-node")));
        }
    }

    #[test]
    fn a_newcomer_joins_and_an_unsure_one_waits() {
        assert_eq!(decided(3, vec![of(1, A, true, Some(false))]), Step::Join(A));
        assert!(matches!(
            decided(3, vec![of(1, A, true, None)]),
            Step::Wait(_)
        ));
        let sure = vec![of(1, A, true, None), of(2, A, true, Some(false))];
        assert_eq!(decided(3, sure), Step::Join(A));
    }

    #[test]
    fn two_clusters_are_one_too_many() {
        let two = vec![of(1, A, true, Some(false)), of(2, B, true, Some(false))];
        assert!(matches!(decided(3, two), Step::Refuse(why) if why.contains("two clusters")));
    }
}
