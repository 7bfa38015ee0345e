//! Retries by a key of calls that wait, and of batches.

use std::time::Instant;

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;

use crate::additions::submit;
use crate::common::{Api, Server, keyed};
use crate::waiting::{MINUTE_MS, SOON, claim, waiting};

async fn keyed_claim(api: &Api, key: &str, request: &GetNextTaskRequest) -> Option<Task> {
    let mut client = api.client.clone();
    let answer = client.get_next_task(keyed(key, request.clone())).await;
    answer.unwrap().into_inner().task
}

#[tokio::test]
async fn a_retry_of_a_wait_has_its_answer_at_once_though_others_wait() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let request = claim("q", MINUTE_MS);
    let (first, task) = tokio::join!(keyed_claim(&api, "k", &request), async {
        waiting(&server, 1).await;
        api.clone().submit(submit("q")).await.unwrap()
    });
    assert_eq!(first.as_ref().unwrap().uuid, task.uuid);
    let others = (0..3).map(|_| {
        let mut api = api.clone();
        tokio::spawn(async move { api.claim(claim("q", MINUTE_MS)).await })
    });
    let others: Vec<_> = others.collect();
    waiting(&server, 3).await;
    let began = Instant::now();
    assert_eq!(keyed_claim(&api, "k", &request).await, first);
    assert!(began.elapsed() < SOON);
    for _ in 0..3 {
        api.submit(submit("q")).await.unwrap();
    }
    for other in join_all(others).await {
        let task = other.unwrap().unwrap().unwrap();
        assert_ne!(task.uuid, first.as_ref().unwrap().uuid);
    }
}

#[tokio::test]
async fn a_wait_in_vain_stays_in_vain() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let request = claim("q", 100);
    assert_eq!(keyed_claim(&api, "k", &request).await, None);
    api.submit(submit("q")).await.unwrap();
    assert_eq!(keyed_claim(&api, "k", &request).await, None);
    assert!(keyed_claim(&api, "another", &request).await.is_some());
}

#[tokio::test]
async fn tries_of_a_wait_that_find_nothing_are_not_the_answer() {
    let server = Server::start().await;
    let api = server.api().await;
    // Two waits by one key at the same time: one task answers both.
    let request = claim("q", MINUTE_MS);
    let began = Instant::now();
    let (one, two, task) = tokio::join!(
        keyed_claim(&api, "k", &request),
        keyed_claim(&api, "k", &request),
        async {
            waiting(&server, 2).await;
            api.clone().submit(submit("q")).await.unwrap()
        }
    );
    assert_eq!(one.as_ref().unwrap().uuid, task.uuid);
    assert_eq!(one, two);
    assert_eq!(one.unwrap().attempt, 1);
    assert!(began.elapsed() < SOON, "one of them waited on");
}

#[tokio::test]
async fn batches_are_done_once() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let mut client = api.client.clone();
    let submits = SubmitTasksRequest {
        tasks: vec![submit("q"), submit("q"), submit("q")],
    };
    let mut submitted = Vec::new();
    for _ in 0..2 {
        let answer = client.submit_tasks(keyed("s", submits.clone())).await;
        submitted.push(answer.unwrap().into_inner());
    }
    assert_eq!(submitted[0], submitted[1]);
    assert_eq!(api.queues().await.unwrap(), (vec!["q".to_owned()], 3));

    let claims = GetNextTasksRequest {
        next: Some(claim("q", 0)),
        max_tasks: 2,
    };
    let mut claimed = Vec::new();
    for _ in 0..2 {
        let answer = client.get_next_tasks(keyed("c", claims.clone())).await;
        claimed.push(answer.unwrap().into_inner());
    }
    assert_eq!(claimed[0], claimed[1]);
    assert_eq!(claimed[0].tasks.len(), 2);

    let held = &claimed[0].tasks[0];
    let extend = ExtendTaskRequest {
        uuid: held.uuid.clone(),
        queue: "q".into(),
        current_state: held.current_state.clone(),
        attempt: 1,
        timeout: 60,
    };
    let mut extended = Vec::new();
    for _ in 0..2 {
        let answer = client.extend_task(keyed("x", extend.clone())).await;
        extended.push(answer.unwrap().into_inner());
    }
    assert_eq!(extended[0], extended[1]);
    assert_eq!(extended[0].task.as_ref().unwrap().timeout, 60);

    let complete = |task: &Task| CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: "q".into(),
        current_state: task.current_state.clone(),
        attempt: task.attempt,
        next_task: Some(submit("next")),
    };
    let completes = CompleteTasksRequest {
        tasks: claimed[0].tasks.iter().map(complete).collect(),
    };
    let mut completed = Vec::new();
    for _ in 0..2 {
        let answer = client.complete_tasks(keyed("e", completes.clone())).await;
        completed.push(answer.unwrap().into_inner());
    }
    assert_eq!(completed[0], completed[1]);
    let counts = api.all_counts().await.unwrap();
    assert_eq!(counts["next"].count, 2);
    assert_eq!(counts["q"].count, 1);
}
