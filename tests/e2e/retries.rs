//! Retries: `FailTask`, backoffs, and what is counted of them.

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::additions::{claim, submit};
use crate::common::{Api, Server, keyed, metric, names};

const NS_PER_S: i64 = 1_000_000_000;

fn backoff(initial: i64) -> Option<RetryBackoff> {
    Some(RetryBackoff {
        initial,
        ..Default::default()
    })
}

fn fail(task: &Task) -> FailTaskRequest {
    FailTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue.clone(),
        current_state: task.current_state.clone(),
        attempt: task.attempt,
        message: "no route to host".into(),
        ..Default::default()
    }
}

async fn claimed(api: &mut Api, request: SubmitTaskRequest) -> Task {
    api.submit(request).await.unwrap();
    api.claim(claim("w")).await.unwrap().unwrap()
}

async fn failures(server: &Server) -> f64 {
    metric(server.http, "corndogs_failed_tasks_total").await
}

#[tokio::test]
async fn a_failed_task_comes_back_after_its_backoff() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let request = SubmitTaskRequest {
        retry_backoff: backoff(1),
        ..submit("q")
    };
    let task = claimed(&mut api, request).await;
    let expected = RetryBackoff {
        initial: 1,
        cap: 365 * 24 * 3600,
        factor_percent: 200,
        jitter_percent: 0,
    };
    assert_eq!(task.retry_backoff, Some(expected));
    let failed = api.fail(fail(&task)).await.unwrap().unwrap();
    assert_eq!(failed.current_state, "submitted");
    assert_eq!(failed.last_error, "no route to host");
    assert_eq!(failed.not_before, failed.update_time + NS_PER_S);
    assert_eq!(api.claim(claim("w")).await.unwrap(), None);
    // It comes by itself; its next wait is twice as long.
    let request = GetNextTaskRequest {
        wait_ms: 10_000,
        ..claim("w")
    };
    let again = api.claim(request).await.unwrap().unwrap();
    assert_eq!((again.uuid.as_str(), again.attempt), (&*task.uuid, 2));
    assert!(again.update_time >= failed.not_before);
    let failed = api.fail(fail(&again)).await.unwrap().unwrap();
    assert_eq!(failed.not_before, failed.update_time + 2 * NS_PER_S);
    // Its lease is over.
    let stale = api.fail(fail(&task)).await.unwrap_err();
    assert_eq!(stale.code(), Code::FailedPrecondition);
    assert!(names(&stale, &["attempt 2"]), "{stale}");
    assert_eq!(failures(&server).await, 2.0);
}

#[tokio::test]
async fn a_worker_may_say_when_or_never() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = claimed(&mut api, submit("q")).await;
    let request = FailTaskRequest {
        retry_after: 600,
        ..fail(&task)
    };
    let failed = api.fail(request).await.unwrap().unwrap();
    assert_eq!(failed.not_before, failed.update_time + 600 * NS_PER_S);
    let task = claimed(&mut api, submit("q")).await;
    let request = FailTaskRequest {
        retry_after: -1,
        ..fail(&task)
    };
    let failed = api.fail(request).await.unwrap().unwrap();
    assert_eq!(failed.current_state, "dead");
    assert_eq!(failed.auto_target_state, "submitted");
}

#[tokio::test]
async fn a_failure_may_be_retried() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = claimed(&mut api, submit("q")).await;
    let first = api.client.fail_task(keyed("k", fail(&task))).await.unwrap();
    let again = api.client.fail_task(keyed("k", fail(&task))).await.unwrap();
    let (first, again) = (first.into_inner(), again.into_inner());
    assert!(first.task.is_some());
    assert_eq!(first, again);
}

#[tokio::test]
async fn what_failed_stays_through_a_restart() {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    let request = SubmitTaskRequest {
        retry_backoff: backoff(3600),
        ..submit("q")
    };
    let task = claimed(&mut api, request).await;
    let failed = api.fail(fail(&task)).await.unwrap().unwrap();
    server.kill();
    let server = server.restart().await;
    let mut api = server.api().await;
    assert_eq!(api.get(&task.uuid).await.unwrap(), Some(failed));
    assert_eq!(failures(&server).await, 1.0);
}

#[tokio::test]
async fn limits_are_named() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = claimed(&mut api, submit("q")).await;
    let bad = [
        ("retry_after", -2, 0),
        ("retry_after", 365 * 24 * 3600 + 1, 0),
        ("message", 0, 1025),
    ];
    for (field, retry_after, bytes) in bad {
        let request = FailTaskRequest {
            retry_after,
            message: "x".repeat(bytes),
            ..fail(&task)
        };
        let refused = api.fail(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(names(&refused, &[field]), "{refused}");
    }
    for (field, initial) in [("retry_backoff.initial", 0), ("retry_backoff.initial", -1)] {
        let request = SubmitTaskRequest {
            retry_backoff: backoff(initial),
            ..submit("q")
        };
        let refused = api.submit(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(names(&refused, &[field]), "{refused}");
    }
}
