//! Claims that wait, on any node and through the loss of any.

use std::time::{Duration, Instant};

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;
use hdrhistogram::Histogram;
use tokio::task::JoinHandle;

use crate::common::cluster::{Cluster, Node};
use crate::common::{Api, Random, Tries, keyed, metric, now_ns, number, processor_time_s, until};

const MINUTE_MS: i64 = 60_000;
/// More than a wake-up takes when nodes are lost, and less than anybody waits here.
const SOON: Duration = Duration::from_secs(20);

type Waiter = JoinHandle<Tries<Option<Task>>>;

fn submit(name: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: "q".into(),
        payload: name.to_owned().into(),
        ..Default::default()
    }
}

fn claim(wait_ms: i64) -> GetNextTaskRequest {
    GetNextTaskRequest {
        queue: "q".into(),
        wait_ms,
        ..Default::default()
    }
}

fn wait(api: &Api) -> Waiter {
    let mut api = api.clone();
    tokio::spawn(async move { api.claim(claim(MINUTE_MS)).await })
}

/// That many more claims at a node; returns once they wait.
async fn waiters(cluster: &Cluster, id: u64, claims: usize) -> Vec<Waiter> {
    let name = "corndogs_waiting_claims";
    let http = cluster.node(id).http;
    let before = metric(http, name).await;
    let api = cluster.api(id);
    let waiters = (0..claims).map(|_| wait(&api)).collect();
    until("the claims wait", async || {
        (metric(http, name).await == before + claims as f64).then_some(())
    })
    .await;
    waiters
}

/// All of them get a task, and no two the same.
async fn assert_served(waiters: Vec<Waiter>) {
    let expected = waiters.len();
    let answers = tokio::time::timeout(SOON, join_all(waiters)).await;
    let answers = answers.expect("some were not served").into_iter();
    let tasks = answers.map(|answer| answer.unwrap().unwrap().expect("an answer without a task"));
    let mut uuids: Vec<String> = tasks
        .map(|task| {
            assert_eq!(task.attempt, 1);
            task.uuid
        })
        .collect();
    uuids.sort();
    uuids.dedup();
    assert_eq!(uuids.len(), expected);
}

async fn submit_all(api: &mut Api, tasks: usize) {
    for number in 0..tasks {
        api.submit(submit(&number.to_string())).await.unwrap();
    }
}

/// Submits one task after the other: each goes to the next one in line.
async fn assert_order(api: &mut Api, waiters: Vec<Waiter>) {
    let mut waiters = waiters.into_iter().enumerate().peekable();
    while let Some((number, waiter)) = waiters.next() {
        let task = api.submit(submit(&number.to_string())).await.unwrap();
        let answer = tokio::time::timeout(SOON, waiter).await;
        let answer = answer.unwrap_or_else(|_| panic!("number {number} was passed over"));
        assert_eq!(answer.unwrap().unwrap().unwrap().uuid, task.uuid);
        if let Some((number, next)) = waiters.peek() {
            assert!(!next.is_finished(), "number {number} came too early");
        }
    }
}

