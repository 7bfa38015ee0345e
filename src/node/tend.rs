//! Sees changes of the members through, whoever began them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;

use super::Node;
use crate::raft::{Leadership, Status};

/// How often the leader looks after the members.
const TEND_INTERVAL: Duration = Duration::from_millis(250);
/// A node that follows gets its vote once it is at most so many entries behind.
const CAUGHT_UP_ENTRIES: u64 = 256;
/// A node that knows no leader for so many turns asks whether it was removed, and so on.
const LONELY_TURNS: u32 = 16;

/// Goes on until the node ends: a node that has caught up gets its vote, and addresses follow the configuration.
pub async fn run(node: Node) {
    let mut lonely = 0;
    loop {
        tokio::time::sleep(TEND_INTERVAL).await;
        lonely = match node.raft.leadership() {
            Leadership::Nobody => lonely + 1,
            _ => {
                node.removed.store(false, Ordering::Relaxed);
                0
            }
        };
        if lonely % LONELY_TURNS == LONELY_TURNS - 1 {
            let removed = is_removed(&node).await;
            node.removed.store(removed, Ordering::Relaxed);
        }
        for member in node.raft.status().members {
            node.peers.learn(member.id, &member.address);
        }
        if !node.raft.is_leader() {
            continue;
        }
        let status = node.raft.status();
        if status.is_changing {
            continue;
        }
        let changed = if let Some(id) = caught_up(&status) {
            tracing::info!(id, "the node has caught up: it gets its vote");
            node.raft.promote(id).await
        } else {
            match moved(&node, &status) {
                moved if moved.is_empty() => continue,
                moved => node.raft.set_addresses(moved).await,
            }
        };
        if let Err(why) = changed {
            tracing::warn!("the members can't be changed: {why}; will try again");
        }
    }
}

/// Whether a member says that this node is none: nobody tells a node that was removed.
async fn is_removed(node: &Node) -> bool {
    let members = node.raft.status().members;
    let others = members.iter().filter(|member| member.id != node.peers.me());
    let greetings = others.map(async |member| {
        let address = node.peers.address(member.id)?;
        node.peers.greet(&address).await.ok()?.asker_is_member
    });
    join_all(greetings).await.contains(&Some(false))
}

/// A node without a vote that is almost up to date.
fn caught_up(status: &Status) -> Option<u64> {
    let mut learners = status.members.iter().filter(|member| !member.is_voter);
    let learner = learners.find(|member| {
        let matched = member.matched_index.unwrap_or(0);
        matched > 0 && matched + CAUGHT_UP_ENTRIES >= status.last_log_index
    });
    learner.map(|learner| learner.id)
}

/// Members whose address in the log is not the configured one.
fn moved(node: &Node, status: &Status) -> BTreeMap<u64, String> {
    let configured = node.peers.configured();
    let moved = status.members.iter().filter_map(|member| {
        let address = configured.get(&member.id)?;
        (*address != member.address).then(|| (member.id, address.clone()))
    });
    moved.collect()
}
