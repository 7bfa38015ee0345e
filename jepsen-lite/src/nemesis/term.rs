//! SIGTERM: a node that is told to stop must end by itself, with success, however busy it is.

use super::scene::Scene;
use crate::Failed;

/// Stops, and starts a while later.
pub async fn attack(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let id = scene.victim()?;
    scene.begin(&[id]);
    scene.cluster.node(id)?.terminate().await?;
    scene.linger().await;
    let node = scene.cluster.node(id)?;
    node.start()?;
    node.ready().await
}