/// Claims at all nodes in turn, in this order.
async fn in_turn(cluster: &Cluster, rounds: usize) -> Vec<Waiter> {
    let mut all = Vec::new();
    for _ in 0..rounds {
        for id in cluster.ids() {
            all.extend(waiters(cluster, id, 1).await);
            // The nodes' clocks follow the leader's, but not to the millisecond.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_holds_across_nodes() {
    let cluster = Cluster::start(3).await;
    let all = in_turn(&cluster, 5).await;
    assert_order(&mut cluster.api(1), all).await;
    let mut turns = 0.0;
    for id in cluster.ids() {
        turns += metric(cluster.node(id).http, "corndogs_wait_turns_total").await;
    }
    assert_eq!(turns, 15.0, "one submit wakes one claim");
    cluster.assert_same_state().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_survives_a_change_of_leaders() {
    let mut random = Random::seeded("waiting in order");
    let cluster = Cluster::start(3).await;
    let mut all = in_turn(&cluster, 3).await;
    let (follower, _) = cluster.follower_and_leader(&mut random).await;
    let name = follower.to_string();
    cluster.command_done(1, &["transfer-leader", &name]).await;
    until("the named leader", async || {
        (cluster.leader().await == follower).then_some(())
    })
    .await;
    // All stand in the new leader's lines once the last one of each node does.
    tokio::time::sleep(Duration::from_secs(1)).await;
    all.extend(in_turn(&cluster, 1).await);
    assert_order(&mut cluster.api(1), all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_hands_over_while_sixty_wait() {
    let mut random = Random::seeded("waiting and transfer");
    let cluster = Cluster::start(3).await;
    let mut all = Vec::new();
    for id in cluster.ids() {
        all.extend(waiters(&cluster, id, 20).await);
    }
    let (follower, _) = cluster.follower_and_leader(&mut random).await;
    let name = follower.to_string();
    cluster.command_done(1, &["transfer-leader", &name]).await;
    submit_all(&mut cluster.api(2), 60).await;
    assert_served(all).await;
    cluster.assert_same_state().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_is_killed_while_sixty_wait() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let mut all = Vec::new();
    for id in cluster.others(leader) {
        all.extend(waiters(&cluster, id, 30).await);
    }
    cluster.node_mut(leader).kill();
    let alive = cluster.others(leader)[0];
    submit_all(&mut cluster.api(alive), 60).await;
    assert_served(all).await;
    cluster.assert_same_state().await;
}

/// A try whose client is gone, and that no node knows to be, may get the task: the next one has its answer at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tries_by_one_key_on_two_nodes_have_one_answer() {
    let cluster = Cluster::start(3).await;
    let tries = [1, 2].map(|id| {
        let mut client = cluster.api(id).client;
        tokio::spawn(async move {
            let answer = client.get_next_task(keyed("k", claim(MINUTE_MS))).await;
            answer.map(tonic::Response::into_inner)
        })
    });
    for id in [1, 2] {
        until("the claims wait", async || {
            let waiting = metric(cluster.node(id).http, "corndogs_waiting_claims").await;
            (waiting == 1.0).then_some(())
        })
        .await;
    }
    submit_all(&mut cluster.api(3), 1).await;
    let answers = tokio::time::timeout(SOON, join_all(tries)).await;
    let answers = answers.expect("one of them waited on");
    let tasks = answers
        .into_iter()
        .map(|answer| answer.unwrap().unwrap().task);
    let [one, two] = tasks.collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(one.as_ref().map(|task| task.attempt), Some(1));
    assert_eq!(one, two);
}

/// Those that wait on a node that is killed, or hangs, keep no task from the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_follower_holds_nobody_up() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let followers = cluster.others(leader);
    for kills in [false, true] {
        let first = waiters(&cluster, followers[0], 20).await;
        let mut others = waiters(&cluster, followers[1], 10).await;
        others.extend(waiters(&cluster, leader, 10).await);
        if kills {
            cluster.node_mut(followers[0]).kill();
        } else {
            cluster.node_mut(followers[0]).pause();
        }
        let lost = Instant::now();
        submit_all(&mut cluster.api(leader), 20).await;
        assert_served(others).await;
        println!("killed {kills}: all served after {:?}", lost.elapsed());
        assert!(lost.elapsed() < Duration::from_secs(8));
        if kills {
            continue;
        }
        // It speaks again, and its claims wait on.
        cluster.node_mut(followers[0]).resume();
        cluster.all_ready().await;
        submit_all(&mut cluster.api(leader), 20).await;
        assert_served(first).await;
    }
    cluster.assert_same_state().await;
}

/// A worker's latencies until nothing came for a while, in microseconds.
async fn work(mut api: Api) -> Vec<u64> {
    let mut latencies = Vec::new();
    while let Some(task) = api.claim(claim(8_000)).await.unwrap() {
        let submitted = std::str::from_utf8(&task.payload).unwrap();
        latencies.push((now_ns() - submitted.parse::<u64>().unwrap()) / 1000);
    }
    latencies
}

/// Processor time of all nodes so far.
fn processor_times_s(cluster: &Cluster) -> f64 {
    let of = |node: &Node| processor_time_s(node.pid());
    cluster.serving().map(of).sum()
}

async fn sum_of(cluster: &Cluster, name: &str) -> f64 {
    let mut sum = 0.0;
    for node in cluster.serving() {
        sum += metric(node.http, name).await;
    }
    sum
}

/// Submits the time of day so often a second; how long each took, sorted.
async fn submit_times(api: &Api, per_s: u64, tasks: usize) -> Vec<Duration> {
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / per_s));
    let mut submits = Vec::new();
    for _ in 0..tasks {
        ticks.tick().await;
        let mut api = api.clone();
        submits.push(tokio::spawn(async move {
            let asked = Instant::now();
            api.submit(submit(&now_ns().to_string())).await.unwrap();
            asked.elapsed()
        }));
    }
    let submits = join_all(submits).await.into_iter();
    let mut submits: Vec<Duration> = submits.map(|took| took.unwrap()).collect();
    submits.sort();
    submits
}

/// No limit is checked: what it takes is for people to read. `CORNDOGS_WAITERS` says how many wait,
/// `CORNDOGS_SUBMITS_PER_S` how often a task comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_submit_to_claim_while_many_wait() {
    let waiters = number("CORNDOGS_WAITERS", 1000) as usize;
    let per_s = number("CORNDOGS_SUBMITS_PER_S", 200);
    let tasks = 5 * per_s as usize;
    let cluster = Cluster::start(3).await;
    // A hundred waiters share a connection.
    let connections = (waiters / 100).max(3);
    let connections: Vec<Api> = (0..connections)
        .map(|number| cluster.api(1 + number as u64 % 3))
        .collect();
    let work: Vec<JoinHandle<Vec<u64>>> = (0..waiters)
        .map(|number| tokio::spawn(work(connections[number % connections.len()].clone())))
        .collect();
    until("all of them wait", async || {
        let waiting = sum_of(&cluster, "corndogs_waiting_claims").await;
        (waiting == waiters as f64).then_some(())
    })
    .await;
    let before = processor_times_s(&cluster);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = (processor_times_s(&cluster) - before) / 2.0;

    let submits = submit_times(&cluster.api(1), per_s, tasks).await;
    let mut latencies = Histogram::<u64>::new(3).unwrap();
    for worker in work {
        for latency in worker.await.unwrap() {
            latencies.record(latency).unwrap();
        }
    }
    assert_eq!(latencies.len(), tasks as u64);
    println!(
        "{waiters} wait, {per_s} submits a second: idle, three nodes take {:.1} % of a core; a submit: p50 {:?}; from submit to claim: p50 {} µs, p99 {} µs, at most {} µs; turns in vain: {}",
        idle * 100.0,
        submits[tasks / 2],
        latencies.value_at_quantile(0.5),
        latencies.value_at_quantile(0.99),
        latencies.max(),
        sum_of(&cluster, "corndogs_wait_empty_turns_total").await
    );
}
