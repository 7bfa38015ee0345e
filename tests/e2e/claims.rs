//! `GetNextTask`: which task, and what becomes of it.

use corndogs::proto::v1alpha1::*;

use crate::common::{Api, Server};

async fn put(api: &mut Api, name: &str, priority: i64) -> Task {
    let request = SubmitTaskRequest {
        queue: "q".into(),
        payload: name.to_owned().into(),
        priority,
        timeout: 3600,
        ..Default::default()
    };
    api.submit(request).await.unwrap()
}

fn claim(queue: &str) -> GetNextTaskRequest {
    GetNextTaskRequest {
        queue: queue.into(),
        ..Default::default()
    }
}

fn text(task: &Task) -> String {
    String::from_utf8(task.payload.to_vec()).unwrap()
}

#[tokio::test]
async fn the_highest_priority_then_the_earliest() {
    let server = Server::start().await;
    let mut api = server.api().await;
    for (name, priority) in [
        ("c", 0),
        ("a", 7),
        ("d", 0),
        ("e", -1),
        ("b", 7),
        ("f", i64::MIN),
        ("0", i64::MAX),
    ] {
        put(&mut api, name, priority).await;
    }
    let mut order = String::new();
    while let Some(task) = api.claim(claim("q")).await.unwrap() {
        order += &text(&task);
    }
    assert_eq!(order, "0abcdef");
}

/// Update times play no part: a task that went back first is still claimed by its submit time.
#[tokio::test]
async fn never_by_update_time() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let first = put(&mut api, "first", 0).await;
    put(&mut api, "second", 0).await;
    let request = UpdateTaskRequest {
        uuid: first.uuid.clone(),
        queue: "q".into(),
        current_state: "submitted".into(),
        new_state: "submitted".into(),
        ..Default::default()
    };
    let updated = api.update(request).await.unwrap().unwrap();
    assert!(updated.update_time > first.update_time);
    assert_eq!(
        api.claim(claim("q")).await.unwrap().unwrap().uuid,
        first.uuid
    );
}

#[tokio::test]
async fn states_are_swapped() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = put(&mut api, "x", 3).await;
    let claimed = api.claim(claim("q")).await.unwrap().unwrap();
    let expected = Task {
        current_state: "submitted-working".into(),
        auto_target_state: "submitted".into(),
        update_time: claimed.update_time,
        expires_at: claimed.update_time + 3600 * 1_000_000_000,
        attempt: 1,
        ..task.clone()
    };
    assert_eq!(claimed, expected);
    assert!(claimed.update_time > task.update_time);
    assert_eq!(api.claim(claim("q")).await.unwrap(), None);
    assert_eq!(api.get(&task.uuid).await.unwrap(), Some(claimed));

    // A claim from any state: also back again.
    let from_working = GetNextTaskRequest {
        current_state: "submitted-working".into(),
        ..claim("q")
    };
    let back = api.claim(from_working).await.unwrap().unwrap();
    assert_eq!(
        (back.current_state.as_str(), back.auto_target_state.as_str()),
        ("submitted", "submitted-working")
    );
    assert_eq!(back.attempt, 2);
}

#[tokio::test]
async fn claims_have_defaults() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(SubmitTaskRequest::default()).await.unwrap();
    assert_eq!(api.claim(claim("q")).await.unwrap(), None);
    let other = GetNextTaskRequest {
        current_state: "other".into(),
        ..Default::default()
    };
    assert_eq!(api.claim(other).await.unwrap(), None);
    let claimed = api
        .claim(GetNextTaskRequest::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(claimed.uuid, task.uuid);
    assert_eq!((claimed.timeout, claimed.expires_at), (0, 0));
}

#[tokio::test]
async fn overrides_come_after_the_swap() {
    let server = Server::start().await;
    let mut api = server.api().await;
    for _ in 0..3 {
        put(&mut api, "x", 0).await;
    }
    let request = GetNextTaskRequest {
        override_timeout: 5,
        override_current_state: "mine".into(),
        override_auto_target_state: "dead".into(),
        ..claim("q")
    };
    let task = api.claim(request).await.unwrap().unwrap();
    assert_eq!(
        (
            task.current_state.as_str(),
            task.auto_target_state.as_str(),
            task.timeout
        ),
        ("mine", "dead", 5)
    );
    assert_eq!(task.expires_at, task.update_time + 5 * 1_000_000_000);
    let task = api
        .claim(GetNextTaskRequest {
            override_timeout: -1,
            ..claim("q")
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!((task.timeout, task.expires_at), (0, 0));
    let request = GetNextTaskRequest {
        override_auto_target_state: "dead".into(),
        ..claim("q")
    };
    let task = api.claim(request).await.unwrap().unwrap();
    let states = (task.current_state.as_str(), task.auto_target_state.as_str());
    assert_eq!(
        (states, task.timeout),
        (("submitted-working", "dead"), 3600)
    );
}

/// Many workers at once: each task goes to exactly one of them.
#[tokio::test]
async fn no_task_goes_to_two_workers() {
    const TASKS: usize = 300;
    let server = Server::start().await;
    let mut api = server.api().await;
    for number in 0..TASKS {
        put(&mut api, &number.to_string(), 0).await;
    }
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let mut api = api.clone();
            tokio::spawn(async move {
                let mut claimed = Vec::new();
                while let Some(task) = api.claim(claim("q")).await.unwrap() {
                    claimed.push(task.uuid);
                }
                claimed
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.unwrap());
    }
    assert_eq!(claimed.len(), TASKS);
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), TASKS);
}
