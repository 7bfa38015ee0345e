//! The example pipeline, a process for each stage, while workers and nodes are killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{Cluster, PATIENCE, Process, Random, built, files, until};
use tokio::time::{Instant, sleep};

const JOBS: usize = 200;
const STAGES: [&str; 3] = ["fetch", "transform", "store"];
/// How many processes are killed: a leader first, then whatever chance names.
const KILLS: usize = 8;

fn pipeline(cluster: &Cluster, results: &Path, role: &str) -> Command {
    let mut command = Command::new(built("examples/pipeline"));
    command
        .arg(role)
        .arg("--addresses")
        .arg(cluster.addresses().join(","));
    command.arg("--results").arg(results);
    command.arg("--jobs").arg(JOBS.to_string());
    // Slow enough that work is under way whenever something is killed.
    command.args(["--concurrency", "4", "--work-ms", "150"]);
    command.args(["--lease-s", "2"]);
    command
}

/// The uuids of the jobs, as the submitter printed them.
async fn submit(cluster: &Cluster, results: &Path) -> BTreeSet<String> {
    let mut command = pipeline(cluster, results, "submit");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Kills one node and starts it again: never two of three at a time.
async fn kill_node(cluster: &mut Cluster, victim: usize, pause: Duration) {
    cluster.nodes[victim].process.kill();
    sleep(pause).await;
    cluster.nodes[victim].process.start();
    cluster.nodes[victim].ready().await;
}

/// Kills at random, workers and nodes alike. Every other node is the leader.
async fn wreak_havoc(cluster: &mut Cluster, workers: &mut [Process], random: &mut Random) {
    for number in 0..KILLS {
        sleep(Duration::from_millis(random.below(600))).await;
        let pause = Duration::from_millis(random.below(600));
        if number > 0 && random.below(2) == 0 {
            let victim = random.below(workers.len() as u64) as usize;
            println!("kill {}, for {pause:?}", STAGES[victim]);
            assert!(
                workers[victim].is_running(),
                "{} ended by itself",
                STAGES[victim]
            );
            workers[victim].kill();
            sleep(pause).await;
            workers[victim].start();
            continue;
        }
        let leader = cluster.leader().await;
        let victim = match number % 2 {
            0 => leader,
            _ => random.below(3) as usize,
        };
        println!("kill node {victim} (node {leader} leads), for {pause:?}");
        kill_node(cluster, victim, pause).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_job_comes_out_once_whatever_is_killed() {
    let mut random = Random::seeded();
    let mut cluster = Cluster::start(3).await;
    let directory = tempfile::tempdir().unwrap();
    let results = directory.path();
    let mut workers = STAGES.map(|stage| {
        let log = results.join(stage).with_extension("log");
        Process::new(pipeline(&cluster, results, stage), log)
    });
    workers.iter_mut().for_each(Process::start);
    let submitted = submit(&cluster, results).await;
    assert_eq!(submitted.len(), JOBS);
    wreak_havoc(&mut cluster, &mut workers, &mut random).await;

    let client = cluster.client();
    let begin = Instant::now();
    loop {
        let counts = client.counts().await.unwrap();
        if counts.is_empty() {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "not worked off: {counts:?}");
        sleep(Duration::from_millis(50)).await;
    }
    let names = files(results).into_iter().map(|path| {
        let stem = path.file_stem().unwrap();
        stem.to_str().unwrap().to_owned()
    });
    assert_eq!(
        names.collect::<BTreeSet<_>>(),
        submitted,
        "a file for each job"
    );
    // Each job was submitted and completed once a stage: a loss or a double would show in these sums.
    let expected = (JOBS * STAGES.len()) as u64;
    for figure in ["corndogs_tasks_total", "corndogs_completed_tasks_total"] {
        let figure_now = until(figure, async || cluster.nodes[0].metric(figure).await).await;
        assert_eq!(figure_now, expected, "{figure}");
    }
}
