//! Batches on three nodes: each is done as a whole or not at all, whoever dies meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;

use crate::common::cluster::Cluster;
use crate::common::{Api, Failure, Random, Tries, code, failure, until};

const QUEUE: &str = "batches";
const MIB: usize = 1 << 20;
const WORKERS: u64 = 6;
/// How long a call may take.
const LIMIT: Duration = Duration::from_secs(20);

fn claim(worker: &str) -> GetNextTaskRequest {
    GetNextTaskRequest {
        queue: QUEUE.into(),
        worker: worker.into(),
        ..Default::default()
    }
}

fn complete(task: &Task) -> CompleteTaskRequest {
    CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: QUEUE.into(),
        current_state: task.current_state.clone(),
        attempt: task.attempt,
        next_task: None,
    }
}

/// What became of a call that changes something.
enum Told<T> {
    Done(T),
    NotDone,
    Unknown,
}

fn told<T>(answer: Tries<T>) -> Told<T> {
    match answer {
        Ok(answer) => Told::Done(answer),
        Err(status) => match failure(&status) {
            Failure::NothingDone => Told::NotDone,
            Failure::Unknown => Told::Unknown,
            Failure::Refused | Failure::Unclear => panic!("{status:?}"),
        },
    }
}

/// What one worker did and was told.
#[derive(Default)]
struct Record {
    /// Uuids of each batch, and whether it was acknowledged; none where that is not known.
    submitted: Vec<(Vec<String>, Option<bool>)>,
    /// The leases that it was told of.
    claimed: Vec<Task>,
    /// Uuids of each batch of completions, and whether it was acknowledged.
    completed: Vec<(Vec<String>, Option<bool>)>,
}

fn known<T>(told: &Told<T>) -> Option<bool> {
    match told {
        Told::Done(_) => Some(true),
        Told::NotDone => Some(false),
        Told::Unknown => None,
    }
}

async fn work(apis: Vec<Api>, name: String, mut random: Random, stop: Arc<AtomicBool>) -> Record {
    let mut record = Record::default();
    while !stop.load(Ordering::SeqCst) {
        let mut api = apis[random.below(apis.len() as u64) as usize].clone();
        let uuids: Vec<String> = (0..=random.below(30)).map(|_| random.uuid()).collect();
        let tasks = uuids.iter().map(|uuid| SubmitTaskRequest {
            queue: QUEUE.into(),
            uuid: uuid.clone(),
            ..Default::default()
        });
        let answer = told(api.submit_tasks(tasks.collect()).await);
        if let Told::Done(tasks) = &answer {
            assert!(tasks.iter().map(|task| &task.uuid).eq(&uuids));
        }
        record.submitted.push((uuids, known(&answer)));
        let max_tasks = 1 + random.below(20) as i32;
        let Told::Done(tasks) = told(api.claim_tasks(claim(&name), max_tasks).await) else {
            continue;
        };
        record.claimed.extend(tasks.iter().cloned());
        if tasks.is_empty() {
            continue;
        }
        let answer = told(
            api.complete_tasks(tasks.iter().map(complete).collect())
                .await,
        );
        if let Told::Done(results) = &answer {
            assert!(
                results.iter().all(|result| result.task.is_some()),
                "a lease was lost"
            );
        }
        let uuids = tasks.into_iter().map(|task| task.uuid).collect();
        record.completed.push((uuids, known(&answer)));
    }
    record
}

async fn look_up(api: &Api, uuid: &str) -> Option<Task> {
    api.clone().get(uuid).await.unwrap()
}

/// All of a batch are as the predicate says, or none is; both are right where the outcome is not known.
async fn assert_whole(
    api: &Api,
    (uuids, acknowledged): &(Vec<String>, Option<bool>),
    is_done: fn(Option<&Task>) -> bool,
) {
    let found = join_all(uuids.iter().map(|uuid| look_up(api, uuid))).await;
    let done = found.iter().filter(|found| is_done(found.as_ref())).count();
    let right = match acknowledged {
        Some(true) => done == uuids.len(),
        Some(false) => done == 0,
        None => done == 0 || done == uuids.len(),
    };
    assert!(
        right,
        "{done} of {} are done, acknowledged: {acknowledged:?}",
        uuids.len()
    );
}

