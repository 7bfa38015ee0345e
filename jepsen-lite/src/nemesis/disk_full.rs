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

/// Fills the disk, and empties it a while later.
pub async fn attack(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let id = scene.victim()?;
    let left = scene
        .random
        .one_of(&LEFT_BYTES)
        .copied()
        .unwrap_or_default();
    scene.begin(&[id]);
    scene.cluster.node(id)?.disk()?.fill(left)?;
    scene.did(format!("{} bytes left", number(left)));
    scene.linger().await;
    let why = said(scene.cluster.node(id)?).await;
    scene.did(why);
    scene.cluster.node(id)?.disk()?.empty()?;
    let did = mended(scene.cluster.node(id)?, NOTICE).await?;
    scene.did(did);
    Ok(())
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
        Started::Ready => return Ok("went on"),
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
