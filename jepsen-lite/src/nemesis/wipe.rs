//! A node comes back with an empty disk under its old id: it may have voted, so it must stay out until an operator has replaced it.

use std::time::Duration;

use super::scene::Scene;
use crate::Failed;
use crate::cluster::Started;

/// How long it must stay out at least.
const STAYS_OUT: Duration = Duration::from_secs(2);

/// Wipes a killed node, sees that it stays out, and replaces it.
pub async fn attack(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let id = scene.victim()?;
    scene.begin(&[id]);
    let lasts = scene.lasts().max(STAYS_OUT);
    let node = scene.cluster.node(id)?;
    node.kill().await?;
    node.wipe()?;
    node.start()?;
    match node.started(lasts).await? {
        Started::Waits(why) => scene.did(format!("it stays out: {why}")),
        Started::Ready => return Err(node.failed("takes part though its disk is empty")),
        Started::Ended(status) => {
            return Err(node.failed(&format!("ended with an empty disk: {status}")));
        }
    }
    // An operator may as well leave it running while it is replaced.
    if scene.chance(50) {
        scene.cluster.remove_node(id).await?;
        scene.cluster.add_node(id).await?;
        scene.cluster.node(id)?.ready().await?;
        scene.did("removed and added while it ran");
    } else {
        scene.cluster.replace(id).await?;
        scene.did("replaced");
    }
    Ok(())
}