async fn check(api: &Api, records: &[Record]) {
    let mut leases = std::collections::BTreeSet::new();
    for record in records {
        for batch in &record.submitted {
            assert_whole(api, batch, |task| task.is_some()).await;
        }
        for batch in &record.completed {
            let is_completed =
                |task: Option<&Task>| task.is_some_and(|task| task.current_state == "completed");
            assert_whole(api, batch, is_completed).await;
        }
        let claimed = &record.claimed;
        let found = join_all(claimed.iter().map(|task| look_up(api, &task.uuid))).await;
        for (task, found) in claimed.iter().zip(found) {
            assert!(leases.insert(&task.uuid), "two workers hold {task:?}");
            let found = found.unwrap();
            assert_eq!((found.attempt, &found.worker), (1, &task.worker));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_dies_leaves_no_batch_half_done() {
    let mut random = Random::seeded("batches");
    let mut cluster = Cluster::start(3).await;
    let stop = Arc::new(AtomicBool::new(false));
    let addresses = cluster.addresses();
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let apis = addresses.iter().map(|node| Api::lazy_within(*node, LIMIT));
            let random = Random(random.number());
            let work = work(apis.collect(), format!("w{number}"), random, stop.clone());
            tokio::spawn(work)
        })
        .collect();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(500 + random.below(500))).await;
        let leader = cluster.leader().await;
        cluster.node_mut(leader).kill();
        let others = cluster.others(leader);
        until("another leader", async || {
            let status = cluster.node(others[0]).status().await?;
            (status.leader != 0 && status.leader != leader).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(random.below(500))).await;
        cluster.node_mut(leader).start();
        cluster.node_mut(leader).ready().await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut records = Vec::new();
    for worker in workers {
        records.push(worker.await.unwrap());
    }
    cluster.assert_same_state().await;
    let batches = records.iter().flat_map(|record| &record.submitted);
    let acknowledged = batches.clone().filter(|batch| batch.1 == Some(true));
    println!(
        "{} of {} submits acknowledged",
        acknowledged.clone().count(),
        batches.count()
    );
    assert!(acknowledged.count() > 20, "there was no load");
    assert!(records.iter().any(|record| !record.completed.is_empty()));
    // All nodes hold the same: one of them tells it.
    check(&cluster.api(1), &records).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_as_long_as_a_message_goes_through_a_follower() {
    let mut random = Random::seeded("long batches");
    let mut cluster = Cluster::start(3).await;
    let (follower, leader) = cluster.follower_and_leader(&mut random).await;
    let tasks = |random: &mut Random| {
        let tasks = (0..15).map(|_| SubmitTaskRequest {
            queue: QUEUE.into(),
            payload: random.bytes(MIB).into(),
            ..Default::default()
        });
        tasks.collect::<Vec<_>>()
    };
    let mut submitted = Vec::new();
    for id in [follower, leader] {
        let batch = tasks(&mut random);
        submitted.extend(cluster.api(id).submit_tasks(batch).await.unwrap());
    }
    assert_eq!(
        cluster.leader().await,
        leader,
        "a long entry cost the leader its lead"
    );
    cluster.assert_same_state().await;
    // A node that comes back finds them in its own log and in the others'.
    cluster.node_mut(follower).kill();
    let batch = tasks(&mut random);
    submitted.extend(cluster.api(leader).submit_tasks(batch).await.unwrap());
    cluster.node_mut(follower).start();
    cluster.node_mut(follower).ready().await;
    cluster.assert_same_state().await;
    let mut api = cluster.api(follower);
    let mut claimed = Vec::new();
    while claimed.len() < submitted.len() {
        let tasks = api.claim_tasks(claim("w"), 1000).await.unwrap();
        assert!((1..=4).contains(&tasks.len()));
        claimed.extend(tasks);
    }
    for (claimed, submitted) in claimed.iter().zip(&submitted) {
        assert_eq!(
            (&claimed.uuid, &claimed.payload),
            (&submitted.uuid, &submitted.payload)
        );
    }
    let completes = claimed.iter().map(complete).collect();
    assert_eq!(code(&api.complete_tasks(completes).await), tonic::Code::Ok);
    cluster.assert_same_state().await;
}
