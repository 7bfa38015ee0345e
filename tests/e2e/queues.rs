//! Claims that look in several queues at once.

use corndogs::proto::v1alpha1::*;

use crate::common::{Api, Server};

async fn put(api: &mut Api, queue: &str, priority: i64) -> String {
    let request = SubmitTaskRequest {
        queue: queue.into(),
        priority,
        ..Default::default()
    };
    api.submit(request).await.unwrap().uuid
}

fn claim(queue: &str, queues: &[&str]) -> GetNextTaskRequest {
    GetNextTaskRequest {
        queue: queue.into(),
        queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
        ..Default::default()
    }
}

async fn claimed(api: &mut Api, queue: &str, queues: &[&str]) -> Option<String> {
    let task = api.claim(claim(queue, queues)).await.unwrap();
    task.map(|task| task.uuid)
}

#[tokio::test]
async fn the_best_task_of_all_queues() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let second = put(&mut api, "a", 0).await;
    let third = put(&mut api, "b", 0).await;
    let first = put(&mut api, "c", 5).await;
    let fourth = put(&mut api, "a", 0).await;
    let last = put(&mut api, "b", -1).await;
    let elsewhere = put(&mut api, "d", 9).await;
    for expected in [first, second, third, fourth, last] {
        let task = claimed(&mut api, "", &["c", "b", "a", "b", "empty"]).await;
        assert_eq!(task, Some(expected));
    }
    assert_eq!(claimed(&mut api, "", &["a", "b", "c"]).await, None);
    let found = api.get(&elsewhere).await.unwrap().unwrap();
    assert_eq!(found.attempt, 0);
}

#[tokio::test]
async fn together_with_the_queue_and_never_with_the_default_one() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let default = put(&mut api, "", 9).await;
    let first = put(&mut api, "a", 2).await;
    let second = put(&mut api, "b", 1).await;
    let third = put(&mut api, "a", 0).await;
    assert_eq!(claimed(&mut api, "b", &["a"]).await, Some(first));
    assert_eq!(claimed(&mut api, "b", &["a"]).await, Some(second));
    assert_eq!(claimed(&mut api, "", &["b"]).await, None);
    assert_eq!(claimed(&mut api, "", &["b", "a"]).await, Some(third));
    assert_eq!(claimed(&mut api, "", &["b", "a"]).await, None);
    assert_eq!(claimed(&mut api, "default", &["b"]).await, Some(default));
    let default = put(&mut api, "", 0).await;
    assert_eq!(claimed(&mut api, "", &[]).await, Some(default));
}

#[tokio::test]
async fn a_hundred_queues() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let names: Vec<String> = (0..100).map(|number| format!("q{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut submitted = Vec::new();
    for number in [99, 0, 50, 99, 7] {
        submitted.push(put(&mut api, names[number], 0).await);
    }
    let tasks = api.claim_tasks(claim("", &names), 1000).await.unwrap();
    let uuids: Vec<String> = tasks.into_iter().map(|task| task.uuid).collect();
    assert_eq!(uuids, submitted);
}
