//! System calls on a node's files fail, as on a disk that dies: what could not be synced must never count as synced.

use std::time::Duration;

use super::disk_full::{mended, said};
use super::scene::Scene;
use crate::Failed;
use crate::cluster::tracer::Tracer;

/// Which calls fail how. A first failure after which all goes well again is the worst: the next sync succeeds, and proves nothing.
const FAILURES: [(&str, &str); 8] = [
    ("fdatasync", "error=EIO"),
    ("fdatasync", "error=EIO:when=1"),
    ("fdatasync", "error=ENOSPC:when=3"),
    ("fsync", "error=EIO:when=1"),
    ("pwrite64", "error=EIO:when=1"),
    ("pwrite64", "error=ENOSPC"),
    ("rename", "error=EIO"),
    ("fdatasync,fsync,sync_file_range", "error=EIO:when=2"),
];
/// A stopped node does not get well by itself: no use in waiting long.
const NOTICE: Duration = Duration::from_millis(1_500);

/// Lets calls fail for a while; a node that has stopped over it is started again.
pub async fn attack(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let id = scene.victim()?;
    let failure = scene.random.one_of(&FAILURES).copied();
    let (calls, failure) = failure.ok_or("there are no failures")?;
    let node = scene.cluster.node(id)?;
    let (process, output) = (node.process()?, node.data().with_extension("trace"));
    scene.begin(&[id]);
    scene.did(format!("{calls} {failure}"));
    let mut tracer = Tracer::attach(process, calls, failure, output).await?;
    scene.linger().await;
    scene.did(format!("{} calls failed", tracer.injected()));
    tracer.detach().await?;
    let node = scene.cluster.node(id)?;
    let why = said(node).await;
    let did = mended(node, NOTICE).await?;
    scene.did(why);
    scene.did(did);
    Ok(())
}
