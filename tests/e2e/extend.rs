//! `ExtendTask`: a lease that goes on.

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::additions::{claim, complete, submit};
use crate::common::{Api, Server, names};

const NS_PER_S: i64 = 1_000_000_000;

fn extend(task: &Task, attempt: i64, timeout: i64) -> ExtendTaskRequest {
    ExtendTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue.clone(),
        current_state: task.current_state.clone(),
        attempt,
        timeout,
    }
}

async fn claimed(api: &mut Api, worker: &str) -> Task {
    let request = SubmitTaskRequest {
        timeout: 100,
        ..submit("q")
    };
    api.submit(request).await.unwrap();
    api.claim(claim(worker)).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_timeout_starts_again() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let mut task = claimed(&mut api, "w").await;
    // 0 keeps the timeout, positive sets it, negative clears it.
    for (given, timeout) in [(0, 100), (7, 7), (0, 7), (-1, 0), (0, 0)] {
        let extended = api.extend(extend(&task, 1, given)).await.unwrap().unwrap();
        assert!(extended.update_time > task.update_time);
        let expires_at = match timeout {
            0 => 0,
            timeout => extended.update_time + timeout * NS_PER_S,
        };
        let expected = Task {
            update_time: extended.update_time,
            timeout,
            expires_at,
            ..task
        };
        assert_eq!(extended, expected);
        assert_eq!(
            api.get(&extended.uuid).await.unwrap().as_ref(),
            Some(&extended)
        );
        task = extended;
    }
}

#[tokio::test]
async fn an_extended_task_times_out_later() {
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let mut api = server.api().await;
    let task = claimed(&mut api, "w").await;
    let extended = api.extend(extend(&task, 0, 500)).await.unwrap().unwrap();
    assert_eq!(api.clean_up(task.expires_at + 1, "q").await.unwrap(), 0);
    assert_eq!(api.clean_up(extended.expires_at, "q").await.unwrap(), 0);
    assert_eq!(api.clean_up(extended.expires_at + 1, "q").await.unwrap(), 1);
}

#[tokio::test]
async fn only_the_task_that_is_meant_is_extended() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = claimed(&mut api, "holder").await;
    let good = extend(&task, 1, 5);
    let status = api
        .extend(ExtendTaskRequest {
            attempt: 2,
            current_state: "elsewhere".into(),
            ..good.clone()
        })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(names(&status, &["1", "holder"]), "{status}");
    // No defaults: what is empty matches nothing.
    let others = [
        ExtendTaskRequest {
            queue: String::new(),
            ..good.clone()
        },
        ExtendTaskRequest {
            queue: "other".into(),
            attempt: 9,
            ..good.clone()
        },
        ExtendTaskRequest {
            current_state: String::new(),
            ..good.clone()
        },
        ExtendTaskRequest {
            current_state: "submitted".into(),
            ..good.clone()
        },
    ];
    for other in others {
        assert_eq!(api.extend(other.clone()).await.unwrap(), None, "{other:?}");
    }
    assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(&task));
    assert!(api.complete(complete(&task, 1)).await.unwrap().is_some());
    assert_eq!(api.extend(good).await.unwrap(), None);
}

#[tokio::test]
async fn bad_extensions_are_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = claimed(&mut api, "w").await;
    let good = extend(&task, 1, 5);
    let bad = [
        (
            "uuid",
            ExtendTaskRequest {
                uuid: "x".into(),
                ..good.clone()
            },
        ),
        (
            "queue",
            ExtendTaskRequest {
                queue: "a\nb".into(),
                ..good.clone()
            },
        ),
        (
            "current_state",
            ExtendTaskRequest {
                current_state: "s".repeat(256),
                ..good.clone()
            },
        ),
        (
            "attempt",
            ExtendTaskRequest {
                attempt: -1,
                ..good.clone()
            },
        ),
    ];
    for (field, request) in bad {
        let status = api.extend(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}");
        assert!(names(&status, &[field]), "{status}");
    }
    assert_eq!(api.get(&task.uuid).await.unwrap(), Some(task));
}
