//! Submit, look up, update, complete, cancel and count, as every published client knows them.

use corndogs::proto::v1alpha1::*;

use crate::common::{Api, Server, now_ns};

const UNKNOWN: &str = "0192f5e0-1234-7abc-8def-0123456789ab";

pub fn submit(queue: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: queue.into(),
        payload: "work".into(),
        ..Default::default()
    }
}

pub fn update(task: &Task) -> UpdateTaskRequest {
    UpdateTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue.clone(),
        current_state: task.current_state.clone(),
        ..Default::default()
    }
}

fn complete(task: &Task) -> CompleteTaskRequest {
    let (uuid, queue, current_state) = (
        task.uuid.clone(),
        task.queue.clone(),
        task.current_state.clone(),
    );
    CompleteTaskRequest {
        uuid,
        queue,
        current_state,
        ..Default::default()
    }
}

pub fn cancel(task: &Task) -> CancelTaskRequest {
    let (uuid, queue, current_state) = (
        task.uuid.clone(),
        task.queue.clone(),
        task.current_state.clone(),
    );
    CancelTaskRequest {
        uuid,
        queue,
        current_state,
        attempt: 0,
    }
}

#[tokio::test]
async fn a_submit_has_defaults() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let before = now_ns() as i64;
    let task = api.submit(SubmitTaskRequest::default()).await.unwrap();
    let expected = Task {
        uuid: task.uuid.clone(),
        queue: "default".into(),
        current_state: "submitted".into(),
        auto_target_state: "submitted-working".into(),
        submit_time: task.submit_time,
        update_time: task.submit_time,
        ..Default::default()
    };
    assert_eq!(task, expected);
    assert!((before..=now_ns() as i64).contains(&task.submit_time));
    let uuid = uuid::Uuid::try_parse(&task.uuid).unwrap();
    assert_eq!(uuid.get_version_num(), 7);
    assert_eq!(uuid.to_string(), task.uuid);
    assert_eq!(api.get(&task.uuid).await.unwrap(), Some(task));
}

#[tokio::test]
async fn a_submit_keeps_what_it_is_given() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let payload: Vec<u8> = (0..=255).collect();
    let request = SubmitTaskRequest {
        queue: "größe ✓".into(),
        current_state: "a state".into(),
        auto_target_state: "another".into(),
        timeout: 3600,
        payload: payload.clone().into(),
        priority: i64::MIN,
        ..Default::default()
    };
    let task = api.submit(request.clone()).await.unwrap();
    assert_eq!(
        (task.queue.as_str(), task.current_state.as_str()),
        ("größe ✓", "a state")
    );
    assert_eq!(
        (task.auto_target_state.as_str(), task.timeout),
        ("another", 3600)
    );
    assert_eq!((task.payload.to_vec(), task.priority), (payload, i64::MIN));
    assert_eq!(task.expires_at, task.submit_time + 3600 * 1_000_000_000);
    let derived = SubmitTaskRequest {
        auto_target_state: String::new(),
        timeout: -7,
        ..request
    };
    let task = api.submit(derived).await.unwrap();
    assert_eq!(
        (
            task.auto_target_state.as_str(),
            task.timeout,
            task.expires_at
        ),
        ("a state-working", 0, 0)
    );
}

#[tokio::test]
async fn an_update_has_defaults_and_keeps_an_empty_payload() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api
        .submit(SubmitTaskRequest {
            priority: 5,
            timeout: 60,
            ..submit("q")
        })
        .await
        .unwrap();
    let no_state = UpdateTaskRequest {
        current_state: String::new(),
        ..update(&task)
    };
    let updated = api.update(no_state).await.unwrap().unwrap();
    let expected = Task {
        current_state: "updated".into(),
        auto_target_state: "updated-working".into(),
        // Not what the task had: what the request says.
        priority: 0,
        timeout: 0,
        expires_at: 0,
        update_time: updated.update_time,
        ..task.clone()
    };
    assert_eq!(updated, expected);
    assert!(updated.update_time > task.update_time);

    let request = UpdateTaskRequest {
        new_state: "next".into(),
        auto_target_state: "after".into(),
        payload: "other".into(),
        priority: -3,
        timeout: 120,
        ..update(&updated)
    };
    let updated = api.update(request).await.unwrap().unwrap();
    assert_eq!(
        (
            updated.current_state.as_str(),
            updated.auto_target_state.as_str()
        ),
        ("next", "after")
    );
    assert_eq!(
        (&updated.payload[..], updated.priority, updated.timeout),
        (&b"other"[..], -3, 120)
    );
    assert_eq!(
        updated.expires_at,
        updated.update_time + 120 * 1_000_000_000
    );
    let request = UpdateTaskRequest {
        timeout: -1,
        new_state: "x".into(),
        ..update(&updated)
    };
    let updated = api.update(request).await.unwrap().unwrap();
    assert_eq!(
        (updated.timeout, updated.auto_target_state.as_str()),
        (0, "x-working")
    );
    assert_eq!(api.get(&task.uuid).await.unwrap(), Some(updated));
}

