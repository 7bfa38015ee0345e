//! How far this node's wall clock is ahead of its cluster's clock, noted for the next start.
//!
//! A wall clock that is set ahead while the node runs can't make the cluster's clock jump. A process that starts knows
//! nothing of that: without the note it would take its wall clock for the time, and a first leader that does ends
//! leases and windows early. What a wall clock is behind is not noted: that makes them last longer at most, and
//! a clock that is set right while the node is down would then be ahead.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::note::{self, Magic};
use crate::work;

const FILE: &str = "clock-ahead";
/// What the file begins with; the number is nanoseconds.
pub(super) const MAGIC: Magic = *b"CDca";
/// How often the clocks are compared.
const INTERVAL: Duration = Duration::from_secs(1);
/// A change by less is not worth a sync.
const NOTEWORTHY_NS: u64 = 200_000_000;

/// Where the note lies in a group's directory.
pub(super) fn path(group: &Path) -> PathBuf {
    group.join(FILE)
}

/// Notes it whenever it has changed; `noted_ns` is what the note says.
pub(super) async fn keep(clock: Arc<Clock>, path: PathBuf, mut noted_ns: u64) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(ahead_ns) = clock.ahead_ns() else {
            continue;
        };
        if ahead_ns.abs_diff(noted_ns) < NOTEWORTHY_NS {
            continue;
        }
        let path = path.clone();
        match work::blocking(move || write(&path, ahead_ns)).await {
            Ok(Ok(())) => noted_ns = ahead_ns,
            Ok(Err(error)) => {
                tracing::warn!(%error, "it can't be noted how far the wall clock is ahead");
            }
            Err(_) => return,
        }
    }
}

fn write(path: &Path, ahead_ns: u64) -> io::Result<()> {
    note::write(path, MAGIC, ahead_ns)?.sync_all()?;
    // It may be new.
    path.parent()
        .map_or(Ok(()), |group| File::open(group)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_noted_once_it_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path());
        let read = || note::read(&path, MAGIC).unwrap();
        // A clock that starts an hour behind the wall clock.
        let hour_ns = 3_600_000_000_000;
        let clock = Arc::new(Clock::new(hour_ns));
        let keeping = tokio::spawn(keep(clock.clone(), path.clone(), 0));
        tokio::time::sleep(INTERVAL + INTERVAL / 2).await;
        assert_eq!(read(), 0);
        clock.observe(0);
        while read() == 0 {
            tokio::time::sleep(INTERVAL / 10).await;
        }
        assert!(read() > hour_ns / 2, "{}", read());
        keeping.abort();
    }
}
