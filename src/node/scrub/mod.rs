//! Sees to it that a node never serves a state that it can't vouch for.
//!
//! Now and then each node compares its state hash with those of its peers where both have been. And it reads through its
//! checkpoint, slowly: a row that rots on the disk changes no hash that is kept.
//!
//! A node that differs from a majority refuses all calls, for good. It goes on to vote and to keep the log: that is in order, and
//! the cluster may need it until the node is replaced. If it ended instead, a supervisor would only start it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use metrics::{counter, gauge};

mod judge;

use super::Node;
use super::health::Health;
use super::remedy::Remedy;
use crate::clock;
use crate::raft::batches::Lost;
use crate::raft::network::hashes::PeerHashes;
use crate::store::hashes::HASH_VERSION;
use crate::store::scrub::{Scrubbed, Scrubber};
use crate::store::{Store, StoreError};
use crate::work;
use judge::{Verdict, judge};

/// How often a node compares its state with those of its peers.
const COMPARE_INTERVAL: Duration = Duration::from_secs(2);
/// A peer that takes longer is not waited for.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);
/// The first pass through the checkpoint comes after this share of the time between two: nodes may be restarted often.
const FIRST_SHARE: u32 = 24;

/// Hashes of a node's own state, as its peers are told them.
pub fn own_hashes(store: &Store) -> PeerHashes {
    let hashes = store.lock().hashes();
    PeerHashes {
        version: HASH_VERSION,
        hashes: hashes.iter().map(|at| (at.index, at.hash)).collect(),
    }
}

/// A node that was found to be wrong before stays so.
pub fn recall(node: &Node) {
    let noted = node.store.diverged().unwrap_or_else(|error| {
        Some(format!(
            "it can't be read whether this node's state is right: {error}"
        ))
    });
    if let Some(why) = noted {
        tracing::error!("{why}");
        node.health.set(Health::Diverged(why));
    }
}

/// Compares the state with those of the peers, for ever.
pub async fn compare(node: Node) {
    loop {
        tokio::time::sleep(COMPARE_INTERVAL).await;
        if !look(&node).await && is_noted(&node) {
            // What time brings is proposed by a leader that serves, and others do.
            node.hand_over().await;
        }
    }
}

/// Compares once, and takes the consequences. Whether the node may serve, as far as that tells.
pub async fn look(node: &Node) -> bool {
    let status = node.raft.status();
    let others = status
        .members
        .iter()
        .filter(|member| member.id != status.id);
    let answers = join_all(others.map(async |member| {
        let answer = node.peers.state_hashes(member.id);
        // A peer of an earlier version doesn't know the call: it tells nothing.
        let answer = tokio::time::timeout(ANSWER_LIMIT, answer).await.ok()?;
        Some((member.id, answer.ok()?))
    }));
    let others: BTreeMap<u64, PeerHashes> = answers.await.into_iter().flatten().collect();
    let voters = status.members.iter().filter(|member| member.is_voter);
    let voters: BTreeSet<u64> = voters.map(|member| member.id).collect();
    let judged = judge(status.id, &voters, &own_hashes(&node.store), &others);
    for (peer, differs) in &judged.peers {
        let value = f64::from(u8::from(*differs));
        gauge!("corndogs_state_differs", "peer" => peer.to_string()).set(value);
    }
    if judged.index > 0 {
        gauge!("corndogs_state_compared_index").set(judged.index as f64);
    }
    follow(node, judged.verdict).await;
    !matches!(node.health.get(), Health::Diverged(_))
}

/// Takes the consequences.
async fn follow(node: &Node, verdict: Verdict) {
    let node_id = node.peers.me();
    let remedy = Remedy::Replace { node_id };
    match verdict {
        Verdict::Unknown => {}
        _ if is_noted(node) => {}
        Verdict::Same => {
            if node.health.reunite() {
                tracing::info!("this node's state is that of a majority: it may serve again");
            }
        }
        Verdict::Split(why) => {
            let why = format!(
                "{why}: none of them serves before one is replaced; `corndogs verify` tells of each whether its rows are sound. \
                 If it is this one that is wrong: {remedy}"
            );
            stop_serving(node, why);
        }
        Verdict::Odd(why) => {
            let why = format!("{why}: it serves nothing that it can't vouch for; {remedy}");
            let (store, note) = (node.store.clone(), why.clone());
            let marked = work::blocking(move || store.mark_diverged(&note)).await;
            if let Ok(Err(error)) = marked {
                tracing::error!(%error, "it can't be noted that this node's state is wrong");
            }
            stop_serving(node, why);
        }
    }
}

/// Whether this node's state is known to be wrong, whatever comes.
fn is_noted(node: &Node) -> bool {
    // A note that can't be read is one.
    !matches!(node.store.diverged(), Ok(None))
}

fn stop_serving(node: &Node, why: String) {
    if node.health.get() == Health::Diverged(why.clone()) {
        return;
    }
    tracing::error!("{why}");
    node.health.set(Health::Diverged(why));
    // What is under way would be answered from this state.
    node.raft.batches().give_up_all(Lost::Unknown);
}

/// Reads through the checkpoint in the background, over and over.
pub async fn read_through(node: Node, every: Duration) {
    let mut pause = every / FIRST_SHARE;
    loop {
        tokio::time::sleep(pause).await;
        let began = clock::monotonic();
        match pass(node.store.scrubber()).await {
            Ok(Scrubbed::Sound { rows, index }) => {
                let took = clock::monotonic().saturating_sub(began);
                tracing::info!(
                    rows,
                    index,
                    ?took,
                    "the checkpoint was read through: it is sound"
                );
                counter!("corndogs_scrub_passes_total").increment(1);
                gauge!("corndogs_scrub_rows").set(rows as f64);
            }
            // The snapshot that was in the way has read and compared as much.
            Ok(Scrubbed::GaveWay) => {}
            Err(error @ StoreError::Damaged { .. }) => {
                counter!("corndogs_scrub_failures_total").increment(1);
                tracing::error!(%error, "what the disk holds is not what was written: the node stops serving");
                let why = format!("{error}: with a restart it is rebuilt from snapshot and log");
                node.health.set(Health::Failed(why));
                node.raft.batches().give_up_all(Lost::Unknown);
                node.hand_over().await;
                return;
            }
            Err(error) => {
                counter!("corndogs_scrub_failures_total").increment(1);
                tracing::warn!(%error, "the checkpoint can't be read through; it will be tried again");
            }
        }
        pause = every;
    }
}

/// One pass, on a thread of its own: it takes long.
async fn pass(scrubber: Scrubber) -> Result<Scrubbed, StoreError> {
    let done = work::long("scrub", move || scrubber.run()).await;
    let failed = |why| StoreError::Checkpoint(format!("it can't be read through: {why}"));
    done.unwrap_or_else(|error| Err(failed(error)))
}
