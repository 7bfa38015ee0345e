//! Limits of queues hold over the loss of leaders, and claims that wait get what frees.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;

use crate::common::cluster::Cluster;
use crate::common::{Api, Random, keyed, until};

const LIMIT: i64 = 4;
const TASKS: usize = 300;

fn tenant(number: usize) -> SubmitTaskRequest {
    let tenant = ["a", "b", "c"][number % 3];
    SubmitTaskRequest {
        queue: "q".into(),
        metadata: [("tenant".to_owned(), tenant.to_owned())].into(),
        ..Default::default()
    }
}

/// Works until nothing is left, whatever happens to the node it asks: the next one is asked with the same key.
async fn work(mut apis: Vec<Api>, number: usize, held: Arc<AtomicI64>, done: Arc<AtomicUsize>) {
    let mut calls = 0;
    while done.load(Ordering::SeqCst) < TASKS {
        calls += 1;
        let claim = GetNextTaskRequest {
            queue: "q".into(),
            wait_ms: 1000,
            worker: number.to_string(),
            ..Default::default()
        };
        let key = format!("claim-{number}-{calls}");
        let task = loop {
            let request = keyed(&key, claim.clone());
            match apis[0].client.get_next_task(request).await {
                Ok(answer) => break answer.into_inner().task,
                Err(_) => apis.rotate_left(1),
            }
        };
        let Some(task) = task else {
            continue;
        };
        let now = held.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now <= LIMIT, "{now} tasks are held");
        tokio::time::sleep(Duration::from_millis(20)).await;
        // From here on another one may have the slot.
        held.fetch_sub(1, Ordering::SeqCst);
        let complete = CompleteTaskRequest {
            uuid: task.uuid.clone(),
            queue: task.queue.clone(),
            current_state: task.current_state.clone(),
            attempt: task.attempt,
            ..Default::default()
        };
        let key = format!("complete-{number}-{calls}");
        loop {
            let request = keyed(&key, complete.clone());
            match apis[0].client.complete_task(request).await {
                Ok(answer) => {
                    assert!(answer.into_inner().task.is_some());
                    break;
                }
                Err(_) => apis.rotate_left(1),
            }
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_while_leaders_are_killed() {
    let mut random = Random::seeded("limits and kills");
    let mut cluster = Cluster::start(3).await;
    let mut api = cluster.api(1);
    let limited = SetQueueRequest {
        queue: "q".into(),
        max_in_flight: Some(LIMIT),
        group_by: Some("tenant".into()),
        max_in_flight_per_group: Some(2),
        ..Default::default()
    };
    api.client.set_queue(limited).await.unwrap();
    api.submit_tasks((0..TASKS).map(tenant).collect())
        .await
        .unwrap();
    let (held, done) = (Arc::<AtomicI64>::default(), Arc::<AtomicUsize>::default());
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let mut apis: Vec<Api> = cluster
                .ids()
                .into_iter()
                .map(|id| cluster.api(id))
                .collect();
            apis.rotate_left(number % 3);
            tokio::spawn(work(apis, number, held.clone(), done.clone()))
        })
        .collect();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(300 + random.below(300))).await;
        let leader = cluster.leader().await;
        cluster.node_mut(leader).kill();
        tokio::time::sleep(Duration::from_millis(500)).await;
        cluster.node_mut(leader).start();
        cluster.all_ready().await;
    }
    for worker in join_all(workers).await {
        worker.unwrap();
    }
    assert_eq!(done.load(Ordering::SeqCst), TASKS);
    cluster.assert_same_state().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_s_claim_gets_the_slot_that_frees() {
    let mut random = Random::seeded("slots");
    let cluster = Cluster::start(3).await;
    let (follower, leader) = cluster.follower_and_leader(&mut random).await;
    let mut api = cluster.api(leader);
    let limited = SetQueueRequest {
        queue: "q".into(),
        max_in_flight: Some(1),
        ..Default::default()
    };
    api.client.set_queue(limited).await.unwrap();
    api.submit_tasks(vec![tenant(0), tenant(1)]).await.unwrap();
    let claim = |wait_ms| GetNextTaskRequest {
        queue: "q".into(),
        wait_ms,
        ..Default::default()
    };
    let first = api.claim(claim(0)).await.unwrap().unwrap();
    let mut other = cluster.api(follower);
    let waiter = tokio::spawn(async move { other.claim(claim(30_000)).await });
    let http = cluster.node(follower).http;
    until("the claim waits", async || {
        let waiting = crate::common::metric(http, "corndogs_waiting_claims").await;
        (waiting == 1.0).then_some(())
    })
    .await;
    let complete = CompleteTaskRequest {
        uuid: first.uuid,
        queue: first.queue,
        current_state: first.current_state,
        ..Default::default()
    };
    api.complete(complete).await.unwrap();
    let second = tokio::time::timeout(Duration::from_secs(10), waiter).await;
    assert!(second.unwrap().unwrap().unwrap().is_some());
}
