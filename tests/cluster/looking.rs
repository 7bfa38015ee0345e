//! Lists from any node, and acts on many tasks while the leader dies.

use corndogs::proto::v1alpha1::*;

use crate::common::cluster::Cluster;
use crate::common::{Api, PATIENCE, Random, keyed, until};

const TASKS: usize = 20_000;

fn filter(queue: &str) -> TaskFilter {
    TaskFilter {
        queue: queue.into(),
        ..Default::default()
    }
}

/// Waits until some are changed: they are claimed before all others.
async fn until_some_are_changed(api: &mut Api) {
    until("a changed task", async || {
        let claim = GetNextTaskRequest {
            queue: "q".into(),
            ..Default::default()
        };
        let task = api.claim(claim).await.unwrap().unwrap();
        (task.priority == 5).then_some(())
    })
    .await;
}

/// A follower's list holds all that was acknowledged; an act on many that is retried by a key
/// while the leader is killed does each task once, and answers for all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_on_many_survives_its_leader() {
    let mut random = Random::seeded("looking");
    let mut cluster = Cluster::start(3).await;
    let (follower, leader) = cluster.follower_and_leader(&mut random).await;
    let mut api = cluster.api(leader);
    let submit = SubmitTaskRequest {
        queue: "q".into(),
        ..Default::default()
    };
    for _ in 0..TASKS / 1000 {
        let batch = vec![submit.clone(); 1000];
        api.submit_tasks(batch).await.unwrap();
    }
    let list = ListTasksRequest {
        filter: Some(filter("q")),
        page_size: 1000,
        ..Default::default()
    };
    let mut other = cluster.api(follower);
    let (listed, _) = other.list(list.clone()).await.unwrap();
    assert_eq!(listed.len(), TASKS);

    let request = UpdateTasksRequest {
        target: Some(BulkTarget {
            filter: Some(filter("q")),
            ..Default::default()
        }),
        priority: Some(5),
        ..Default::default()
    };
    let retried = tokio::spawn(async move {
        let patience = tokio::time::Instant::now() + PATIENCE;
        loop {
            match other.client.update_tasks(keyed("k", request.clone())).await {
                Ok(done) => return (done.into_inner(), other, request),
                Err(status) => assert!(tokio::time::Instant::now() < patience, "{status}"),
            }
        }
    });
    until_some_are_changed(&mut api).await;
    cluster.node_mut(leader).kill();
    let (done, mut other, request) = retried.await.unwrap();
    assert!(
        done.matched as usize <= TASKS && done.changed > 0,
        "{done:?}"
    );
    let again = other
        .client
        .update_tasks(keyed("k", request))
        .await
        .unwrap();
    assert_eq!(again.into_inner(), done);
    cluster.node_mut(leader).start();
    cluster.all_ready().await;
    cluster.assert_same_state().await;
    for id in cluster.ids() {
        let (listed, _) = cluster.api(id).list(list.clone()).await.unwrap();
        assert_eq!(listed.len(), TASKS, "node {id}");
        for one in &listed {
            let task = one.task.as_ref().unwrap();
            assert!(
                task.priority == 5 || one.is_in_flight,
                "node {id}: {task:?}"
            );
        }
    }
}
