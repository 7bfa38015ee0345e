//! Calls that are retried by a key: done once, and answered as the first time.

use std::time::Duration;

use corndogs::proto::cluster::StatusRequest;
use corndogs::proto::cluster::cluster_service_client::ClusterServiceClient;
use corndogs::proto::v1alpha1::*;
use tonic::Code;
use tonic::metadata::MetadataValue;

use crate::additions::{claim, complete, submit};
use crate::client_uuids::uuid;
use crate::common::{Api, Server, keyed, names, until};

/// A call with a key, and what it is answered with.
macro_rules! ask {
    ($api:expr, $call:ident, $key:expr, $request:expr) => {
        $api.client
            .$call(keyed($key, $request))
            .await
            .map(tonic::Response::into_inner)
    };
}

#[tokio::test]
async fn every_changing_call_is_done_once() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let submitted = ask!(api, submit_task, "s", submit("q")).unwrap();
    let task = submitted.task.clone().unwrap();
    assert_eq!(ask!(api, submit_task, "s", submit("q")).unwrap(), submitted);
    assert_eq!(api.queues().await.unwrap(), (vec!["q".to_owned()], 1));

    let claimed = ask!(api, get_next_task, "c", claim("w")).unwrap();
    assert_eq!(claimed.task.as_ref().unwrap().uuid, task.uuid);
    assert_eq!(ask!(api, get_next_task, "c", claim("w")).unwrap(), claimed);

    let update = UpdateTaskRequest {
        uuid: task.uuid.clone(),
        queue: "q".into(),
        current_state: "submitted-working".into(),
        timeout: 1,
        ..Default::default()
    };
    let updated = ask!(api, update_task, "u", update.clone()).unwrap();
    assert_eq!(updated.task.as_ref().unwrap().current_state, "updated");
    assert_eq!(ask!(api, update_task, "u", update).unwrap(), updated);

    let clean_up = CleanUpTimedOutRequest {
        at_time: updated.task.unwrap().expires_at + 1,
        queue: "q".into(),
    };
    for _ in 0..2 {
        let cleaned_up = ask!(api, clean_up_timed_out, "t", clean_up.clone()).unwrap();
        assert_eq!(cleaned_up.timed_out, 1);
    }

    let complete = CompleteTaskRequest {
        current_state: "updated-working".into(),
        next_task: Some(submit("next")),
        ..complete(&task, 1)
    };
    let completed = ask!(api, complete_task, "e", complete.clone()).unwrap();
    assert!(completed.task.is_some() && completed.next_task.is_some());
    assert_eq!(ask!(api, complete_task, "e", complete).unwrap(), completed);

    let next = completed.next_task.unwrap();
    let cancel = CancelTaskRequest {
        uuid: next.uuid,
        queue: "next".into(),
        current_state: "submitted".into(),
        attempt: 0,
    };
    let canceled = ask!(api, cancel_task, "x", cancel.clone()).unwrap();
    assert!(canceled.task.is_some());
    assert_eq!(ask!(api, cancel_task, "x", cancel).unwrap(), canceled);
    assert_eq!(api.queues().await.unwrap(), (vec![], 0));
    // The first answer of all, although its task has ended.
    assert_eq!(ask!(api, submit_task, "s", submit("q")).unwrap(), submitted);
}

#[tokio::test]
async fn refusals_and_empty_answers_are_given_again() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let nothing = ask!(api, get_next_task, "none", claim("w")).unwrap();
    assert_eq!(nothing.task, None);
    let task = api.submit(submit("q")).await.unwrap();
    assert_eq!(
        ask!(api, get_next_task, "none", claim("w")).unwrap(),
        nothing
    );
    let claimed = api.claim(claim("w")).await.unwrap().unwrap();
    assert_eq!(claimed.uuid, task.uuid);
    let other = SubmitTaskRequest {
        uuid: task.uuid.clone(),
        ..submit("other")
    };
    let mut first = Vec::new();
    for _ in 0..2 {
        let stale = ask!(api, complete_task, "stale", complete(&claimed, 7)).unwrap_err();
        assert_eq!(stale.code(), Code::FailedPrecondition);
        assert!(names(&stale, &["attempt 1", "\"w\""]), "{stale}");
        let taken = ask!(api, submit_task, "taken", other.clone()).unwrap_err();
        assert_eq!(taken.code(), Code::AlreadyExists);
        first.push((stale.message().to_owned(), taken.message().to_owned()));
        // Without keys, the answers would be others by now.
        api.complete(complete(&claimed, 1)).await.unwrap();
    }
    assert_eq!(first[0], first[1]);
}

