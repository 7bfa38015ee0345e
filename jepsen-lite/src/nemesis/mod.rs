//! Ways to break a cluster. Each is a file here: one function that strikes, waits, and mends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use parking_lot::Mutex;

use crate::Failed;
use crate::cluster::Cluster;
use crate::history::{Answer, Request};
use crate::random::Random;
use crate::record::Record;
use crate::session::Session;
use crate::timeline::Timeline;

mod clock;
mod damage;
mod disk_full;
mod failing_disk;
mod kill;
mod machine;
mod membership;
mod network;
mod pause;
mod plan;
mod power;
mod scene;
mod term;
mod versions;
mod wipe;

pub use machine::{Chosen, Machine, choose, gear};
pub use plan::{Aim, Planned, Planner};
use scene::Scene;

/// A way to break a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Nemesis {
    /// All that this machine can do
    All,
    /// kill -9, and a start a while later or at once
    Kill,
    /// SIGSTOP, and SIGCONT a while later
    Pause,
    /// SIGTERM, and a start a while later
    Term,
    /// The leader is cut off from all others: resets, refusals, or packets that wait or vanish
    Partition,
    /// Two halves that don't reach each other
    Halves,
    /// A node is heard and hears nothing, or the other way round
    OneWay,
    /// A node is cut off and reached again, many times
    Flapping,
    /// All that a node sends and is sent vanishes without a reset
    Blackhole,
    /// Links of one node or of all are slow, with jitter
    Slow,
    /// Wall clocks jump by seconds to days, forward or back
    ClockJump,
    /// Wall clocks go at a tenth to ten times the speed
    ClockDrift,
    /// A node's disk fills up
    DiskFull,
    /// Syncs and writes of a node's files fail
    FailingDisk,
    /// One node loses power, and all that it had not synced
    Power,
    /// Two nodes lose power in the same moment
    PowerTwo,
    /// All nodes lose power in the same moment
    PowerAll,
    /// Bits flip in a file of a stopped node
    BitFlip,
    /// A file of a stopped node is cut off
    Truncate,
    /// A node comes back with an empty disk
    Wipe,
    /// Nodes are added and removed, the leader among them
    Membership,
    /// Nodes are replaced by the version of --old-binary, and back
    Versions,
}

impl Nemesis {
    /// Its name as an option.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Term => "term",
            Self::Partition => "partition",
            Self::Halves => "halves",
            Self::OneWay => "one-way",
            Self::Flapping => "flapping",
            Self::Blackhole => "blackhole",
            Self::Slow => "slow",
            Self::ClockJump => "clock-jump",
            Self::ClockDrift => "clock-drift",
            Self::DiskFull => "disk-full",
            Self::FailingDisk => "failing-disk",
            Self::Power => "power",
            Self::PowerTwo => "power-two",
            Self::PowerAll => "power-all",
            Self::BitFlip => "bit-flip",
            Self::Truncate => "truncate",
            Self::Wipe => "wipe",
            Self::Membership => "membership",
            Self::Versions => "versions",
        }
    }

    /// How long a fault lasts, milliseconds: both shorter and longer than an election and than the clients' patience.
    fn lasts_ms(self) -> std::ops::Range<u64> {
        match self {
            Self::Power | Self::PowerTwo | Self::PowerAll => 0..1_000,
            _ => 300..4_000,
        }
    }

    /// Breaks the cluster and mends it.
    async fn attack(self, scene: &mut Scene<'_>) -> Result<(), Failed> {
        match self {
            Self::All => Ok(()),
            Self::Kill => kill::attack(scene).await,
            Self::Pause => pause::attack(scene).await,
            Self::Term => term::attack(scene).await,
            Self::Partition => network::partition(scene).await,
            Self::Halves => network::halves(scene).await,
            Self::OneWay => network::one_way(scene).await,
            Self::Flapping => network::flapping(scene).await,
            Self::Blackhole => network::blackhole(scene).await,
            Self::Slow => network::slow(scene).await,
            Self::ClockJump => clock::jump(scene).await,
            Self::ClockDrift => clock::drift(scene).await,
            Self::DiskFull => disk_full::attack(scene).await,
            Self::FailingDisk => failing_disk::attack(scene).await,
            Self::Power => power::attack(scene, 1).await,
            Self::PowerTwo => power::attack(scene, 2).await,
            Self::PowerAll => power::attack(scene, usize::MAX).await,
            Self::BitFlip => damage::attack(scene, damage::Harm::Flip).await,
            Self::Truncate => damage::attack(scene, damage::Harm::Cut).await,
            Self::Wipe => wipe::attack(scene).await,
            Self::Membership => membership::attack(scene).await,
            Self::Versions => versions::attack(scene).await,
        }
    }
}

/// Strikes as planned until then. All nodes are ready when it ends, also with an error of the run itself.
pub async fn torment(
    cluster: &mut Cluster,
    planner: &mut Planner,
    until: Instant,
    record: &Arc<Record>,
    timeline: &Arc<Mutex<Timeline>>,
) -> Result<(), Failed> {
    let name = format!("nemesis-{}", record.now_us());
    let random = Random::new(0, 0);
    let mut onlooker = Session::new(name, &cluster.places(), 0, random, record.clone())?;
    loop {
        cluster.all_run()?;
        let left = until.saturating_duration_since(Instant::now());
        let next = planner.next().filter(|_| !left.is_zero());
        let Some(planned) = next else {
            tokio::time::sleep(left).await;
            return Ok(());
        };
        let rest = Duration::from_millis(planned.after_ms);
        tokio::time::sleep(rest.min(left)).await;
        if Instant::now() >= until {
            planner.put_back(planned);
            return Ok(());
        }
        let mut scene = Scene::new(cluster, &planned, until, record, timeline);
        Box::pin(planned.kind.attack(&mut scene)).await?;
        scene.end();
        compare(&mut onlooker).await;
    }
}

/// Asks until all nodes were at the same log entry at the same time, but not for long: others change the state meanwhile. A checker holds
/// their hashes against each other; at the round's end they come to the same entry for certain.
async fn compare(onlooker: &mut Session) {
    const TRIES: u32 = 20;
    for _ in 0..TRIES {
        let status = onlooker.call(Request::Status).await;
        if let crate::history::Outcome::Ok(Answer::Status(view)) = status {
            let mut applied = view.nodes.iter().map(|node| node.applied);
            let first = applied.next();
            if applied.all(|applied| Some(applied) == first) {
                return;
            }
        }
    }
}
