//! Two versions of the server in one cluster: a node is stopped and started as the other one. The first node stays as old as it is, so that the
//! members never agree on rules that the old version doesn't know.

use super::scene::Scene;
use crate::Failed;

/// The node that stays old.
const OLD: u64 = 1;

/// Rolls one node to the other version; the next time it goes back.
pub async fn attack(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let mut id = scene.victim()?;
    if id == OLD {
        let others = scene.cluster.ids().into_iter().filter(|id| *id != OLD);
        let others: Vec<u64> = others.collect();
        id = *scene
            .random
            .one_of(&others)
            .ok_or("there is no other node")?;
    }
    let old = scene.cluster.old_binary.clone();
    let old = old.ok_or("there is no other version")?;
    let new = scene.cluster.binary.clone();
    scene.begin(&[id]);
    let node = scene.cluster.node(id)?;
    let is_old = node.binary == old;
    node.terminate().await?;
    node.binary = if is_old { new } else { old };
    node.start()?;
    node.ready().await?;
    scene.did(match is_old {
        true => "from old to new",
        false => "from new to old",
    });
    scene.linger().await;
    Ok(())
}
