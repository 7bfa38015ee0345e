//! A follower that was away for long comes back while the others go on: what that costs them.
//!
//! `CORNDOGS_AWAY_ENTRIES` says for how many log entries it is away, `CORNDOGS_AWAY_WRITERS` how many
//! clients write them: the more, the more tasks an entry holds. The figures are for people.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;

use crate::common::cluster::Cluster;
use crate::common::{Api, Random, number};

/// Clients whose calls are timed, and how long each rests after one: the machine is not full.
const CLIENTS: usize = 16;
const REST: Duration = Duration::from_millis(20);
/// How long the load is timed before the node comes back, and once it has caught up.
const CALM: Duration = Duration::from_secs(8);
/// For a million entries to catch up with, on a small machine.
const PATIENCE: Duration = Duration::from_secs(600);
/// The node is caught up once it lacks no more entries than this.
const LEVEL: u64 = 200;

/// Clients that submit, each to the node of its turn, until they are told to stop.
struct Writers {
    stop: Arc<AtomicBool>,
    took: Arc<Mutex<Vec<Duration>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Writers {
    fn start(apis: &[Api], clients: usize, rest: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let took = Arc::<Mutex<Vec<Duration>>>::default();
        let client = |number: usize| {
            let mut api = apis[number % apis.len()].clone();
            let (stop, took) = (stop.clone(), took.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    let request = SubmitTaskRequest {
                        queue: "away".into(),
                        payload: vec![7; 128].into(),
                        ..Default::default()
                    };
                    api.submit(request).await.unwrap();
                    took.lock().unwrap().push(began.elapsed());
                    tokio::time::sleep(rest).await;
                }
            })
        };
        let tasks = (0..clients).map(client).collect();
        Self { stop, took, tasks }
    }

    /// How long the calls took since the last look.
    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.took.lock().unwrap())
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        join_all(self.tasks)
            .await
            .into_iter()
            .for_each(Result::unwrap);
    }
}

/// The most resident memory of a process since the last look, in MiB.
fn peak_rss_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    // Writing 5 makes the kernel begin anew.
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    kib.map_or(0, |kib| kib.parse::<u64>().unwrap() / 1024)
}

fn row(phase: &str, time: Duration, mut took: Vec<Duration>, rss_mib: [u64; 3]) {
    took.sort_unstable();
    let at = |percent: usize| {
        let index = (took.len() * percent / 100).min(took.len() - 1);
        took[index].as_secs_f64() * 1e3
    };
    let [leader, other, away] = rss_mib;
    println!(
        "| {phase} | {:.1} | {} | {:.2} / {:.2} / {:.2} | {leader} | {other} | {away} |",
        time.as_secs_f64(),
        took.len(),
        at(50),
        at(99),
        at(100)
    );
}

async fn last_index(cluster: &Cluster, id: u64) -> u64 {
    cluster.node(id).own_status().await.unwrap().last_log_index
}

/// Lets the log grow by so many entries.
async fn fill(cluster: &Cluster, leader: u64, entries: u64) {
    let began = Instant::now();
    let until = last_index(cluster, leader).await + entries;
    let writers = number("CORNDOGS_AWAY_WRITERS", 4) as usize;
    let writers = Writers::start(&[cluster.api(leader)], writers, Duration::ZERO);
    while last_index(cluster, leader).await < until {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (tasks, took) = (writers.take().len(), began.elapsed());
    writers.stop().await;
    println!("away for {entries} entries, {tasks} tasks, {took:.0?}");
}

async fn caught_up(cluster: &Cluster, id: u64, leader: u64) {
    let began = Instant::now();
    loop {
        let at = last_index(cluster, leader).await;
        let own = cluster.node(id).own_status().await;
        if own.is_some_and(|own| own.applied_index + LEVEL >= at) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "not caught up in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_go_on_while_a_follower_catches_up() {
    let entries = number("CORNDOGS_AWAY_ENTRIES", 3000);
    let every = (entries / 10).clamp(500, 100_000).to_string();
    let mut random = Random::seeded("away");
    let mut cluster = Cluster::start_with(3, |setup| setup.arg("--snapshot-every", &every)).await;
    let (away, leader) = cluster.follower_and_leader(&mut random).await;
    let others = cluster.others(away);
    let other = *others.iter().find(|id| **id != leader).unwrap();
    cluster.node_mut(away).kill();
    fill(&cluster, leader, entries).await;

    println!("| | s | submits | submit p50 / p99 / max ms | RSS leader MiB | follower | away |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let apis = [cluster.api(leader), cluster.api(other)];
    let writers = Writers::start(&apis, CLIENTS, REST);
    let peak_rss = |cluster: &Cluster| {
        [leader, other, away].map(|id| {
            let node = cluster.node(id);
            let is_running = node.is_serving();
            if is_running {
                peak_rss_mib(node.pid())
            } else {
                0
            }
        })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let _warm_up = (writers.take(), peak_rss(&cluster));
    tokio::time::sleep(CALM).await;
    row("away", CALM, writers.take(), peak_rss(&cluster));

    let began = Instant::now();
    cluster.node_mut(away).start();
    caught_up(&cluster, away, leader).await;
    let took = began.elapsed();
    row("catching up", took, writers.take(), peak_rss(&cluster));
    tokio::time::sleep(CALM).await;
    row("caught up", CALM, writers.take(), peak_rss(&cluster));
    writers.stop().await;

    let stderr = cluster.node(away).stderr();
    assert!(stderr.contains("receiving a snapshot"), "{stderr}");
    cluster.node_mut(away).ready().await;
    cluster.assert_same_state().await;
}
