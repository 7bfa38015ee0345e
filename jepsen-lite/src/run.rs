//! One run from the first node's start to the verdict.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use parking_lot::Mutex;

use crate::api::Api;
use crate::cluster::Cluster;
use crate::nemesis::{Nemesis, torment};
use crate::random::Random;
use crate::record::Record;
use crate::report::Report;
use crate::session::Session;
use crate::timeline::Timeline;
use crate::workload::{Worker, chance};
use crate::{Failed, check, drain, leaders, progress};

/// How many nodes a cluster has.
const NODES: u64 = 3;
/// The stream of chance that decides about faults.
const FAULTS: u64 = 1;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long clients work and nodes are broken, seconds.
    pub time_s: u64,
    /// The ways to break nodes; none leaves them alone.
    pub nemeses: Vec<Nemesis>,
    /// Repeats all choices. Processes and networks have a will of their own, so no run is the same as another.
    pub seed: u64,
    /// How many clients work at once.
    pub clients: u64,
    /// The server.
    pub binary: PathBuf,
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

/// Runs it, and writes `history.jsonl`, `report.json` and `report.html`. An error says that there is no verdict.
pub async fn run(plan: &Plan) -> Result<Report, Failed> {
    fs::create_dir_all(&plan.out)?;
    let mut cluster = Cluster::start(&plan.binary, NODES, &plan.out).await?;
    let places = cluster.places();
    let began = Instant::now();
    let record = Arc::new(Record::create(&plan.out.join("history.jsonl"), began)?);
    let timeline = Arc::new(Mutex::new(Timeline::default()));
    let watch = leaders::watch(places.clone(), record.clone(), timeline.clone());
    let _watch = Aside(tokio::spawn(watch).abort_handle());
    let show = progress::show(record.clone(), timeline.clone(), plan.time_s);
    let show = Aside(tokio::spawn(show).abort_handle());

    let until = began + Duration::from_secs(plan.time_s);
    let session = |name: String, number: u64| {
        let nodes = places.iter().map(Api::new).collect::<Result<_, Failed>>()?;
        let at = usize::try_from(number)?;
        let random = chance(plan.seed, number);
        Ok::<_, Failed>(Session::new(name, nodes, at, random, record.clone()))
    };
    let mut workers = Vec::new();
    for number in 0..plan.clients {
        let worker = Worker::new(session(format!("client-{number}"), number)?);
        workers.push(tokio::spawn(worker.work(until)));
    }
    let random = Random::new(plan.seed, FAULTS);
    torment(
        &mut cluster,
        &plan.nemeses,
        random,
        until,
        &record,
        &timeline,
    )
    .await?;
    for ended in join_all(workers).await {
        ended?;
    }

    let mut drains = Vec::new();
    for number in 0..NODES {
        drains.push(session(format!("drain-{number}"), number)?);
    }
    drain::drain(&mut drains, &places).await?;
    drain::look(&mut drains, drain::uuids(&record.events())).await?;
    cluster.all_run()?;
    drop(show);
    let events = record.take()?;
    let violations = check::check(&events);
    let timeline = timeline.lock().clone();
    let report = Report::new(plan, &events, timeline, violations);
    report.write(&plan.out, &events)?;
    Ok(report)
}
