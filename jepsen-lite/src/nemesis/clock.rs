//! Wall clocks go wrong. The state's clock follows them at half to twice the real speed, and so leases last.

use std::time::Duration;

use super::scene::Scene;
use crate::Failed;
use crate::cluster::clock::FakeClock;

/// From a correction by hand to a dead battery, seconds.
const JUMPS_S: [i64; 10] = [
    2, 60, 3_600, 10_800, 432_000, -2, -60, -3_600, -10_800, -432_000,
];
const SPEEDS: [&str; 6] = ["0.1", "0.5", "0.9", "1.1", "2", "10"];
/// Of so many in a hundred, all clocks go wrong, each in its own way.
const ALL: u64 = 30;
/// Of so many in a hundred, nodes are killed while their clocks are wrong: what they know of that outlives it.
const KILLED: u64 = 50;
/// A node that runs for so long has noted how far its clock is ahead.
const NOTED: Duration = Duration::from_millis(2500);

/// Clocks jump, and later back.
pub async fn jump(scene: &mut Scene<'_>) -> Result<(), Failed> {
    wrong(scene, |scene| {
        let jump_s = scene.random.one_of(&JUMPS_S).copied().unwrap_or_default();
        format!("{jump_s:+}")
    })
    .await
}

/// Clocks go too fast or too slowly, and later jump back to what is right.
pub async fn drift(scene: &mut Scene<'_>) -> Result<(), Failed> {
    wrong(scene, |scene| {
        let speed = scene.random.one_of(&SPEEDS).copied().unwrap_or("1");
        format!("+0 x{speed}")
    })
    .await
}

async fn wrong(
    scene: &mut Scene<'_>,
    how: impl Fn(&mut Scene<'_>) -> String,
) -> Result<(), Failed> {
    let is_all = scene.chance(ALL);
    let victims = scene.victims(if is_all { usize::MAX } else { 1 })?;
    scene.begin(&victims);
    scene.did("wall clock against the state's clock");
    for id in &victims {
        let how = how(scene);
        clock(scene, *id)?.set(&how)?;
    }
    scene.linger().await;
    if scene.chance(KILLED) {
        tokio::time::sleep(NOTED).await;
        kill(scene, &victims).await?;
    }
    for id in &victims {
        let node = scene.cluster.node(*id)?;
        let ahead_s = node.metric("corndogs_clock_wall_ahead_seconds").await;
        clock(scene, *id)?.set_right()?;
        scene.did(match ahead_s {
            Some(ahead_s) => format!("node {id}: {ahead_s:+.1} s"),
            None => format!("node {id}: not asked"),
        });
    }
    scene.cluster.all_ready().await
}

/// Kills them all, and starts them again.
async fn kill(scene: &mut Scene<'_>, victims: &[u64]) -> Result<(), Failed> {
    scene.did("killed and started again");
    for id in victims {
        scene.cluster.node(*id)?.kill().await?;
    }
    for id in victims {
        scene.cluster.node(*id)?.start()?;
    }
    scene.cluster.all_ready().await
}

fn clock<'a>(scene: &'a mut Scene<'_>, id: u64) -> Result<&'a FakeClock, Failed> {
    let node = scene.cluster.node(id)?;
    Ok(node
        .clock
        .as_ref()
        .ok_or("the node has no clock of its own")?)
}
