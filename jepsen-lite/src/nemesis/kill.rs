//! kill -9: a process that ends between any two instructions. What it wrote is still in the system's memory.

use super::scene::Scene;
use crate::Failed;

/// Of so many in a hundred, the node is started again at once: before the others have noticed.
const AT_ONCE: u64 = 40;

/// Kills, and starts at once or a while later.
pub async fn attack(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let id = scene.victim()?;
    let is_at_once = scene.chance(AT_ONCE);
    scene.begin(&[id]);
    scene.cluster.node(id)?.kill().await?;
    if is_at_once {
        scene.did("started again at once");
    } else {
        scene.linger().await;
    }
    let node = scene.cluster.node(id)?;
    node.start()?;
    node.ready().await
}