/// Every act with another queue or state, or on a task that is unknown or archived.
async fn assert_nothing_matches(api: &mut Api, task: &Task) {
    let other_queue = Task {
        queue: "other".into(),
        ..task.clone()
    };
    let other_state = Task {
        current_state: "other".into(),
        ..task.clone()
    };
    let no_queue = Task {
        queue: String::new(),
        ..task.clone()
    };
    let unknown = Task {
        uuid: UNKNOWN.into(),
        ..task.clone()
    };
    for wrong in [&other_queue, &other_state, &no_queue, &unknown] {
        assert_eq!(api.update(update(wrong)).await.unwrap(), None);
        assert_eq!(api.complete(complete(wrong)).await.unwrap(), None);
        assert_eq!(api.cancel(cancel(wrong)).await.unwrap(), None);
    }
    let no_state = Task {
        current_state: String::new(),
        ..task.clone()
    };
    assert_eq!(api.complete(complete(&no_state)).await.unwrap(), None);
    assert_eq!(api.cancel(cancel(&no_state)).await.unwrap(), None);
    assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(task));
}

#[tokio::test]
async fn what_does_not_match_changes_nothing() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(submit("q")).await.unwrap();
    let counts = api.all_counts().await.unwrap();
    assert_nothing_matches(&mut api, &task).await;
    assert_eq!(api.all_counts().await.unwrap(), counts);

    let completed = api.complete(complete(&task)).await.unwrap().unwrap();
    assert_nothing_matches(&mut api, &completed).await;
    assert_eq!(api.update(update(&completed)).await.unwrap(), None);
    assert_eq!(api.complete(complete(&completed)).await.unwrap(), None);
    assert_eq!(api.cancel(cancel(&completed)).await.unwrap(), None);
    assert_eq!(api.get(&task.uuid).await.unwrap(), Some(completed));
}

#[tokio::test]
async fn an_end_archives_without_the_payload() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let request = SubmitTaskRequest {
        priority: 9,
        timeout: 3600,
        ..submit("q")
    };
    for end in ["completed", "canceled"] {
        let task = api.submit(request.clone()).await.unwrap();
        let ended = match end {
            "completed" => api.complete(complete(&task)).await.unwrap().unwrap(),
            _ => api.cancel(cancel(&task)).await.unwrap().unwrap(),
        };
        let expected = Task {
            current_state: end.into(),
            auto_target_state: end.into(),
            payload: Default::default(),
            update_time: ended.update_time,
            expires_at: 0,
            ..task.clone()
        };
        assert_eq!(ended, expected);
        assert!(ended.update_time > task.update_time);
        assert_eq!(api.get(&task.uuid).await.unwrap(), Some(ended));
    }
    assert_eq!(api.queues().await.unwrap(), (vec![], 0));
}

#[tokio::test]
async fn a_look_up_goes_by_the_uuid_alone() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(submit("q")).await.unwrap();
    for queue in ["", "q", "another"] {
        let request = GetTaskStateByIdRequest {
            uuid: task.uuid.clone(),
            queue: queue.into(),
        };
        let found = api
            .client
            .get_task_state_by_id(request)
            .await
            .unwrap()
            .into_inner()
            .task;
        assert_eq!(found.as_ref(), Some(&task));
    }
    assert_eq!(
        api.get(&task.uuid.to_uppercase()).await.unwrap().as_ref(),
        Some(&task)
    );
    assert_eq!(api.get(UNKNOWN).await.unwrap(), None);
}
