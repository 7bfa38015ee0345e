//! Calls that are retried by a key, on whichever node answers: done once, answered as the first time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;

use crate::common::cluster::Cluster;
use crate::common::{Api, Failure, PATIENCE, Random, Tries, failure, keyed, metric, number, until};
use crate::gaps::Table;
use crate::snapshot;

/// Unless `CORNDOGS_RETRY_CLIENTS` and `CORNDOGS_RETRY_KILLS` say otherwise; 32 and 20 are the full run.
const CLIENTS: u64 = 8;
const KILLS: u64 = 3;
const QUEUE: &str = "retries";
/// A client asks another node after that long.
const CALL_LIMIT: Duration = Duration::from_secs(2);
/// How long a client waits before it asks another node after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// What a client was told, all of it certain.
#[derive(Default)]
struct Told {
    submitted: Vec<String>,
    claimed: Vec<String>,
    completed: Vec<String>,
    retries: usize,
    /// When it got its answers.
    acks: Vec<Instant>,
}

struct Client {
    addresses: Vec<SocketAddr>,
    name: String,
    random: Random,
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    told: Told,
}

impl Client {
    async fn run(mut self) -> Told {
        for number in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            self.submit(number).await;
            if self.random.below(3) > 0 {
                self.work(number).await;
            }
            let rest = Duration::from_micros(self.random.below(10_000));
            tokio::time::sleep(rest).await;
        }
        self.told
    }

    /// Asks node after node with the same key; now and then two of them at the same time.
    async fn call<T, F>(&mut self, key: &str, ask: impl Fn(Api, &str) -> F) -> T
    where
        T: PartialEq + std::fmt::Debug,
        F: Future<Output = Tries<tonic::Response<T>>>,
    {
        let first = self.random.below(3) as usize;
        let at_once = 1 + usize::from(self.random.below(4) == 0);
        let tries = (0..at_once).map(|number| self.persist(first + number, key, &ask));
        let mut answers = join_all(tries).await;
        let (answer, retries) = answers.remove(0);
        for (other, _) in answers {
            assert_eq!(answer, other, "{key}: two answers");
        }
        self.told.retries += retries;
        self.told.acks.push(Instant::now());
        self.answers.fetch_add(1, Ordering::SeqCst);
        answer
    }

    async fn persist<T, F>(
        &self,
        first: usize,
        key: &str,
        ask: &impl Fn(Api, &str) -> F,
    ) -> (T, usize)
    where
        F: Future<Output = Tries<tonic::Response<T>>>,
    {
        let patience = Instant::now() + PATIENCE;
        for number in 0.. {
            let address = self.addresses[(first + number) % self.addresses.len()];
            let status = match ask(Api::lazy_within(address, CALL_LIMIT), key).await {
                Ok(answer) => return (answer.into_inner(), number),
                Err(status) => status,
            };
            let passes = matches!(failure(&status), Failure::NothingDone | Failure::Unknown);
            assert!(passes, "{key}: {status:?}");
            assert!(Instant::now() < patience, "{key}: still {status:?}");
            tokio::time::sleep(RETRY_AFTER).await;
        }
        unreachable!("a client tries for ever")
    }

    async fn submit(&mut self, number: usize) {
        let request = SubmitTaskRequest {
            queue: QUEUE.into(),
            payload: format!("{} {number}", self.name).into(),
            ..Default::default()
        };
        let key = format!("{} submit {number}", self.name);
        let ask = |mut api: Api, key: &str| {
            let request = keyed(key, request.clone());
            async move { api.client.submit_task(request).await }
        };
        let answer = self.call(&key, ask).await;
        self.told.submitted.push(answer.task.unwrap().uuid);
    }

    async fn work(&mut self, number: usize) {
        let claim = GetNextTaskRequest {
            queue: QUEUE.into(),
            worker: self.name.clone(),
            ..Default::default()
        };
        let key = format!("{} claim {number}", self.name);
        let ask = |mut api: Api, key: &str| {
            let request = keyed(key, claim.clone());
            async move { api.client.get_next_task(request).await }
        };
        let Some(task) = self.call(&key, ask).await.task else {
            return;
        };
        assert_eq!(task.worker, self.name, "another's lease");
        self.told.claimed.push(task.uuid.clone());
        if self.random.below(4) == 0 {
            return;
        }
        let next_task = (self.random.below(2) == 0).then(|| SubmitTaskRequest {
            queue: QUEUE.into(),
            ..Default::default()
        });
        let complete = CompleteTaskRequest {
            uuid: task.uuid.clone(),
            queue: task.queue,
            current_state: task.current_state,
            attempt: 0,
            next_task,
        };
        let key = format!("{} complete {number}", self.name);
        let ask = |mut api: Api, key: &str| {
            let request = keyed(key, complete.clone());
            async move { api.client.complete_task(request).await }
        };
        let answer = self.call(&key, ask).await;
        // Nobody else completes it: a retry that was done again would find nothing.
        assert_eq!(answer.task.unwrap().uuid, task.uuid);
        assert_eq!(answer.next_task.is_some(), complete.next_task.is_some());
        self.told.completed.push(task.uuid);
        let next = answer.next_task.map(|next| next.uuid);
        self.told.submitted.extend(next);
    }
}

fn start_clients(
    cluster: &Cluster,
    random: &mut Random,
    stop: &Arc<AtomicBool>,
    answers: &Arc<AtomicUsize>,
) -> Vec<tokio::task::JoinHandle<Told>> {
    let clients = (0..number("CORNDOGS_RETRY_CLIENTS", CLIENTS)).map(|number| Client {
        addresses: cluster.addresses(),
        name: format!("c{number}"),
        random: Random(random.number()),
        stop: stop.clone(),
        answers: answers.clone(),
        told: Told::default(),
    });
    clients.map(|client| tokio::spawn(client.run())).collect()
}