#[tokio::test]
async fn another_call_or_request_with_the_key_is_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let first = ask!(api, submit_task, "k", submit("q")).unwrap();
    let refused = [
        ask!(api, submit_task, "k", submit("other")).map(drop),
        ask!(api, get_next_task, "k", claim("w")).map(drop),
        ask!(
            api,
            clean_up_timed_out,
            "k",
            CleanUpTimedOutRequest::default()
        )
        .map(drop),
    ];
    for answer in refused {
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(names(&status, &["idempotency-key"]), "{status}");
    }
    assert_eq!(api.queues().await.unwrap(), (vec!["q".to_owned()], 1));
    assert_eq!(ask!(api, submit_task, "k", submit("q")).unwrap(), first);
}

#[tokio::test]
async fn keys_that_break_a_limit_are_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let long = "k".repeat(129);
    for bad in ["", &long, "größe"] {
        let mut request = tonic::Request::new(submit("q"));
        let value = MetadataValue::try_from(bad.as_bytes()).unwrap();
        request.metadata_mut().insert("idempotency-key", value);
        let status = api.client.submit_task(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{bad:?}");
        assert!(names(&status, &["idempotency-key"]), "{status}");
        assert!(status.message().len() < 100, "{status}");
    }
    let mut twice = keyed("a", submit("q"));
    twice
        .metadata_mut()
        .append("idempotency-key", MetadataValue::from_static("a"));
    let status = api.client.submit_task(twice).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert_eq!(api.queues().await.unwrap(), (vec![], 0));
    ask!(api, submit_task, &"k".repeat(128), submit("q")).unwrap();
    ask!(api, submit_task, "~ !\"", submit("q")).unwrap();
    assert_eq!(api.queues().await.unwrap().1, 2);
}

/// What is refused before it is proposed takes no key, and what changes nothing ignores it.
#[tokio::test]
async fn a_key_is_spent_on_answers_of_the_log_alone() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let invalid = ask!(api, submit_task, "k", submit("a\nb")).unwrap_err();
    assert_eq!(invalid.code(), Code::InvalidArgument);
    let task = ask!(api, submit_task, "k", submit("q"))
        .unwrap()
        .task
        .unwrap();
    let get = GetTaskStateByIdRequest {
        uuid: task.uuid.clone(),
        queue: String::new(),
    };
    let found = ask!(api, get_task_state_by_id, "k", get).unwrap();
    assert_eq!(found.task, Some(task));
    let counts = ask!(api, get_queues, &"k".repeat(500), GetQueuesRequest {}).unwrap();
    assert_eq!(counts.total_task_count, 1);
}

/// The same call on many connections at once is done once, and all have its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_at_the_same_time_have_one_answer() {
    let server = Server::start().await;
    let mut api = server.api().await;
    for round in 0..20 {
        let key = format!("round {round}");
        let tries = (0..8).map(async |_| {
            let mut api = Api::connect(server.grpc).await;
            let submitted = ask!(api, submit_task, &format!("s {key}"), submit("q")).unwrap();
            let claimed = ask!(api, get_next_task, &format!("c {key}"), claim("w")).unwrap();
            (submitted.task.unwrap().uuid, claimed.task.unwrap().uuid)
        });
        let answers = futures::future::join_all(tries).await;
        let (submitted, claimed) = answers[0].clone();
        assert_eq!(submitted, claimed);
        for answer in answers {
            assert_eq!(answer, (submitted.clone(), claimed.clone()));
        }
    }
    let counts = api.state_counts("q").await.unwrap().state_counts;
    assert_eq!(counts, [("submitted-working".to_owned(), 20)].into());
}

#[tokio::test]
async fn answers_are_forgotten_after_the_window() {
    let server = Server::start_with(|setup| setup.arg("--idempotency-window", "1s")).await;
    let mut api = server.api().await;
    let first = ask!(api, submit_task, "k", submit("q")).unwrap();
    assert_eq!(ask!(api, submit_task, "k", submit("q")).unwrap(), first);
    tokio::time::sleep(Duration::from_millis(300)).await;
    // The window is the first answer's: a retry makes it no longer.
    let later = until("another task", async || {
        let answer = ask!(api, submit_task, "k", submit("q")).unwrap();
        (answer != first).then_some(answer.task.unwrap())
    })
    .await;
    let first = first.task.unwrap();
    assert_ne!(later.uuid, first.uuid);
    assert!(later.submit_time - first.submit_time >= 1_000_000_000);
    assert_eq!(api.queues().await.unwrap().1, 2);
}

async fn state_hash(server: &Server) -> u64 {
    let address = format!("http://{}", server.grpc);
    let mut service = ClusterServiceClient::connect(address).await.unwrap();
    let status = service.status(StatusRequest {}).await.unwrap();
    status.into_inner().nodes[0].state_hash
}

