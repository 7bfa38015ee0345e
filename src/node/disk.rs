//! Watches the disk, so that one that fills refuses writes before it breaks them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Node;
use super::health::Health;

const INTERVAL: Duration = Duration::from_millis(500);
/// How often a node that takes no writes looks whether it leads.
const RELIEF_INTERVAL: Duration = Duration::from_secs(1);
/// Space that is left for checkpoints and for what is in flight.
const RESERVE_BYTES: u64 = 64 << 20;
/// On a small disk the reserve is this share of it.
const RESERVE_SHARE: u64 = 16;

/// Refuses writes while there is little space or no way to write, and takes them again afterwards.
pub async fn watch(node: Node, data_dir: PathBuf) {
    loop {
        if let Some(why) = node.store().broken() {
            let why = format!("checkpoints can't be written any more: {why}");
            tracing::error!("{why}: the node stops serving and needs a restart");
            node.health.set(Health::Failed(why));
            return;
        }
        let was_low = matches!(node.health.get(), Health::ReadOnly(_));
        let low = little_space(&data_dir, was_low).or_else(|| stuck(&node));
        match (low, was_low) {
            (Some(why), false) if node.health.is_ready() => {
                tracing::error!("{why}");
                node.health.set(Health::ReadOnly(why));
            }
            (None, true) => {
                tracing::info!("the disk has room again: writes are taken");
                node.health.set(Health::Ready);
            }
            _ => {}
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Lets another node lead while this one takes no writes: what comes to other nodes would go on to fill its disk, and
/// what time brings is proposed by a leader that takes writes.
pub async fn relieve(node: Node) {
    loop {
        tokio::time::sleep(RELIEF_INTERVAL).await;
        if matches!(node.health.get(), Health::ReadOnly(_)) {
            node.hand_over_to_writer().await;
        }
    }
}

/// What to tell if checkpoints fail and memory has no room for more changes: what is proposed
/// now would wait for who knows how long.
fn stuck(node: &Node) -> Option<String> {
    let why = node.store().health().filter(|_| !node.store().room())?;
    Some(format!(
        "checkpoints can't be written: {why}; writes are refused until they can"
    ))
}

/// What to tell if less than the reserve is left. Twice the reserve ends it, so that it doesn't flicker.
fn little_space(data_dir: &Path, was_low: bool) -> Option<String> {
    // A file system that doesn't tell is not watched: writes tell when they fail.
    let space = rustix::fs::statvfs(data_dir).ok()?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let total = space.f_blocks.saturating_mul(space.f_frsize);
    let reserve = RESERVE_BYTES.min(total / RESERVE_SHARE);
    let needed = if was_low { 2 * reserve } else { reserve };
    (free < needed).then(|| {
        format!(
            "the disk is almost full: {} MiB free in {}, {} needed; writes are refused until there is space",
            free >> 20,
            data_dir.display(),
            needed >> 20
        )
    })
}
