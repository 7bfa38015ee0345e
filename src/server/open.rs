//! Opens log and state, and checks that they fit together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::{ServerError, start_error};
use crate::node::health::{Health, HealthBoard};
use crate::node::remedy::Remedy;
use crate::raft::log::LogStore;
use crate::store::{self, Pace, Report, Store, StoreError, View};
use crate::work;

/// How often a long replay says how far it is.
const REPLAY_INTERVAL: Duration = Duration::from_secs(1);

/// Where a group's log lies.
pub(super) fn log_dir(group: &Path) -> PathBuf {
    group.join("log")
}

/// Opens log and state, beside the runtime: probes answer meanwhile.
pub(super) async fn open(
    group: &Path,
    remedy: Remedy,
    report: Report,
) -> Result<(LogStore, Store), ServerError> {
    let group = group.to_owned();
    let opened = work::blocking(move || {
        let path = log_dir(&group);
        let log = LogStore::open(&path).map_err(|source| ServerError::Log {
            path: path.clone(),
            source,
            remedy,
        })?;
        let options = store::Options {
            durable_index: Some(log.durable_index()),
            report,
            ..store::Options::default()
        };
        let store = Store::open(&group, options).map_err(|source| match source {
            StoreError::Damaged { .. } => ServerError::State { source, remedy },
            source => ServerError::Store(source),
        })?;
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
                remedy,
            });
        }
        Ok((log, store))
    });
    let opened = opened
        .await
        .map_err(|error| start_error("open the data directory")(error.to_string()));
    opened?
}

/// Tells how far the log is replayed, and how long it will still take.
pub(super) async fn report_replay(last_index: u64, store: Store, report: Report) {
    let applied = || store.lock().header().position.index;
    let first = applied();
    let mut pace = Pace::new(
        "replaying the log",
        last_index.saturating_sub(first),
        report,
    );
    loop {
        tokio::time::sleep(REPLAY_INTERVAL).await;
        pace.at(applied().saturating_sub(first));
    }
}

/// Lets probes say how far the start is.
pub(super) fn report_to(health: Arc<HealthBoard>) -> Report {
    Report::to(move |what| health.set(Health::Starting(what)))
}
