//! One run from the first node's start to the verdict.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use parking_lot::Mutex;

use crate::check::{self, Verdict};
use crate::cluster::{Cluster, Setup};
use crate::history::Operation;
use crate::nemesis::{self, Machine, Nemesis, Planner, torment};
use crate::progress::{self, Stage};
use crate::random::Random;
use crate::record::Record;
use crate::report::Report;
use crate::round::{ROUND, Rounds};
use crate::timeline::Timeline;
use crate::workload::Workload;
use crate::{Failed, leaders};

/// The stream of chance that decides about faults.
const FAULTS: u64 = 0;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long clients work and nodes are broken, seconds.
    pub time_s: u64,
    /// What clients do.
    pub workloads: Vec<Workload>,
    /// The ways to break nodes; none leaves them alone.
    pub nemeses: Vec<Nemesis>,
    /// Repeats all choices. Processes and networks have a will of their own, so no run is the same as another.
    pub seed: u64,
    /// How many clients each workload has.
    pub clients: u64,
    /// How many nodes the cluster has.
    pub nodes: u64,
    /// The server.
    pub binary: PathBuf,
    /// Another version of it, for the nemesis `versions`.
    pub old_binary: Option<PathBuf>,
    /// Where history, report and the nodes' logs go.
    pub out: PathBuf,
}

/// Ends a task that only looks on.
struct Aside(tokio::task::AbortHandle);

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs it, and writes `history.jsonl` (of the last round), `report.json` and `report.html`. An error says that there is no
/// verdict.
///
/// # Errors
/// Where the cluster can't be started, broken or mended, or does not answer though it should.
pub async fn run(plan: &Plan) -> Result<Report, Failed> {
    fs::create_dir_all(&plan.out)?;
    let machine = Machine {
        nodes: plan.nodes,
        has_old_binary: plan.old_binary.is_some(),
    };
    let chosen = nemesis::choose(&plan.nemeses, machine).await?;
    let mut planner = Planner::new(Random::new(plan.seed, FAULTS), &chosen.nemeses);
    let mixes = chosen.nemeses.contains(&Nemesis::Versions);
    let setup = Setup {
        binary: &plan.binary,
        old_binary: plan.old_binary.as_deref().filter(|_| mixes),
        nodes: plan.nodes,
        gear: nemesis::gear(&chosen.nemeses),
        out: &plan.out,
    };
    let mut cluster = Cluster::start(&setup).await?;
    let began = Instant::now();
    let record = Arc::new(Record::create(plan.out.join("history.jsonl"), began)?);
    let timeline = Arc::new(Mutex::new(Timeline {
        plan: planner
            .preview(plan.time_s)
            .iter()
            .map(ToString::to_string)
            .collect(),
        left_out: chosen.left_out,
        ..Timeline::default()
    }));
    progress::announce(&timeline.lock());
    let watch = leaders::watch(cluster.places(), record.clone(), timeline.clone());
    let _watch = Aside(tokio::spawn(watch).abort_handle());
    let stage = Stage::default();
    let show = progress::show(record.clone(), timeline.clone(), stage.clone());
    let show = Aside(tokio::spawn(show).abort_handle());

    let mut report = Report::new(plan);
    let mut rounds = Rounds::new(plan, record.clone());
    let mut left = Duration::from_secs(plan.time_s);
    let rounds_planned = plan.time_s.div_ceil(ROUND.as_secs());
    for number in 0.. {
        let time = left.min(ROUND);
        left -= time;
        let until = Instant::now() + time;
        let round = number + 1;
        let at = |what: &str| *stage.lock() = format!("round {round} of {rounds_planned}, {what}");
        at("clients work");
        let workers = rounds.begin(&cluster.places(), until).await?;
        torment(&mut cluster, &mut planner, until, &record, &timeline).await?;
        for ended in join_all(workers).await {
            ended?;
        }
        at("all is taken out and looked at");
        let operations = rounds.end(&cluster.places()).await?;
        cluster.all_run()?;
        at("checking");
        let (operations, verdict) = checked(operations).await?;
        report.add(&operations, verdict);
        report.timeline = timeline.lock().clone();
        if left.is_zero() || !report.is_valid {
            break;
        }
        record.begin(rounds.carry(operations))?;
    }
    drop(show);
    report.write(&plan.out)?;
    Ok(report)
}

/// Checks without keeping the cluster's watchers waiting.
async fn checked(operations: Vec<Operation>) -> Result<(Vec<Operation>, Verdict), Failed> {
    let check = move || {
        let verdict = check::check(&operations);
        (operations, verdict)
    };
    Ok(tokio::task::spawn_blocking(check).await?)
}
