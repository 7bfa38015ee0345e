//! Watches the group, and compacts the log.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::health::Health;
use super::{Node, scrub};
use crate::clock;
use crate::raft::batches::Lost;
use crate::raft::{Leadership, Status};
use crate::store::View;
use crate::work;

/// How often it is looked whether the log should be compacted.
const COMPACT_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is noted up to where the log is synced.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);
/// How often the group is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Without a leader or a quorum for this long, calls are refused at once: they would wait in vain.
const CUT_AFTER: Duration = Duration::from_millis(2000);

/// Keeps the health in step with the group: ready once a leader is known and the log is
/// applied, cut off while there is no leader for long, failed for good once raft has stopped.
pub async fn watch_raft(node: Node) {
    let first_target = node.raft.status().last_log_index;
    let mut led_at = clock::monotonic();
    loop {
        let status = node.raft.status();
        if let Some(failure) = &status.failure {
            if node.health.get() != Health::Draining {
                tracing::error!(%failure, "raft has stopped: the node serves no more and needs a restart");
                node.health.set(Health::Failed(failure.clone()));
            }
            node.raft.batches().give_up_all(Lost::Unknown);
            return;
        }
        let now = clock::monotonic();
        let trouble = trouble(&node, &status);
        if trouble.is_none() {
            led_at = now;
        }
        let is_cut = now.saturating_sub(led_at) >= CUT_AFTER;
        if is_cut {
            // Nobody can tell what becomes of what is under way.
            node.raft.batches().give_up_all(Lost::Unknown);
        }
        let health = node.health.get();
        match (health, trouble) {
            (Health::Ready | Health::ReadOnly(_), Some(why)) if is_cut => {
                tracing::warn!("{why}: calls are refused");
                node.health.set(Health::Cut(why));
            }
            (Health::Starting(_), Some(why)) => node.health.set(Health::Starting(why)),
            (Health::Starting(_) | Health::Cut(_), None) => {
                become_ready(&node, &status, first_target).await;
            }
            _ => {}
        }
        node.raft.leadership_changed(LOOK_INTERVAL).await;
    }
}

/// A node that comes back first catches up: a snapshot that takes the place of its state would
/// hide what became of the commands that it passed on meanwhile.
async fn become_ready(node: &Node, status: &Status, first_target: u64) {
    // A new leader may have cut off what was never committed: nothing would come in its place while nobody calls.
    let target = first_target.min(status.last_log_index);
    if status.applied_index < target {
        let what = format!("applying the log up to entry {target}");
        node.health.set(Health::Starting(what));
        return;
    }
    if let Err(why) = node.reader.fresh().await {
        tracing::debug!("not caught up with the leader yet: {why}");
        if matches!(node.health.get(), Health::Starting(_)) {
            let what = "catching up with the leader".to_owned();
            node.health.set(Health::Starting(what));
        }
        return;
    }
    if !scrub::look(node).await {
        return;
    }
    let replicated_ns = node.store.lock().header().clock_ns;
    node.clock.observe(replicated_ns);
    node.health.set(Health::Ready);
    tracing::info!(term = status.term, leader = status.leader, "ready");
}

/// Why no call can be served now.
fn trouble(node: &Node, status: &Status) -> Option<String> {
    match node.raft.leadership() {
        Leadership::Mine { .. } if status.is_only_voter() => None,
        Leadership::Mine { .. } => match node.raft.quorum_age() {
            Some(age) if age < CUT_AFTER => None,
            _ => Some("this node leads, but no quorum of the cluster answers".into()),
        },
        Leadership::Of { .. } => None,
        Leadership::Nobody if status.members.is_empty() => {
            let id = status.id;
            Some(format!(
                "node {id} is no member yet: waiting for its cluster to be founded (see the log of the node with the lowest id), or, where it is, for `corndogs cluster add-node {id}=HOST:PORT`, to be run against any member"
            ))
        }
        Leadership::Nobody if node.removed.load(Ordering::Relaxed) => {
            let id = status.id;
            Some(format!("node {id} was removed from its cluster: stop it"))
        }
        Leadership::Nobody => Some("no leader is known".into()),
    }
}

/// Takes a snapshot, and so lets the log be purged, every `snapshot_every` entries
/// once the log has also outgrown the last snapshot: the cost per task stays constant.
pub async fn compact(node: Node, snapshot_every: u64) {
    let mut asked_at = 0;
    loop {
        tokio::time::sleep(COMPACT_INTERVAL).await;
        let status = node.raft.status();
        let since = status
            .applied_index
            .saturating_sub(status.snapshot_index.max(asked_at));
        if since < snapshot_every {
            continue;
        }
        let snapshot_bytes = match node.store.newest_snapshot() {
            Ok(newest) => newest.map_or(0, |newest| newest.bytes),
            Err(error) => {
                tracing::warn!(%error, "the snapshots can't be listed");
                continue;
            }
        };
        let log_bytes = node.raft.log().figures().disk_bytes;
        if log_bytes < snapshot_bytes {
            continue;
        }
        tracing::info!(
            applied_index = status.applied_index,
            log_bytes,
            snapshot_bytes,
            "taking a snapshot"
        );
        if let Err(error) = node.raft.snapshot().await {
            tracing::warn!(%error, "no snapshot was taken");
        }
        asked_at = status.applied_index;
    }
}

/// Notes up to where the log is synced, for the next start.
pub async fn note_synced(node: Node) {
    loop {
        tokio::time::sleep(NOTE_INTERVAL).await;
        let log = node.raft.log().clone();
        let noted = work::blocking(move || log.note_synced()).await;
        if let Ok(Err(error)) = noted {
            tracing::warn!(%error, "it can't be noted up to where the log is synced");
        }
    }
}
