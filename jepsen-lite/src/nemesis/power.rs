//! The power of nodes is cut: what they had not synced is gone. What was acknowledged must be there, even if that happens to all of them in the same moment.

use super::scene::Scene;
use crate::Failed;
use crate::report::number;

/// Cuts the power of so many nodes, or of all, and starts them a while later.
pub async fn attack(scene: &mut Scene<'_>, count: usize) -> Result<(), Failed> {
    let victims = scene.victims(count)?;
    scene.begin(&victims);
    let loss = scene.cluster.cut_power(&victims).await?;
    let (bytes, files) = (number(loss.bytes), number(loss.files));
    scene.did(format!("lost {bytes} unsynced bytes in {files} files"));
    scene.linger().await;
    for id in &victims {
        scene.cluster.node(*id)?.start()?;
    }
    scene.cluster.all_ready().await
}
