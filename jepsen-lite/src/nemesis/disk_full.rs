//! A node's disk fills up: it refuses writes and says why, or stops; with room again, it writes on or is started again.

use std::time::Duration;

use super::scene::Scene;
use crate::Failed;
use crate::cluster::{Node, Started};
use crate::report::number;

/// How much is left: nothing, less than the next writes need, or less than the node wants to have in reserve.
const LEFT_BYTES: [u64; 4] = [0, 32 << 10, 1 << 20, 16 << 20];
/// How long a node may take to see that there is room.
const NOTICE: Duration = Duration::from_secs(5);

/// Of so many in a hundred, all disks fill up, as they do where all nodes have the same.
const ALL: u64 = 25;
/// Of so many in a hundred, a node is killed and started while its disk is full.
const RESTARTED: u64 = 25;

/// Fills disks, and empties them a while later.
pub async fn attack(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let is_all = scene.chance(ALL);
    let victims = scene.victims(if is_all { usize::MAX } else { 1 })?;
    let left = scene
        .random
        .one_of(&LEFT_BYTES)
        .copied()
        .unwrap_or_default();
    let is_restarted = scene.chance(RESTARTED);
    scene.begin(&victims);
    scene.did(format!("{} bytes left", number(left)));
    for id in &victims {
        scene.cluster.node(*id)?.disk()?.fill(left)?;
    }
    scene.linger().await;
    for id in &victims {
        let node = scene.cluster.node(*id)?;
        let mut why = said(node).await;
        if is_restarted {
            node.kill().await?;
            node.start()?;
            node.started(NOTICE).await?;
            why = format!("killed and started: {}", said(node).await);
        }
        scene.did(why);
    }
    for id in &victims {
        scene.cluster.node(*id)?.disk()?.empty()?;
    }
    for id in &victims {
        let did = mended(scene.cluster.node(*id)?, NOTICE).await?;
        scene.did(did);
    }
    scene.cluster.all_ready().await
}

/// What a node says while it can't write.
pub async fn said(node: &mut Node) -> String {
    if !node.is_running() {
        return format!("ended: {}", node.last_words());
    }
    match node.unready().await {
        Some(why) => format!("/readyz: {}", why.lines().next().unwrap_or_default()),
        None => "stayed ready".to_owned(),
    }
}

/// Waits until a node whose disk is well again is ready; one that has ended or stopped is started again, as its message asks.
pub async fn mended(node: &mut Node, patience: Duration) -> Result<&'static str, Failed> {
    match node.started(patience).await? {
        Started::Ready => {
            node.may_stop = true;
            return Ok("went on");
        }
        Started::Ended(status) if status.code().is_none() => {
            return Err(node.failed(&format!("did not end by itself, but by {status}")));
        }
        Started::Ended(_) | Started::Waits(_) => {}
    }
    node.kill().await?;
    node.start()?;
    node.ready().await?;
    Ok("started again")
}
