//! What one node acknowledged, every node shows at once.

use std::time::Duration;

use corndogs::proto::v1alpha1::*;

use crate::common::cluster::Cluster;
use crate::common::{Api, Random};
use crate::load::Load;

/// One round: a task as one node after the other changes it, and as all others see it at once.
async fn written_and_read(apis: &[Api], random: &mut Random, round: usize) {
    let mut pick = || apis[random.below(apis.len() as u64) as usize].clone();
    let queue = format!("round {round}");
    let submit = SubmitTaskRequest {
        queue: queue.clone(),
        ..Default::default()
    };
    let submitted = pick().submit(submit).await.unwrap();
    seen_by_all(apis, &submitted, 1).await;
    let claim = GetNextTaskRequest {
        queue,
        ..Default::default()
    };
    // A claim is a read as well: the task is there for every node.
    let claimed = pick().claim(claim.clone()).await.unwrap();
    let claimed = claimed.expect("a task that was acknowledged can't be claimed");
    assert_eq!(claimed.uuid, submitted.uuid);
    seen_by_all(apis, &claimed, 1).await;
    assert_eq!(pick().claim(claim).await.unwrap(), None);
    let complete = CompleteTaskRequest {
        uuid: claimed.uuid.clone(),
        queue: claimed.queue.clone(),
        current_state: claimed.current_state.clone(),
        attempt: claimed.attempt,
        next_task: None,
    };
    let completed = pick().complete(complete).await.unwrap().unwrap();
    seen_by_all(apis, &completed, 0).await;
}

async fn seen_by_all(apis: &[Api], task: &Task, live: i64) {
    let looks = apis.iter().map(async |api| {
        let mut api = api.clone();
        assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(task));
        let counts = api.state_counts(&task.queue).await.unwrap();
        assert_eq!(counts.count, live, "{task:?}");
    });
    futures::future::join_all(looks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_acknowledged_every_node_shows_at_once() {
    let mut random = Random::seeded("read your writes");
    let cluster = Cluster::start(3).await;
    let load = Load::start(&cluster, "beside", &mut random, Duration::from_secs(20));
    load.progress().await;
    let apis: Vec<Api> = cluster
        .ids()
        .into_iter()
        .map(|id| cluster.api(id))
        .collect();
    for round in 0..150 {
        written_and_read(&apis, &mut random, round).await;
    }
    let record = load.stop().await;
    assert_eq!(record.unknown, Vec::<String>::new(), "nothing failed");
    cluster.assert_same_state().await;
}
