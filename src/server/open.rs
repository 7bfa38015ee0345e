//! Opens log and state, and checks that they fit together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::{ServerError, start_error};
use crate::clock;
use crate::node::health::{Health, HealthBoard};
use crate::raft::log::LogStore;
use crate::store::{self, Store, View};

/// How often a long replay says how far it is.
const REPLAY_INTERVAL: Duration = Duration::from_secs(1);

/// Where a group's log lies.
pub(super) fn log_dir(group: &Path) -> PathBuf {
    group.join("log")
}

/// Opens log and state, beside the runtime: probes answer meanwhile.
pub(super) async fn open(group: &Path) -> Result<(LogStore, Store), ServerError> {
    let group = group.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let path = log_dir(&group);
        let log = LogStore::open(&path).map_err(|source| ServerError::Log {
            path: path.clone(),
            source,
        })?;
        let options = store::Options {
            durable_index: Some(log.durable_index()),
            ..store::Options::default()
        };
        let store = Store::open(&group, options)?;
        let position = store.lock().header().position.clone();
        let next = if position.log_id.is_empty() {
            0
        } else {
            position.index + 1
        };
        let (first, last) = (log.first_index(), log.last_index());
        // A checkpoint never holds an entry that the log has not synced.
        if first > next || last + 1 < next {
            return Err(ServerError::Gap {
                path,
                first,
                last,
                next,
            });
        }
        Ok((log, store))
    });
    let opened = opened
        .await
        .map_err(|error| start_error("open the data directory")(error.to_string()));
    opened?
}

/// Tells once a second how far the log is replayed, and how long it will still take.
pub(super) async fn report_replay(last_index: u64, store: Store, health: Arc<HealthBoard>) {
    let applied = || store.lock().header().position.index;
    let (first, started) = (applied(), clock::monotonic());
    loop {
        tokio::time::sleep(REPLAY_INTERVAL).await;
        let (done, all) = (
            applied().saturating_sub(first),
            last_index.saturating_sub(first).max(1),
        );
        let percent = done * 100 / all;
        let spent_s = (clock::monotonic() - started).as_secs_f64();
        let eta_s = (spent_s / done.max(1) as f64 * all.saturating_sub(done) as f64).ceil();
        tracing::info!(percent, eta_s, entries = all, "replaying the log");
        health.set(Health::Starting(format!(
            "replaying the log: {percent} %, about {eta_s} s left"
        )));
    }
}
