//! `GetTask`, `GetTaskHistory` and `ListTasks`.

use std::collections::BTreeSet;

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::additions::{claim, complete, submit};
use crate::common::{Api, Server, names};

const UNKNOWN: &str = "0192f5e0-1234-7abc-8def-0123456789ab";

async fn get(api: &mut Api, uuid: &str) -> GetTaskResponse {
    let request = GetTaskRequest { uuid: uuid.into() };
    api.client.get_task(request).await.unwrap().into_inner()
}

pub fn list(filter: TaskFilter) -> ListTasksRequest {
    ListTasksRequest {
        filter: Some(filter),
        ..Default::default()
    }
}

fn of_queue(queue: &str) -> TaskFilter {
    TaskFilter {
        queue: queue.into(),
        ..Default::default()
    }
}

/// Kinds, from states, to states, workers and attempts.
fn steps(history: &GetTaskHistoryResponse) -> Vec<(&str, &str, &str, &str, i64)> {
    let transitions = history.transitions.iter();
    let steps = transitions.map(|one| {
        let (from, to) = (one.from_state.as_str(), one.to_state.as_str());
        (
            one.kind.as_str(),
            from,
            to,
            one.worker.as_str(),
            one.attempt,
        )
    });
    steps.collect()
}

#[tokio::test]
async fn a_task_is_answered_whole_with_where_it_stands() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let delayed = SubmitTaskRequest {
        not_before: i64::MAX,
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        ..submit("later")
    };
    let delayed = api.submit(delayed).await.unwrap();
    let found = get(&mut api, &delayed.uuid).await;
    assert!(found.is_delayed && !found.is_archived && !found.is_in_flight);
    assert_eq!(found.task, Some(delayed));
    api.submit(submit("q")).await.unwrap();
    let task = api.claim(claim("w")).await.unwrap().unwrap();
    let found = get(&mut api, &task.uuid).await;
    assert!(!found.is_delayed && !found.is_archived && found.is_in_flight);
    assert_eq!(found.task.as_ref(), Some(&task));
    let ended = api.complete(complete(&task, 1)).await.unwrap();
    let found = get(&mut api, &task.uuid).await;
    assert!(!found.is_delayed && found.is_archived && !found.is_in_flight);
    assert_eq!(found.task, ended);
    assert_eq!(get(&mut api, UNKNOWN).await, GetTaskResponse::default());
    let request = GetTaskRequest { uuid: "x".into() };
    let status = api.client.get_task(request).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && names(&status, &["uuid"]));
}

#[tokio::test]
async fn a_history_tells_all_that_happened_and_survives_kills() {
    let mut server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let mut api = server.api().await;
    let request = SubmitTaskRequest {
        claim_timeout: 30,
        ..submit("q")
    };
    let task = api.submit(request).await.unwrap();
    let first = api.claim(claim("first")).await.unwrap().unwrap();
    api.clean_up(first.expires_at + 1, "q").await.unwrap();
    let second = api.claim(claim("second")).await.unwrap().unwrap();
    server.kill();
    let mut server = server.restart().await;
    let mut api = server.api().await;
    api.complete(complete(&second, 2)).await.unwrap().unwrap();
    let (new, busy) = ("submitted", "submitted-working");
    let expected = [
        ("submitted", "", new, "", 0),
        ("claimed", new, busy, "first", 1),
        ("timed_out", busy, new, "first", 1),
        ("claimed", new, busy, "second", 2),
        ("completed", busy, "completed", "second", 2),
    ];
    let history = api.history(&task.uuid).await.unwrap();
    assert_eq!(steps(&history), expected);
    assert_eq!(history.dropped, 0);
    let times: Vec<i64> = history.transitions.iter().map(|one| one.time).collect();
    assert!(times.is_sorted());
    assert_eq!((times[0], times[1]), (task.submit_time, first.update_time));
    server.kill();
    let server = server.restart().await;
    let mut api = server.api().await;
    assert_eq!(api.history(&task.uuid).await.unwrap(), history);
    let unknown = api.history(UNKNOWN).await.unwrap();
    assert_eq!(unknown, GetTaskHistoryResponse::default());
    assert_eq!(
        api.history("x").await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn the_newest_transitions_are_told() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(submit("q")).await.unwrap();
    for number in 1..=150 {
        let update = UpdateTaskRequest {
            uuid: task.uuid.clone(),
            queue: "q".into(),
            current_state: if number == 1 { "submitted" } else { "s" }.into(),
            new_state: "s".into(),
            priority: number,
            ..Default::default()
        };
        assert!(api.update(update).await.unwrap().is_some());
        let history = api.history(&task.uuid).await.unwrap();
        let told = history.transitions.len() as i64;
        assert_eq!(
            (told, told + history.dropped),
            (100.min(number + 1), number + 1)
        );
    }
    let last = api.get(&task.uuid).await.unwrap().unwrap();
    let history = api.history(&task.uuid).await.unwrap();
    assert_eq!(history.transitions[99].time, last.update_time);
}

#[tokio::test]
async fn lists_come_in_pages_without_payloads() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let mut uuids = BTreeSet::new();
    for _ in 0..5 {
        let tasks = vec![submit("q"); 50];
        let tasks = api.submit_tasks(tasks).await.unwrap();
        uuids.extend(tasks.into_iter().map(|task| task.uuid));
    }
    api.submit(submit("other")).await.unwrap();
    let (listed, pages) = api.list(list(of_queue("q"))).await.unwrap();
    let found: Vec<String> = tasks(&listed).map(|task| task.uuid.clone()).collect();
    assert!(found.iter().eq(uuids.iter()));
    assert!(tasks(&listed).all(|task| task.payload.is_empty()));
    assert_eq!(pages, 3);
    let (listed, _) = api
        .list(ListTasksRequest {
            page_size: 7,
            with_payload: true,
            ..list(of_queue("q"))
        })
        .await
        .unwrap();
    assert!(tasks(&listed).all(|task| &task.payload[..] == b"p"));
    assert_eq!(listed.len(), 250);
    // Ended ones change places, not their order.
    for _ in 0..10 {
        let task = api.claim(claim("w")).await.unwrap().unwrap();
        api.complete(complete(&task, 0)).await.unwrap().unwrap();
    }
    let (listed, _) = api.list(list(of_queue("q"))).await.unwrap();
    assert_eq!(listed.len(), 240);
    let both = TaskFilter {
        or_archived: true,
        ..of_queue("q")
    };
    let (listed, _) = api.list(list(both)).await.unwrap();
    let found: Vec<String> = tasks(&listed).map(|task| task.uuid.clone()).collect();
    assert!(found.iter().eq(uuids.iter()));
    let archived = TaskFilter {
        is_archived: Some(true),
        worker: "w".into(),
        ..Default::default()
    };
    let (listed, _) = api.list(list(archived)).await.unwrap();
    assert_eq!(listed.iter().filter(|one| one.is_archived).count(), 10);
    assert_eq!(listed.len(), 10);
}

