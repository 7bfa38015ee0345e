//! SIGSTOP: a node that is away for a while, and comes back as if no time had passed.

use rustix::process::Signal;

use super::scene::Scene;
use crate::Failed;

/// Stops, and lets it go on a while later.
pub async fn attack(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let id = scene.victim()?;
    scene.begin(&[id]);
    scene.cluster.node(id)?.signal(Signal::STOP)?;
    scene.linger().await;
    let node = scene.cluster.node(id)?;
    node.signal(Signal::CONT)?;
    node.ready().await
}
