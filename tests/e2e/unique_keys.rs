//! Unique keys: at most one live task per queue and key.

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::additions::{claim, complete};
use crate::client_uuids::uuid;
use crate::common::{Server, code, names};

fn submit(key: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        unique_key: key.into(),
        ..crate::additions::submit("q")
    }
}

#[tokio::test]
async fn another_submit_answers_the_live_task() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(submit("k")).await.unwrap();
    assert_eq!(task.unique_key, "k");
    let other = SubmitTaskRequest {
        priority: 9,
        payload: "other".into(),
        ..submit("k")
    };
    assert_eq!(api.submit(other.clone()).await.unwrap(), task);
    let claimed = api.claim(claim("w")).await.unwrap().unwrap();
    assert_eq!(api.submit(other.clone()).await.unwrap(), claimed);
    assert_eq!(api.claim(claim("w")).await.unwrap(), None);
    // Other keys and other queues have nothing to do with it.
    let elsewhere = SubmitTaskRequest {
        queue: "r".into(),
        ..submit("k")
    };
    for free in [submit("l"), elsewhere, submit(""), submit("")] {
        let free = api.submit(free).await.unwrap();
        assert_ne!(free.uuid, task.uuid);
    }
    // Once it has ended its key is free; the archived task still shows it.
    let done = api.complete(complete(&claimed, 1)).await.unwrap().unwrap();
    assert_eq!(done.unique_key, "k");
    let next = api.submit(other).await.unwrap();
    assert_ne!(next.uuid, task.uuid);
    assert_eq!((next.priority, next.unique_key.as_str()), (9, "k"));
}

#[tokio::test]
async fn many_at_once_are_one_task() {
    let server = Server::start().await;
    let api = server.api().await;
    let submits = (0..50).map(|_| {
        let mut api = api.clone();
        async move { api.submit(submit("k")).await.unwrap() }
    });
    let tasks = futures::future::join_all(submits).await;
    assert!(tasks.iter().all(|task| *task == tasks[0]));
    assert_eq!(api.clone().queues().await.unwrap().1, 1);
}

#[tokio::test]
async fn a_uuid_and_a_key_of_different_tasks_are_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let holder = api.submit(submit("k")).await.unwrap();
    let request = SubmitTaskRequest {
        uuid: uuid(1),
        ..submit("l")
    };
    let task = api.submit(request.clone()).await.unwrap();
    let counts = api.all_counts().await.unwrap();
    let conflict = SubmitTaskRequest {
        unique_key: "k".into(),
        ..request.clone()
    };
    let status = api.submit(conflict.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(
        names(&status, &[&task.uuid, "\"k\"", &holder.uuid]),
        "{status}"
    );
    // The same where the uuid's task has ended.
    let done = api.complete(complete(&task, 0)).await.unwrap();
    assert!(done.is_some());
    assert_eq!(code(&api.submit(conflict).await), Code::AlreadyExists);
    // Its own request still answers it, as long as nobody else has its key …
    assert_eq!(api.submit(request.clone()).await.unwrap(), done.unwrap());
    let second = api.submit(submit("l")).await.unwrap();
    assert_eq!(code(&api.submit(request).await), Code::AlreadyExists);
    // … and a uuid that is new finds the task by its key.
    let new = SubmitTaskRequest {
        uuid: uuid(2),
        ..submit("l")
    };
    assert_eq!(api.submit(new).await.unwrap(), second);
    assert_eq!(api.get(&uuid(2)).await.unwrap(), None);
    assert_eq!(api.all_counts().await.unwrap(), counts);
}

#[tokio::test]
async fn the_next_task_may_take_the_key_over() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(submit("k")).await.unwrap();
    let request = CompleteTaskRequest {
        next_task: Some(submit("k")),
        ..complete(&task, 0)
    };
    let (done, next) = api.complete_next(request).await.unwrap();
    let next = next.unwrap();
    assert_eq!(done.unwrap().uuid, task.uuid);
    assert_ne!(next.uuid, task.uuid);
    assert_eq!(api.submit(submit("k")).await.unwrap(), next);
    // Where another live task has the key, that one is answered.
    let other = api.submit(submit("other")).await.unwrap();
    let request = CompleteTaskRequest {
        next_task: Some(submit("k")),
        ..complete(&other, 0)
    };
    let (done, found) = api.complete_next(request).await.unwrap();
    assert_eq!(done.unwrap().uuid, other.uuid);
    assert_eq!(found, Some(next));
    assert_eq!(api.queues().await.unwrap().1, 1);
}
