//! What this version adds to the original: fencing, workers, next tasks.

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::client_uuids::uuid;
use crate::common::{Api, Server, code, names};

pub fn submit(queue: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: queue.into(),
        payload: "p".into(),
        ..Default::default()
    }
}

pub fn claim(worker: &str) -> GetNextTaskRequest {
    GetNextTaskRequest {
        queue: "q".into(),
        worker: worker.into(),
        ..Default::default()
    }
}

pub fn complete(task: &Task, attempt: i64) -> CompleteTaskRequest {
    CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue.clone(),
        current_state: task.current_state.clone(),
        attempt,
        next_task: None,
    }
}

/// Claimed by `first`, timed out, claimed by `second`: attempt 2.
async fn claimed_twice(api: &mut Api) -> Task {
    api.submit(SubmitTaskRequest {
        claim_timeout: 30,
        ..submit("q")
    })
    .await
    .unwrap();
    let first = api.claim(claim("first")).await.unwrap().unwrap();
    assert_eq!(
        (first.attempt, first.worker.as_str(), first.timeout),
        (1, "first", 30)
    );
    assert_eq!(api.clean_up(first.expires_at + 1, "q").await.unwrap(), 1);
    let back = api.get(&first.uuid).await.unwrap().unwrap();
    assert_eq!(
        (back.attempt, back.worker.as_str(), back.timeout),
        (1, "first", 0)
    );
    let second = api.claim(claim("second")).await.unwrap().unwrap();
    assert_eq!((second.attempt, second.worker.as_str()), (2, "second"));
    // The timeout that claims start with survives timeouts.
    assert_eq!((second.timeout, second.claim_timeout), (30, 30));
    second
}

#[tokio::test]
async fn an_old_attempt_is_fenced_off() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = claimed_twice(&mut api).await;
    let (uuid, queue) = (task.uuid.clone(), task.queue.clone());
    let update = UpdateTaskRequest {
        uuid: uuid.clone(),
        queue: queue.clone(),
        attempt: 1,
        ..Default::default()
    };
    let cancel = CancelTaskRequest {
        uuid,
        queue,
        current_state: "wherever".into(),
        attempt: 3,
    };
    let refused = [
        api.complete(complete(&task, 1)).await.unwrap_err(),
        api.update(update).await.unwrap_err(),
        api.cancel(cancel.clone()).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        assert!(names(&status, &["2", "second"]), "{status}");
    }
    assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(&task));
    // In another queue it is no task at all; with the right attempt the state decides.
    let elsewhere = CancelTaskRequest {
        queue: "other".into(),
        ..cancel.clone()
    };
    assert_eq!(api.cancel(elsewhere).await.unwrap(), None);
    assert_eq!(
        api.cancel(CancelTaskRequest {
            attempt: 2,
            ..cancel.clone()
        })
        .await
        .unwrap(),
        None
    );
    let done = api.complete(complete(&task, 2)).await.unwrap().unwrap();
    assert_eq!((done.attempt, done.worker.as_str()), (2, "second"));
    // Archived: no attempt is compared any more.
    assert_eq!(api.complete(complete(&task, 1)).await.unwrap(), None);
    assert_eq!(api.cancel(cancel).await.unwrap(), None);
}

#[tokio::test]
async fn no_attempt_is_not_checked() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = claimed_twice(&mut api).await;
    assert!(api.complete(complete(&task, 0)).await.unwrap().is_some());
}

#[tokio::test]
async fn claim_timeout_is_what_claims_start_with() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let request = SubmitTaskRequest {
        claim_timeout: 30,
        timeout: 500,
        ..submit("q")
    };
    for (override_timeout, timeout) in [(0, 30), (7, 7), (-1, 0)] {
        let task = api.submit(request.clone()).await.unwrap();
        assert_eq!((task.timeout, task.claim_timeout), (500, 30));
        let claim = GetNextTaskRequest {
            override_timeout,
            ..claim("")
        };
        let claimed = api.claim(claim).await.unwrap().unwrap();
        assert_eq!(
            (claimed.uuid, claimed.timeout, claimed.claim_timeout),
            (task.uuid, timeout, 30)
        );
    }
}

#[tokio::test]
async fn the_next_task_comes_with_the_completion() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(submit("q")).await.unwrap();
    let next = SubmitTaskRequest {
        queue: "next".into(),
        payload: "n".into(),
        priority: 2,
        ..Default::default()
    };
    let request = CompleteTaskRequest {
        next_task: Some(next),
        ..complete(&task, 0)
    };

    let wrong = CompleteTaskRequest {
        current_state: "other".into(),
        ..request.clone()
    };
    assert_eq!(api.complete_next(wrong).await.unwrap(), (None, None));
    assert_eq!(api.queues().await.unwrap(), (vec!["q".to_owned()], 1));

    let (done, next) = api.complete_next(request.clone()).await.unwrap();
    let next = next.unwrap();
    assert_eq!(done.unwrap().current_state, "completed");
    assert_eq!(
        (
            next.queue.as_str(),
            next.current_state.as_str(),
            next.priority
        ),
        ("next", "submitted", 2)
    );
    assert_eq!(api.get(&next.uuid).await.unwrap(), Some(next));
    // A second completion finds nothing, and so submits nothing.
    assert_eq!(api.complete_next(request).await.unwrap(), (None, None));
    assert_eq!(api.queues().await.unwrap(), (vec!["next".to_owned()], 1));
}

#[tokio::test]
async fn an_impossible_next_task_completes_nothing() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(submit("q")).await.unwrap();
    let taken = api
        .submit(SubmitTaskRequest {
            uuid: uuid(1),
            ..submit("taken")
        })
        .await
        .unwrap();
    let counts = api.all_counts().await.unwrap();
    let with = |next: SubmitTaskRequest| CompleteTaskRequest {
        next_task: Some(next),
        ..complete(&task, 0)
    };
    let invalid = SubmitTaskRequest {
        queue: "a\nb".into(),
        ..Default::default()
    };
    let status = api.complete(with(invalid)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(names(&status, &["next_task.queue"]), "{status}");
    let other = SubmitTaskRequest {
        uuid: taken.uuid,
        ..submit("another")
    };
    assert_eq!(code(&api.complete(with(other)).await), Code::AlreadyExists);
    assert_eq!(api.all_counts().await.unwrap(), counts);
    assert_eq!(api.get(&task.uuid).await.unwrap(), Some(task));
}
