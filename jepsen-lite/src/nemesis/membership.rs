//! Nodes are added and removed while clients work. A node that was removed runs on for a while, and clients go on asking it.

use super::scene::Scene;
use crate::Failed;

/// A node more, a node less, or another one in the place of one.
pub async fn attack(scene: &mut Scene<'_>) -> Result<(), Failed> {
    match scene.random.below(3) {
        0 => {
            let id = grow(scene).await?;
            scene.linger().await;
            leave(scene, id).await
        }
        1 => {
            let id = scene.victim()?;
            scene.begin(&[id]);
            shrink(scene, id).await?;
            scene.linger().await;
            come_back(scene, id).await
        }
        _ => {
            let id = scene.victim()?;
            let new = grow(scene).await?;
            shrink(scene, id).await?;
            scene.linger().await;
            come_back(scene, id).await?;
            leave(scene, new).await
        }
    }
}

/// Adds a node; sometimes it gets to lead.
async fn grow(scene: &mut Scene<'_>) -> Result<u64, Failed> {
    let id = scene.cluster.ids().into_iter().max().unwrap_or_default() + 1;
    scene.begin(&[id]);
    scene.cluster.add(id).await?;
    scene.cluster.node(id)?.start()?;
    scene.cluster.add_node(id).await?;
    scene.cluster.node(id)?.ready().await?;
    scene.did(format!("node {id} added"));
    // It may be refused where the leader has changed in this moment.
    if scene.chance(50) && scene.cluster.transfer_leader(id).await.is_ok() {
        scene.did(format!("node {id} led"));
    }
    Ok(id)
}

async fn shrink(scene: &mut Scene<'_>, id: u64) -> Result<(), Failed> {
    let was_leader = scene.leader() == Some(id);
    scene.cluster.remove_node(id).await?;
    let role = if was_leader { ", the leader," } else { "" };
    scene.did(format!("node {id}{role} removed"));
    Ok(())
}

async fn come_back(scene: &mut Scene<'_>, id: u64) -> Result<(), Failed> {
    scene.cluster.come_back(id).await?;
    scene.did(format!("node {id} added with an empty disk"));
    Ok(())
}

async fn leave(scene: &mut Scene<'_>, id: u64) -> Result<(), Failed> {
    scene.cluster.remove_node(id).await?;
    scene.cluster.forget(id);
    scene.did(format!("node {id} removed"));
    Ok(())
}