/// Also where nothing else happens: the state is as if they had never been.
#[tokio::test]
async fn answers_are_forgotten_by_themselves() {
    const ANSWERS: usize = 1500;
    let server = Server::start_with(|setup| setup.arg("--idempotency-window", "1s")).await;
    let api = server.api().await;
    let empty = state_hash(&server).await;
    let claims = (0..ANSWERS).map(|number| {
        let mut api = api.clone();
        async move { ask!(api, get_next_task, &format!("{number}"), claim("w")) }
    });
    for answer in futures::future::join_all(claims).await {
        assert_eq!(answer.unwrap().task, None);
    }
    assert_ne!(state_hash(&server).await, empty);
    until("all answers to be forgotten", async || {
        (state_hash(&server).await == empty).then_some(())
    })
    .await;
}

/// Answers of all kinds, by keys that begin with `name`.
async fn answers(api: &mut Api, name: &str, task: &Task) -> Vec<String> {
    let key = |end: &str| format!("{name} {end}");
    let large = SubmitTaskRequest {
        payload: vec![7; 60_000].into(),
        ..submit("large")
    };
    let other = SubmitTaskRequest {
        uuid: task.uuid.clone(),
        ..submit("other")
    };
    vec![
        format!("{:?}", ask!(api, submit_task, &key("s"), submit("q"))),
        format!("{:?}", ask!(api, submit_task, &key("large"), large)),
        format!("{:?}", ask!(api, get_next_task, &key("c"), claim("w"))),
        format!(
            "{:?}",
            ask!(
                api,
                get_next_task,
                &key("none"),
                GetNextTaskRequest {
                    current_state: "empty".into(),
                    ..claim("w")
                }
            )
        ),
        format!(
            "{:?}",
            ask!(api, submit_task, &key("taken"), other).map_err(|status| status.code())
        ),
        format!(
            "{:?}",
            ask!(
                api,
                clean_up_timed_out,
                &key("t"),
                CleanUpTimedOutRequest::default()
            )
        ),
    ]
}

/// kill -9, before and after a snapshot has taken the log's place, and a rebuild from it.
#[tokio::test]
async fn answers_outlive_restarts_and_snapshots() {
    let mut server = Server::start_with(|setup| setup.arg("--snapshot-every", "20")).await;
    let mut api = server.api().await;
    let task = api
        .submit(SubmitTaskRequest {
            uuid: uuid(1),
            ..submit("taken")
        })
        .await
        .unwrap();
    let first = answers(&mut api, "first", &task).await;
    server.kill();
    server = server.restart().await;
    let mut api = server.api().await;
    assert_eq!(answers(&mut api, "first", &task).await, first);
    let snapshots = server.data_dir().join("group-0/snapshot");
    let newest = || {
        let names = std::fs::read_dir(&snapshots).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".snap")).max()
    };
    let before = newest();
    let second = answers(&mut api, "second", &task).await;
    until("a newer snapshot", async || {
        let filler = SubmitTaskRequest {
            payload: vec![7; 20_000].into(),
            ..submit("filler")
        };
        api.submit(filler).await.unwrap();
        (newest() > before).then_some(())
    })
    .await;
    for rebuilds in [false, true] {
        server.kill();
        if rebuilds {
            std::fs::remove_dir_all(server.data_dir().join("group-0/checkpoint")).unwrap();
        }
        server = server.restart().await;
        let mut api = server.api().await;
        assert_eq!(answers(&mut api, "first", &task).await, first);
        assert_eq!(answers(&mut api, "second", &task).await, second);
    }
}

/// More than one step of the clean-up takes: the last one's answer counts them all.
#[tokio::test]
async fn a_clean_up_in_steps_is_answered_as_a_whole() {
    const TASKS: usize = 2500;
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let api = server.api().await;
    let submits = (0..TASKS).map(|_| {
        let mut api = api.clone();
        let request = SubmitTaskRequest {
            timeout: 1,
            ..submit("q")
        };
        async move { api.submit(request).await.unwrap() }
    });
    let tasks = futures::future::join_all(submits).await;
    let last = tasks.iter().map(|task| task.expires_at).max().unwrap();
    let mut api = api;
    let clean_up = CleanUpTimedOutRequest {
        at_time: last + 1,
        queue: String::new(),
    };
    for _ in 0..2 {
        let answer = ask!(api, clean_up_timed_out, "k", clean_up.clone()).unwrap();
        assert_eq!(answer.timed_out, TASKS as i64);
    }
    assert_eq!(api.clean_up(last + 1, "").await.unwrap(), 0);
}
