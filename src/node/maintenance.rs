//! Watches the group, and compacts the log.

use std::time::Duration;

use super::Node;
use super::health::Health;
use crate::raft::Status;
use crate::store::View;

const COMPACT_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the health in step with the group: ready once a leader is known and the log is
/// applied, failed for good once raft has stopped.
pub async fn watch_raft(node: Node) {
    let mut status = node.raft.status();
    let first_target = status.last_log_index;
    loop {
        if let Some(failure) = &status.failure {
            if node.health.get() != Health::Draining {
                tracing::error!(%failure, "raft has stopped: the node serves no more and needs a restart");
                node.health.set(Health::Failed(failure.clone()));
            }
            return;
        }
        match unready(&status, first_target) {
            Some(what) => node.health.set(Health::Starting(what)),
            None if matches!(node.health.get(), Health::Starting(_)) => {
                let replicated_ns = node.store.lock().header().clock_ns;
                node.clock.observe(replicated_ns);
                node.health.set(Health::Ready);
                tracing::info!(term = status.term, leader = status.leader, "ready");
            }
            None => {}
        }
        status = node.raft.changed(&status).await;
    }
}

fn unready(status: &Status, first_target: u64) -> Option<String> {
    if status.leader.is_none() {
        return Some("no leader is known".into());
    }
    if status.applied_index < first_target {
        return Some(format!("applying the log up to entry {first_target}"));
    }
    None
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