pub fn tasks(listed: &[ListedTask]) -> impl Iterator<Item = &Task> {
    listed.iter().filter_map(|listed| listed.task.as_ref())
}

/// A page with payloads is no longer than clients take by default.
#[tokio::test]
async fn pages_are_bounded() {
    let server = Server::start().await;
    let mut api = server.api().await;
    for _ in 0..9 {
        let request = SubmitTaskRequest {
            payload: vec![7; 1 << 20].into(),
            ..submit("q")
        };
        api.submit(request).await.unwrap();
    }
    let request = ListTasksRequest {
        with_payload: true,
        ..list(of_queue("q"))
    };
    let mut client = api.client.clone().max_decoding_message_size(4 << 20);
    let page = client.list_tasks(request.clone()).await.unwrap();
    assert_eq!(page.get_ref().tasks.len(), 3);
    let (listed, pages) = api.list(request).await.unwrap();
    assert_eq!((listed.len(), pages), (9, 3));
    // A call looks at so many tasks and no more: what it looks for comes later.
    for _ in 0..11 {
        api.submit_tasks(vec![submit("q"); 1000]).await.unwrap();
    }
    api.submit(submit("late")).await.unwrap();
    let (listed, pages) = api.list(list(of_queue("late"))).await.unwrap();
    assert_eq!((listed.len(), pages), (1, 2));
}

/// A task that is there throughout is listed once, while others and itself move.
#[tokio::test]
async fn a_list_is_stable_under_change() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let mut uuids = BTreeSet::new();
    for _ in 0..3 {
        let tasks = api.submit_tasks(vec![submit("q"); 100]).await.unwrap();
        uuids.extend(tasks.into_iter().map(|task| task.uuid));
    }
    let mut other = server.api().await;
    let moving = tokio::spawn(async move {
        while let Some(task) = other.claim(claim("w")).await.unwrap() {
            other.complete(complete(&task, 0)).await.unwrap().unwrap();
            other.submit(submit("new")).await.unwrap();
        }
    });
    let mut rounds = 0;
    while !moving.is_finished() || rounds < 3 {
        let request = ListTasksRequest {
            page_size: 13,
            ..list(TaskFilter {
                or_archived: true,
                ..of_queue("q")
            })
        };
        let (listed, _) = api.list(request).await.unwrap();
        let found: Vec<String> = tasks(&listed).map(|task| task.uuid.clone()).collect();
        assert!(found.iter().eq(uuids.iter()), "round {rounds}");
        rounds += 1;
    }
    moving.await.unwrap();
}

#[tokio::test]
async fn bad_lists_are_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    api.submit_tasks(vec![submit("q"); 3]).await.unwrap();
    let first = ListTasksRequest {
        page_size: 1,
        ..list(of_queue("q"))
    };
    let page = api.client.list_tasks(first.clone()).await.unwrap();
    let page_token = page.into_inner().next_page_token;
    let page = |page_size, page_token: &str, filter| ListTasksRequest {
        page_size,
        page_token: page_token.into(),
        ..list(filter)
    };
    let worker = TaskFilter {
        worker: "w".repeat(256),
        ..Default::default()
    };
    let time = TaskFilter {
        updated_from: -1,
        ..Default::default()
    };
    let both = TaskFilter {
        is_archived: Some(true),
        or_archived: true,
        ..Default::default()
    };
    let bad = [
        ("page_size", page(-1, "", of_queue("q"))),
        ("page_size", page(1001, "", of_queue("q"))),
        ("page_token", page(1, "x", of_queue("q"))),
        ("page_token", page(1, &page_token, of_queue("r"))),
        ("filter.queue", list(of_queue("a\nb"))),
        ("filter.worker", list(worker)),
        ("filter.updated_from", list(time)),
        ("filter.is_archived", list(both)),
    ];
    for (field, request) in bad {
        let status = api.client.list_tasks(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}");
        assert!(names(&status, &[field]), "{status}");
    }
    // Another size of pages is fine.
    let rest = ListTasksRequest {
        page_token,
        page_size: 0,
        ..first
    };
    let rest = api.client.list_tasks(rest).await.unwrap().into_inner();
    assert_eq!((rest.tasks.len(), rest.next_page_token.as_str()), (2, ""));
}
