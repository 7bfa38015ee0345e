//! Leases that run out while leaders come and go: each attempt is given once, and time goes on as it went.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::common::cluster::Cluster;
use crate::common::{Api, Failure, Random, failure, until};

const TASKS: usize = 100;
const WORKERS: usize = 8;

fn submit(queue: &str, claim_timeout: i64) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: queue.into(),
        claim_timeout,
        ..Default::default()
    }
}

fn claim(queue: &str, worker: &str) -> GetNextTaskRequest {
    GetNextTaskRequest {
        queue: queue.into(),
        worker: worker.into(),
        ..Default::default()
    }
}

fn completion(task: &Task) -> CompleteTaskRequest {
    CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue.clone(),
        current_state: task.current_state.clone(),
        attempt: task.attempt,
        next_task: None,
    }
}

/// Claims and completes at one node after the other; every other lease is left to run out.
struct Worker {
    nodes: Vec<SocketAddr>,
    name: String,
    random: Random,
    done: Arc<AtomicBool>,
    claimed: Vec<Task>,
    completed: Vec<Task>,
}

impl Worker {
    async fn run(mut self) -> (Vec<Task>, Vec<Task>) {
        let mut node = self.random.below(3) as usize;
        while !self.done.load(Ordering::SeqCst) {
            let address = self.nodes[node % self.nodes.len()];
            let mut api = Api::lazy_within(address, Duration::from_secs(2));
            if !self.work_at(&mut api).await {
                node += 1;
            }
        }
        (self.claimed, self.completed)
    }

    /// Works at one node until a call fails.
    async fn work_at(&mut self, api: &mut Api) -> bool {
        while !self.done.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(self.random.below(60))).await;
            let task = match api.claim(claim("short", &self.name)).await {
                Ok(Some(task)) => task,
                Ok(None) => continue,
                Err(status) => return fails(&status),
            };
            self.claimed.push(task.clone());
            if self.random.below(2) == 0 {
                continue;
            }
            // Some are late: their lease has run out, and another may hold it.
            let work = Duration::from_millis(self.random.below(1500));
            tokio::time::sleep(work).await;
            match api.complete(completion(&task)).await {
                Ok(Some(done)) => self.completed.push(done),
                // It ran out, whoever has it now.
                Ok(None) => {}
                Err(status) if status.code() == Code::FailedPrecondition => {}
                Err(status) => return fails(&status),
            }
        }
        true
    }
}

/// A failure that a client may see while nodes fail.
fn fails(status: &tonic::Status) -> bool {
    let may = [Failure::NothingDone, Failure::Unknown];
    assert!(may.contains(&failure(status)), "{status:?}");
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_is_given_once_while_leaders_change() {
    let mut random = Random::seeded("leases");
    let mut cluster = Cluster::start_with(3, |setup| setup.arg("--timeout-sweep", "200ms")).await;
    let mut api = cluster.api(1);
    for _ in 0..TASKS {
        api.submit(submit("short", 1)).await.unwrap();
    }
    let mut held = Vec::new();
    for _ in 0..20 {
        api.submit(submit("long", 3600)).await.unwrap();
        held.extend(api.claim(claim("long", "holder")).await.unwrap());
    }
    let done = Arc::new(AtomicBool::new(false));
    let workers = (0..WORKERS).map(|number| Worker {
        nodes: cluster.addresses(),
        name: format!("worker {number}"),
        random: Random(random.number()),
        done: done.clone(),
        claimed: Vec::new(),
        completed: Vec::new(),
    });
    let workers: Vec<_> = workers.map(|worker| tokio::spawn(worker.run())).collect();
    for pause in [false, true, false] {
        tokio::time::sleep(Duration::from_millis(500 + random.below(500))).await;
        let leader = cluster.leader().await;
        if pause {
            cluster.node_mut(leader).pause();
            tokio::time::sleep(Duration::from_secs(2)).await;
            cluster.node_mut(leader).resume();
        } else {
            cluster.node_mut(leader).kill();
            cluster.leader().await;
            cluster.node_mut(leader).start();
        }
        cluster.all_ready().await;
    }
    until("the end of the work", async || {
        let left = api.state_counts("short").await.ok()?.count;
        (left == 0).then_some(())
    })
    .await;
    done.store(true, Ordering::SeqCst);
    let (mut claimed, mut completed) = (Vec::new(), Vec::new());
    for worker in workers {
        let (claims, completions) = worker.await.unwrap();
        claimed.extend(claims);
        completed.extend(completions);
    }
    println!("{} claims, {} completions", claimed.len(), completed.len());
    assert_each_once(&claimed, &completed);
    for id in cluster.ids() {
        let mut api = cluster.api(id);
        for task in &completed {
            let found = api.get(&task.uuid).await.unwrap().unwrap();
            assert_eq!(&found, task, "it was completed by that holder");
        }
        // An hour has not gone by, whoever leads.
        for task in &held {
            let found = api.get(&task.uuid).await.unwrap();
            assert_eq!(found.as_ref(), Some(task));
        }
    }
    for task in &held {
        let completed = api.complete(completion(task)).await.unwrap();
        assert!(completed.is_some(), "the holder can't complete {task:?}");
    }
    cluster.assert_same_state().await;
}

/// No two workers were given the same attempt, and no task was completed twice.
fn assert_each_once(claimed: &[Task], completed: &[Task]) {
    let mut given = BTreeMap::new();
    let mut last = BTreeMap::new();
    for task in claimed {
        let attempt = (task.uuid.clone(), task.attempt);
        if let Some(other) = given.insert(attempt, &task.worker) {
            panic!("{other} and {} were given {task:?}", task.worker);
        }
        let last = last.entry(&task.uuid).or_insert(0);
        *last = task.attempt.max(*last);
    }
    let mut seen = BTreeSet::new();
    for task in completed {
        assert!(seen.insert(&task.uuid), "completed twice: {task:?}");
        let later = last[&task.uuid] > task.attempt;
        assert!(!later, "completed, and claimed afterwards: {task:?}");
    }
    let again = claimed.iter().filter(|task| task.attempt > 1).count();
    assert!(again > 0, "no lease ran out");
}