/// All uuids differ.
fn distinct(uuids: &[String], what: &str) {
    let mut sorted = uuids.to_vec();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), uuids.len(), "{what} twice");
}

/// What was done is what was answered, no more and no less.
async fn assert_done_once(cluster: &Cluster, told: &Told) {
    distinct(&told.submitted, "submitted");
    distinct(&told.claimed, "claimed");
    distinct(&told.completed, "completed");
    let [submitted, claimed, completed] =
        [&told.submitted, &told.claimed, &told.completed].map(|uuids| uuids.len() as i64);
    for node in cluster.serving() {
        let counts = cluster.api(node.id).state_counts(QUEUE).await.unwrap();
        let of = |state: &str| counts.state_counts.get(state).copied().unwrap_or(0);
        assert_eq!(of("submitted"), submitted - claimed, "node {}", node.id);
        assert_eq!(of("submitted-working"), claimed - completed);
        let total = async |name: &str| metric(node.http, name).await;
        assert_eq!(total("corndogs_tasks_total").await, submitted as f64);
        let name = "corndogs_completed_tasks_total";
        assert_eq!(total(name).await, completed as f64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_retries_by_a_key_sees_no_error_and_doubles_nothing() {
    let mut random = Random::seeded("retries");
    // Snapshots, and purges of the log behind them, come in the middle of it.
    let mut cluster = Cluster::start_with(3, |setup| setup.arg("--snapshot-every", "300")).await;
    let (stop, answers) = (Arc::default(), Arc::default());
    let clients = start_clients(&cluster, &mut random, &stop, &answers);
    let progress = async || {
        let before = answers.load(Ordering::SeqCst);
        until("more answers", async || {
            // A client that failed its test ends early: don't wait for the rest of them.
            let failed = clients.iter().any(|client| client.is_finished());
            let now = answers.load(Ordering::SeqCst);
            (failed || now > before + 5 * clients.len()).then_some(())
        })
        .await;
    };
    let mut kills = Vec::new();
    for _ in 0..number("CORNDOGS_RETRY_KILLS", KILLS) {
        progress().await;
        let leader = cluster.leader().await;
        let killed = Instant::now();
        cluster.node_mut(leader).kill();
        progress().await;
        let started = Instant::now();
        cluster.node_mut(leader).start();
        cluster.node_mut(leader).ready().await;
        kills.push([killed, started, Instant::now()]);
    }
    progress().await;
    stop.store(true, Ordering::SeqCst);
    let (mut told, mut acks) = (Told::default(), Vec::new());
    for client in join_all(clients).await {
        let client = client.unwrap();
        told.submitted.extend(client.submitted);
        told.claimed.extend(client.claimed);
        told.completed.extend(client.completed);
        told.retries += client.retries;
        acks.push(client.acks);
    }
    cluster.assert_same_state().await;
    assert_done_once(&cluster, &told).await;
    let mut table = Table::default();
    for moments in &kills {
        table.add("kill -9, leader; calls with keys", &acks, *moments, 0);
    }
    println!("{table}");
    println!(
        "{} kills of the leader: {} submitted, {} claimed, {} completed, {} retries; 0 errors, 0 twice",
        kills.len(),
        told.submitted.len(),
        told.claimed.len(),
        told.completed.len(),
        told.retries
    );
    assert!(told.retries > 0, "the kills went unnoticed");
}

/// Answers of several kinds, and the key of each.
async fn answers(api: &Api, task: &Task) -> Vec<String> {
    let mut client = api.client.clone();
    let submit = SubmitTaskRequest {
        queue: QUEUE.into(),
        payload: vec![7; 50_000].into(),
        ..Default::default()
    };
    let claim = |queue: &str| GetNextTaskRequest {
        queue: queue.into(),
        ..Default::default()
    };
    let stale = CancelTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue.clone(),
        current_state: task.current_state.clone(),
        attempt: 9,
    };
    let stale = client.cancel_task(keyed("stale", stale)).await;
    vec![
        format!(
            "{:?}",
            client
                .submit_task(keyed("submit", submit))
                .await
                .unwrap()
                .get_ref()
        ),
        format!(
            "{:?}",
            client
                .get_next_task(keyed("claim", claim(QUEUE)))
                .await
                .unwrap()
                .get_ref()
        ),
        format!(
            "{:?}",
            client
                .get_next_task(keyed("none", claim("none")))
                .await
                .unwrap()
                .get_ref()
        ),
        stale.unwrap_err().message().to_owned(),
    ]
}

/// Who is sent a snapshot has the answers that were given while it was away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_with_a_snapshot() {
    let mut random = Random::seeded("answers in a snapshot");
    let mut cluster = snapshot::start().await;
    let (follower, behind, mut tasks) = snapshot::killed_follower(&mut cluster, &mut random).await;
    let leader = cluster.leader().await;
    let first = answers(&cluster.api(leader), &tasks[0]).await;
    tasks.extend(snapshot::leave_behind(&cluster, behind, 300, &mut random).await);
    let held = snapshot::newest_snapshot(&cluster).await;
    tasks.extend(snapshot::leave_behind(&cluster, held, 300, &mut random).await);
    cluster.node_mut(follower).start();
    snapshot::assert_caught_up(&mut cluster, follower, &tasks).await;
    assert_eq!(answers(&cluster.api(follower), &tasks[0]).await, first);
    // A majority that has the follower in it, whoever led before.
    let other = cluster.others(follower)[0];
    cluster.node_mut(other).kill();
    cluster.leader().await;
    for id in cluster.others(other) {
        assert_eq!(answers(&cluster.api(id), &tasks[0]).await, first);
    }
    cluster.assert_same_state().await;
}
