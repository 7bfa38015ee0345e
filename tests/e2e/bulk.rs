//! `CancelTasks`, `RequeueTasks` and `UpdateTasks`.

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::additions::{claim, submit};
use crate::common::{Api, Server, keyed, names};
use crate::looking::{list, tasks};

fn target(queue: &str) -> Option<BulkTarget> {
    Some(BulkTarget {
        filter: Some(TaskFilter {
            queue: queue.into(),
            ..Default::default()
        }),
        ..Default::default()
    })
}

async fn fill(api: &mut Api, queue: &str, thousands: usize) {
    for _ in 0..thousands {
        api.submit_tasks(vec![submit(queue); 1000]).await.unwrap();
    }
}

#[tokio::test]
async fn many_tasks_are_canceled_in_steps() {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    fill(&mut api, "q", 3).await;
    fill(&mut api, "other", 1).await;
    let held = api.claim(claim("w")).await.unwrap().unwrap();
    let cancel = CancelTasksRequest {
        target: target("q"),
    };
    let done = api.client.cancel_tasks(cancel.clone()).await.unwrap();
    let expected = CancelTasksResponse {
        matched: 3000,
        changed: 2999,
        next_page_token: String::new(),
    };
    assert_eq!(done.into_inner(), expected);
    server.kill();
    let server = server.restart().await;
    let mut api = server.api().await;
    assert_eq!(api.queues().await.unwrap().1, 1001);
    assert_eq!(api.get(&held.uuid).await.unwrap(), Some(held));
    let mut with_held = target("q");
    with_held.as_mut().unwrap().include_in_flight = true;
    let cancel = CancelTasksRequest { target: with_held };
    let done = api
        .client
        .cancel_tasks(cancel.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((done.matched, done.changed), (1, 1));
    let done = api.client.cancel_tasks(cancel).await.unwrap().into_inner();
    assert_eq!((done.matched, done.changed), (0, 0));
}

#[tokio::test]
async fn an_act_on_many_goes_on_where_it_reached_its_limit() {
    let server = Server::start().await;
    let mut api = server.api().await;
    fill(&mut api, "q", 3).await;
    let update = |page_token: &str| UpdateTasksRequest {
        target: Some(BulkTarget {
            max_tasks: 1100,
            page_token: page_token.into(),
            ..target("q").unwrap()
        }),
        priority: Some(7),
        ..Default::default()
    };
    let (mut changed, mut token) = (Vec::new(), String::new());
    loop {
        let done = api
            .client
            .update_tasks(update(&token))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(done.matched, done.changed);
        changed.push(done.changed);
        token = done.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(changed, [1100, 1100, 800]);
    let (listed, _) = api.list(list(TaskFilter::default())).await.unwrap();
    assert!(tasks(&listed).all(|task| task.priority == 7));
    assert_eq!(listed.len(), 3000);
    // Its token is no other call's.
    let request = update("");
    let done = api.client.update_tasks(request).await.unwrap().into_inner();
    let mut cancel = target("q");
    cancel.as_mut().unwrap().page_token = done.next_page_token;
    let cancel = CancelTasksRequest { target: cancel };
    let status = api.client.cancel_tasks(cancel).await.unwrap_err();
    assert!(names(&status, &["target.page_token"]), "{status}");
}

#[tokio::test]
async fn dead_tasks_are_requeued_and_a_waiting_claim_gets_one() {
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let mut api = server.api().await;
    let request = SubmitTaskRequest {
        claim_timeout: 30,
        max_attempts: 1,
        ..submit("q")
    };
    api.submit(request).await.unwrap();
    let first = api.claim(claim("w")).await.unwrap().unwrap();
    api.clean_up(first.expires_at + 1, "q").await.unwrap();
    let dead = api.get(&first.uuid).await.unwrap().unwrap();
    assert_eq!(dead.current_state, "dead");
    let mut other = server.api().await;
    let waiting = tokio::spawn(async move {
        let request = GetNextTaskRequest {
            wait_ms: 30_000,
            ..claim("medic")
        };
        other.claim(request).await.unwrap()
    });
    let requeue = RequeueTasksRequest {
        target: Some(BulkTarget {
            filter: Some(TaskFilter {
                current_state: "dead".into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = api.client.requeue_tasks(keyed("k", requeue.clone())).await;
    let done = answer.unwrap().into_inner();
    assert_eq!((done.matched, done.changed), (1, 1));
    let second = waiting.await.unwrap().unwrap();
    assert_eq!(
        (second.uuid.as_str(), second.attempt),
        (first.uuid.as_str(), 2)
    );
    assert_eq!(second.current_state, first.current_state);
    // A retry is answered as the first time.
    let again = api.client.requeue_tasks(keyed("k", requeue)).await.unwrap();
    assert_eq!(again.into_inner(), done);
    let history = api.history(&first.uuid).await.unwrap();
    let kinds: Vec<&str> = history.transitions.iter().map(|one| &*one.kind).collect();
    assert_eq!(
        kinds,
        ["submitted", "claimed", "timed_out", "requeued", "claimed"]
    );
}

#[tokio::test]
async fn bad_acts_on_many_are_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let archived = Some(BulkTarget {
        filter: Some(TaskFilter {
            is_archived: Some(true),
            ..Default::default()
        }),
        ..Default::default()
    });
    let negative = Some(BulkTarget {
        max_tasks: -1,
        ..target("q").unwrap()
    });
    for (field, target) in [
        ("target.filter", archived),
        ("target.max_tasks", negative),
        ("target.filter.queue", target("\0")),
    ] {
        let cancel = CancelTasksRequest { target };
        let status = api.client.cancel_tasks(cancel).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        assert!(names(&status, &[field]), "{status}");
    }
    let requeue = |new_state: &str, auto: &str| RequeueTasksRequest {
        target: target("q"),
        new_state: new_state.into(),
        auto_target_state: auto.into(),
    };
    for (new_state, auto) in [("", "a"), (&*"s".repeat(250), ""), ("s", "\n")] {
        let status = api.client.requeue_tasks(requeue(new_state, auto)).await;
        assert!(names(&status.unwrap_err(), &["auto_target_state: "]));
    }
    let nothing = UpdateTasksRequest {
        target: target("q"),
        ..Default::default()
    };
    let status = api.client.update_tasks(nothing).await.unwrap_err();
    assert!(names(&status, &["new_state", "priority"]), "{status}");
}
