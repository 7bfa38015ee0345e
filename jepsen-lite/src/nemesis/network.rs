//! The network between the nodes fails. Clients reach all nodes all the time, also those that are cut off: they must not answer what they
//! can't vouch for.

use std::time::{Duration, Instant};

use super::scene::Scene;
use crate::Failed;
use crate::cluster::links::Way;
use crate::cluster::wire::{Flow, Tally};
use crate::report::number;

/// How a way can be closed.
const CLOSED: [Flow; 4] = [Flow::Cut, Flow::Refused, Flow::Held, Flow::Lost];

/// The leader alone on one side.
pub async fn partition(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let id = scene.leader_or_any()?;
    let flow = closed(scene);
    scene.begin(&[id]);
    let ways = scene.cluster.ways_around(&[id]);
    close(scene, &ways, flow).await
}

/// All that the victim sends and is sent vanishes.
pub async fn blackhole(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let id = scene.victim()?;
    scene.begin(&[id]);
    let ways = scene.cluster.ways_around(&[id]);
    close(scene, &ways, Flow::Lost).await
}

/// Two halves: with an odd number of nodes, one of them can go on.
pub async fn halves(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let minority = (scene.cluster.ids().len() - 1) / 2;
    let ids = scene.victims(minority.max(1))?;
    let flow = closed(scene);
    scene.begin(&ids);
    let ways = scene.cluster.ways_around(&ids);
    close(scene, &ways, flow).await
}

/// The victim is heard and hears nothing, or hears and is not heard.
pub async fn one_way(scene: &mut Scene<'_>) -> Result<(), Failed> {
    let id = scene.victim()?;
    let is_deaf = scene.chance(50);
    let flow = match scene.chance(50) {
        true => Flow::Held,
        false => Flow::Lost,
    };
    scene.begin(&[id]);
    scene.did(match is_deaf {
        true => "hears nothing",
        false => "is not heard",
    });
    let mut ways = scene.cluster.ways_around(&[id]);
    ways.retain(|(from, to)| id == if is_deaf { *to } else { *from });
    close(scene, &ways, flow).await
}

/// The victim is cut off and reached again, for as long as it is to last.
pub async fn flapping(scene: &mut Scene<'_>) -> Result<(), Failed> {
    const PHASE_MS: std::ops::Range<u64> = 50..1_000;
    let id = scene.victim()?;
    scene.begin(&[id]);
    let ways = scene.cluster.ways_around(&[id]);
    let before = scene.cluster.links()?.tally(&ways);
    let began = Instant::now();
    let lasts = scene.lasts();
    let mut times = 0;
    while times == 0 || began.elapsed() < lasts {
        let flow = closed(scene);
        for flow in [flow, Flow::Open] {
            scene.cluster.links()?.set(&ways, flow);
            let phase_ms = PHASE_MS.start + scene.random.below(PHASE_MS.end - PHASE_MS.start);
            tokio::time::sleep(Duration::from_millis(phase_ms)).await;
        }
        times += 1;
    }
    scene.did(format!("{times} times"));
    open(scene, &ways, before).await
}

/// Links of the victim or of all nodes get slow: from a far data center to the edge of an election.
pub async fn slow(scene: &mut Scene<'_>) -> Result<(), Failed> {
    const DELAYS_MS: [u64; 4] = [5, 20, 80, 250];
    let id = scene.victim()?;
    let ids = scene.cluster.ids();
    let is_all = scene.chance(50);
    let delay_ms = scene.random.one_of(&DELAYS_MS).copied().unwrap_or_default();
    let jitter_ms = scene.random.below(2 * delay_ms);
    let mut ways = scene.cluster.ways_around(&[id]);
    if is_all {
        let pairs = ids
            .iter()
            .flat_map(|from| ids.iter().map(move |to| (*from, *to)));
        ways = pairs.filter(|(from, to)| from != to).collect();
    }
    scene.begin(if is_all {
        &ids
    } else {
        std::slice::from_ref(&id)
    });
    let flow = Flow::Slow {
        delay_ms,
        jitter_ms,
    };
    scene.did(format!("{delay_ms} ms and up to {jitter_ms} more"));
    close(scene, &ways, flow).await
}

fn closed(scene: &mut Scene<'_>) -> Flow {
    scene.random.one_of(&CLOSED).copied().unwrap_or(Flow::Cut)
}

async fn close(scene: &mut Scene<'_>, ways: &[Way], flow: Flow) -> Result<(), Failed> {
    let before = scene.cluster.links()?.tally(ways);
    scene.cluster.links()?.set(ways, flow);
    scene.did(match flow {
        Flow::Open => "",
        Flow::Slow { .. } => "slow",
        Flow::Held => "packets wait",
        Flow::Lost => "packets vanish",
        Flow::Cut => "connections are reset",
        Flow::Refused => "connections are refused",
    });
    scene.linger().await;
    open(scene, ways, before).await
}

async fn open(scene: &mut Scene<'_>, ways: &[Way], before: Tally) -> Result<(), Failed> {
    let links = scene.cluster.links()?;
    links.open_all();
    let after = links.tally(ways);
    scene.did(format!("{} ways", ways.len()));
    for (count, what) in [
        (after.resets - before.resets, "connections reset"),
        (after.lost - before.lost, "bytes vanished"),
        (after.late - before.late, "bytes late"),
    ] {
        if count > 0 {
            scene.did(format!("{} {what}", number(count)));
        }
    }
    scene.cluster.all_ready().await
}
