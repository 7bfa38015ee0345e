//! The power of nodes is cut: what they had not synced is gone. What was acknowledged must be there, even if that happens to all of them in the same moment.

use super::scene::Scene;
use crate::Failed;
use crate::report::number;

/// Of so many in a hundred cuts it is measured what they lose. The others come in the middle of syncs.
const MEASURED: u64 = 50;

/// Cuts the power of so many nodes, or of all, and starts them a while later.
pub async fn attack(scene: &mut Scene<'_>, count: usize) -> Result<(), Failed> {
    let victims = scene.victims(count)?;
    let is_measured = scene.chance(MEASURED);
    scene.begin(&victims);
    let loss = scene.cluster.cut_power(&victims, is_measured).await?;
    if is_measured {
        let files = loss.files.iter().map(|file| file.display().to_string());
        let files = files.collect::<Vec<_>>().join(", ");
        scene.did(format!(
            "lost {} unsynced bytes ({files})",
            number(loss.bytes)
        ));
    } else {
        scene.did("cut while it wrote and synced");
    }
    scene.linger().await;
    for id in &victims {
        scene.cluster.node(*id)?.start()?;
    }
    scene.cluster.all_ready().await
}
