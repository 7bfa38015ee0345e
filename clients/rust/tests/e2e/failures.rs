//! A pool of workers and a submitter while leaders die.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corndogs_client::{
    CancellationToken, Claim, Client, Error, Job, Outcome, Submit, Summary, Worker,
};
use tokio::task::JoinHandle;

use crate::common::{Cluster, until};

const TASKS: usize = 400;
const WORKERS: usize = 2;
const SLOTS: u32 = 8;
const KILLS: usize = 3;

/// Each number becomes one result, in the step that completes its task.
fn worker(client: Client, stop: CancellationToken) -> JoinHandle<Result<Summary, Error>> {
    let worker = Worker::new(client, "numbers").concurrency(SLOTS);
    let worker = worker.lease(Duration::from_secs(5));
    let stopped = async move { stop.cancelled().await };
    tokio::spawn(worker.run_until(stopped, |job: Job| async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let number: usize = job.json()?;
        Ok::<_, Error>(Outcome::Next(Submit::json("results", &number)))
    }))
}

/// Submits one number after the other until it is told to stop. Any error is a failure of the test.
fn submitter(
    client: Client,
    submitted: Arc<AtomicUsize>,
    all_killed: CancellationToken,
) -> JoinHandle<usize> {
    tokio::spawn(async move {
        for number in 0.. {
            if number >= TASKS && all_killed.is_cancelled() {
                return number;
            }
            client.submit("numbers", &number).send().await.unwrap();
            submitted.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("there is no end of numbers")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_death_of_a_leader_is_a_pause_and_each_effect_comes_once() {
    let mut cluster = Cluster::start(3).await;
    let client = cluster.client();
    let [stop, all_killed] = [CancellationToken::new(), CancellationToken::new()];
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| worker(cluster.client(), stop.clone()))
        .collect();
    let submitted = Arc::new(AtomicUsize::new(0));
    let submitter = submitter(cluster.client(), submitted.clone(), all_killed.clone());
    for _ in 0..KILLS {
        let before = submitted.load(Ordering::SeqCst);
        until("submits are answered", async || {
            (submitted.load(Ordering::SeqCst) > before + 20).then_some(())
        })
        .await;
        let leader = cluster.leader().await;
        cluster.nodes[leader].process.kill();
        let new = cluster.leader().await;
        assert_ne!(new, leader);
        cluster.nodes[leader].process.start();
        cluster.nodes[leader].ready().await;
    }
    all_killed.cancel();
    let tasks = submitter.await.unwrap();
    until("all is worked off", async || {
        let counts = client.counts_of("numbers").await.unwrap();
        (counts.total == 0).then_some(())
    })
    .await;
    stop.cancel();
    for worker in workers {
        let summary = worker.await.unwrap().unwrap();
        println!("{summary:?}");
        assert_eq!(
            (summary.given_back, summary.dead, summary.released),
            (0, 0, 0)
        );
    }
    let mut results = Vec::new();
    while let some @ [_, ..] = &client.claim_many(Claim::of("results"), 1000).await.unwrap()[..] {
        results.extend(some.iter().map(|task| task.json::<usize>().unwrap()));
    }
    assert_eq!(results.len(), tasks, "each number gave one result");
    assert_eq!(
        results.into_iter().collect::<BTreeSet<_>>(),
        (0..tasks).collect()
    );
}
