//! Breaks nodes, one after the other, and mends them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use parking_lot::Mutex;
use rustix::process::Signal;

use crate::Failed;
use crate::cluster::Cluster;
use crate::random::Random;
use crate::record::Record;
use crate::timeline::{Fault, Timeline};

/// A way to break a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Nemesis {
    /// kill -9, and a start a while later.
    Kill,
    /// SIGSTOP, and SIGCONT a while later.
    Pause,
    /// SIGTERM, and a start a while later.
    Term,
}

impl Nemesis {
    /// Its name as an option.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Term => "term",
        }
    }
}

/// Strikes until then. All nodes are ready when it ends, also with an error of the run itself.
pub async fn torment(
    cluster: &mut Cluster,
    kinds: &[Nemesis],
    mut random: Random,
    until: Instant,
    record: &Arc<Record>,
    timeline: &Arc<Mutex<Timeline>>,
) -> Result<(), Failed> {
    loop {
        rest(&mut random, 1_000..2_000, until).await;
        cluster.all_run()?;
        if Instant::now() >= until {
            return Ok(());
        }
        let Some(kind) = random.one_of(kinds).copied() else {
            continue;
        };
        let leader = timeline.lock().leader();
        let (node, was_leader) = victim(cluster, leader, &mut random)?;
        let place = begin(timeline, record, node, kind, was_leader);
        strike(cluster, node, kind).await?;
        // Both shorter and longer than an election, and than the clients' patience.
        rest(&mut random, 300..4_000, until).await;
        mend(cluster, node, kind).await?;
        if let Some(fault) = timeline.lock().faults.get_mut(place) {
            fault.until_us = record.now_us();
        }
    }
}

/// Sleeps that many milliseconds, but not beyond the end.
async fn rest(random: &mut Random, ms: std::ops::Range<u64>, until: Instant) {
    let ms = ms.start + random.below(ms.end - ms.start);
    let left = until.saturating_duration_since(Instant::now());
    tokio::time::sleep(Duration::from_millis(ms).min(left)).await;
}

/// As often the leader as a follower; and whether it leads.
fn victim(
    cluster: &Cluster,
    leader: Option<u64>,
    random: &mut Random,
) -> Result<(u64, bool), Failed> {
    let nodes: Vec<u64> = cluster.places().iter().map(|place| place.node).collect();
    let wants_leader = random.below(2) == 0;
    if let Some(leader) = leader.filter(|_| wants_leader) {
        return Ok((leader, true));
    }
    let others = nodes.into_iter().filter(|node| Some(*node) != leader);
    let others: Vec<u64> = others.collect();
    let node = random.one_of(&others).ok_or("there is no follower")?;
    Ok((*node, false))
}

/// Notes the fault, open for now; its place.
fn begin(
    timeline: &Mutex<Timeline>,
    record: &Record,
    node: u64,
    kind: Nemesis,
    was_leader: bool,
) -> usize {
    let now_us = record.now_us();
    let mut timeline = timeline.lock();
    timeline.faults.push(Fault {
        from_us: now_us,
        until_us: u64::MAX,
        nodes: vec![node],
        kind: kind.name().to_owned(),
        was_leader,
        did: String::new(),
    });
    timeline.faults.len() - 1
}

async fn strike(cluster: &mut Cluster, node: u64, kind: Nemesis) -> Result<(), Failed> {
    let node = cluster.node(node)?;
    match kind {
        Nemesis::Kill => node.kill(),
        Nemesis::Pause => node.signal(Signal::STOP),
        Nemesis::Term => node.terminate().await,
    }
}

async fn mend(cluster: &mut Cluster, node: u64, kind: Nemesis) -> Result<(), Failed> {
    let node = cluster.node(node)?;
    match kind {
        Nemesis::Kill | Nemesis::Term => node.start()?,
        Nemesis::Pause => node.signal(Signal::CONT)?,
    }
    node.ready().await
}
