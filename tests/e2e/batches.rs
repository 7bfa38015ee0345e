//! Many tasks in one call: all or none, as many as there are, each on its own.

use corndogs::proto::v1alpha1::*;
use prost::Message;
use tonic::Code;

use crate::additions::{claim, complete, submit};
use crate::bad_requests::MIB;
use crate::client_uuids::uuid;
use crate::common::{Api, Server, code, names};

/// What clients take by default.
const ANSWER_BYTES: usize = 4 << 20;

fn named(name: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        payload: name.to_owned().into(),
        ..submit("q")
    }
}

fn payloads(tasks: &[Task]) -> Vec<&str> {
    let texts = tasks.iter().map(|task| std::str::from_utf8(&task.payload));
    texts.map(Result::unwrap).collect()
}

/// Claims all there is.
async fn claimed(api: &mut Api, tasks: Vec<SubmitTaskRequest>) -> Vec<Task> {
    let tasks = api.submit_tasks(tasks).await.unwrap();
    let claimed = api.claim_tasks(claim("w"), 1000).await.unwrap();
    assert_eq!(claimed.len(), tasks.len());
    claimed
}

#[tokio::test]
async fn all_are_submitted_in_order() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let tasks = vec![
        named("a"),
        SubmitTaskRequest {
            uuid: uuid(1),
            ..SubmitTaskRequest::default()
        },
        named("c"),
        named("d"),
    ];
    let answered = api.submit_tasks(tasks).await.unwrap();
    assert_eq!(payloads(&answered), ["a", "", "c", "d"]);
    assert_eq!(
        (answered[1].uuid.as_str(), answered[1].queue.as_str()),
        (uuid(1).as_str(), "default")
    );
    for task in &answered {
        assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(task));
        // One command, one time.
        assert_eq!(task.submit_time, answered[0].submit_time);
    }
    let claimed = api.claim_tasks(claim(""), 10).await.unwrap();
    assert_eq!(payloads(&claimed), ["a", "c", "d"]);
}

#[tokio::test]
async fn the_same_submit_twice_in_a_batch_is_one_task() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let one = SubmitTaskRequest {
        uuid: uuid(1),
        ..named("one")
    };
    let tasks = api
        .submit_tasks(vec![one.clone(), named("two"), one.clone()])
        .await
        .unwrap();
    assert_eq!(tasks[0], tasks[2]);
    assert_eq!(api.queues().await.unwrap().1, 2);
    // A retry of the batch answers the tasks as they are now.
    let claimed = api.claim(claim("w")).await.unwrap().unwrap();
    assert_eq!(api.submit_tasks(vec![one]).await.unwrap(), [claimed]);
}

#[tokio::test]
async fn a_taken_uuid_submits_nothing() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let taken = SubmitTaskRequest {
        uuid: uuid(1),
        ..named("taken")
    };
    api.submit(taken.clone()).await.unwrap();
    let counts = api.all_counts().await.unwrap();
    let with = |uuid: String, name| SubmitTaskRequest {
        uuid,
        ..named(name)
    };
    for batch in [
        vec![named("a"), with(uuid(1), "other"), named("b")],
        vec![with(uuid(2), "a"), with(uuid(2), "b")],
    ] {
        let answer = api.submit_tasks(batch).await;
        assert_eq!(code(&answer), Code::AlreadyExists);
    }
    assert_eq!(api.all_counts().await.unwrap(), counts);
    assert_eq!(api.get(&uuid(2)).await.unwrap(), None);
    assert_eq!(api.submit_tasks(vec![taken; 2]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn as_many_as_there_are_the_best_first() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let with = |name, queue: &str, priority| SubmitTaskRequest {
        queue: queue.into(),
        priority,
        ..named(name)
    };
    let tasks = vec![
        with("d", "q", 0),
        with("a", "r", 7),
        with("e", "r", 0),
        with("b", "q", 7),
        with("c", "q", 1),
    ];
    api.submit_tasks(tasks).await.unwrap();
    let next = GetNextTaskRequest {
        queues: vec!["r".into(), "q".into()],
        override_timeout: 60,
        ..claim("w")
    };
    let first = api.claim_tasks(next.clone(), 2).await.unwrap();
    assert_eq!(payloads(&first), ["a", "b"]);
    let rest = api.claim_tasks(next.clone(), 1000).await.unwrap();
    assert_eq!(payloads(&rest), ["c", "d", "e"]);
    for task in first.iter().chain(&rest) {
        let lease = (task.attempt, task.worker.as_str(), task.timeout);
        assert_eq!(lease, (1, "w", 60));
        assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(task));
    }
    assert_eq!(api.claim_tasks(next, 1000).await.unwrap(), []);
    // Without a claim, the defaults.
    api.submit(SubmitTaskRequest::default()).await.unwrap();
    let request = GetNextTasksRequest {
        next: None,
        max_tasks: 2,
    };
    let answer = api.client.get_next_tasks(request).await.unwrap();
    assert_eq!(answer.into_inner().tasks.len(), 1);
}

/// Many workers at once: each task goes to exactly one of them.
#[tokio::test]
async fn no_task_goes_to_two_workers() {
    let server = Server::start().await;
    let mut api = server.api().await;
    api.submit_tasks(vec![submit("q"); 1000]).await.unwrap();
    let workers = (0..16).map(|number| {
        let mut api = api.clone();
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let tasks = api.claim_tasks(claim(""), number + 1).await.unwrap();
                if tasks.is_empty() {
                    return claimed;
                }
                claimed.extend(tasks.into_iter().map(|task| task.uuid));
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.unwrap());
    }
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 1000);
}

#[tokio::test]
async fn an_answer_takes_at_most_four_mib() {
    let server = Server::start_with(|setup| setup.arg("--max-payload", "5MiB")).await;
    let mut api = server.api().await;
    let of = |bytes: usize| SubmitTaskRequest {
        payload: vec![1; bytes].into(),
        ..submit("q")
    };
    api.submit_tasks(vec![of(MIB); 8]).await.unwrap();
    let mut found = 0;
    for expected in [3, 3, 2] {
        let tasks = api.claim_tasks(claim(""), 1000).await.unwrap();
        assert_eq!(tasks.len(), expected);
        found += tasks.len();
        let answer = GetNextTasksResponse { tasks };
        assert!(answer.encoded_len() <= ANSWER_BYTES);
    }
    assert_eq!(found, 8);
    // Small ones fill it, to within one task.
    api.submit_tasks(vec![of(8 << 10); 700]).await.unwrap();
    let tasks = api.claim_tasks(claim(""), 1000).await.unwrap();
    let answer = GetNextTasksResponse { tasks };
    let bytes = answer.encoded_len();
    assert!(
        (ANSWER_BYTES - (9 << 10)..=ANSWER_BYTES).contains(&bytes),
        "{bytes}"
    );
    let rest = api.claim_tasks(claim(""), 1000).await.unwrap();
    assert_eq!(answer.tasks.len() + rest.len(), 700);
    // At least one, however long it is.
    api.submit_tasks(vec![of(5 * MIB); 2]).await.unwrap();
    assert_eq!(api.claim_tasks(claim(""), 2).await.unwrap().len(), 1);
    assert_eq!(api.claim_tasks(claim(""), 2).await.unwrap().len(), 1);
}

#[tokio::test]
async fn each_is_completed_on_its_own() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let tasks = claimed(&mut api, vec![named("a"), named("b"), named("c")]).await;
    let next = SubmitTaskRequest {
        uuid: uuid(7),
        ..named("next")
    };
    let taken = CompleteTaskRequest {
        next_task: Some(SubmitTaskRequest {
            uuid: tasks[0].uuid.clone(),
            ..named("other")
        }),
        ..complete(&tasks[2], 1)
    };
    let batch = vec![
        complete(&tasks[0], 9),
        taken,
        complete(&tasks[1], 1),
        complete(&tasks[1], 1),
        CompleteTaskRequest {
            current_state: "elsewhere".into(),
            ..complete(&tasks[0], 1)
        },
        CompleteTaskRequest {
            next_task: Some(next.clone()),
            ..complete(&tasks[0], 1)
        },
        // The task that the one before has submitted.
        CompleteTaskRequest {
            uuid: uuid(7),
            queue: "q".into(),
            current_state: "submitted".into(),
            ..Default::default()
        },
    ];
    let results = api.complete_tasks(batch).await.unwrap();
    let done: Vec<_> = results.iter().map(|one| one.task.is_some()).collect();
    assert_eq!(done, [false, false, true, false, false, true, true]);
    let with_next: Vec<_> = results.iter().map(|one| one.next_task.is_some()).collect();
    assert_eq!(with_next, [false, false, false, false, false, true, false]);
    for (task, state) in tasks
        .iter()
        .zip(["completed", "completed", "submitted-working"])
    {
        let found = api.get(&task.uuid).await.unwrap().unwrap();
        assert_eq!(found.current_state, state);
    }
    assert_eq!(results[6].task, api.get(&uuid(7)).await.unwrap());
    assert_eq!(api.queues().await.unwrap(), (vec!["q".to_owned()], 1));
}

#[tokio::test]
async fn one_invalid_item_does_nothing_at_all() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(named("task")).await.unwrap();
    let counts = api.all_counts().await.unwrap();
    let invalid = || submit("a\nb");
    let of = |next_task| CompleteTaskRequest {
        next_task,
        ..complete(&task, 0)
    };
    let bad_uuid = CompleteTaskRequest {
        uuid: "x".into(),
        ..of(None)
    };
    let refused = [
        (
            "tasks[1].queue",
            api.submit_tasks(vec![named("a"), invalid()])
                .await
                .map(drop),
        ),
        (
            "tasks[2].uuid",
            api.complete_tasks(vec![of(None), of(None), bad_uuid])
                .await
                .map(drop),
        ),
        (
            "tasks[0].next_task.queue",
            api.complete_tasks(vec![of(Some(invalid())), of(None)])
                .await
                .map(drop),
        ),
    ];
    for (field, answer) in refused {
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}");
        assert!(names(&status, &[field]), "{status}");
    }
    assert_eq!(api.all_counts().await.unwrap(), counts);
    assert_eq!(api.get(&task.uuid).await.unwrap(), Some(task));
}

#[tokio::test]
async fn one_to_a_thousand() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let tasks = api.submit_tasks(vec![named("x"); 1000]).await.unwrap();
    let completes = |tasks: &[Task]| tasks.iter().map(|task| complete(task, 1)).collect();
    let mut too_many: Vec<CompleteTaskRequest> = completes(&tasks);
    too_many.push(complete(&tasks[0], 1));
    let refused = [
        (
            "tasks",
            api.submit_tasks(vec![named("x"); 1001]).await.map(drop),
        ),
        ("tasks", api.submit_tasks(vec![]).await.map(drop)),
        ("tasks", api.complete_tasks(too_many).await.map(drop)),
        ("tasks", api.complete_tasks(vec![]).await.map(drop)),
        (
            "max_tasks",
            api.claim_tasks(claim(""), 1001).await.map(drop),
        ),
        ("max_tasks", api.claim_tasks(claim(""), 0).await.map(drop)),
        ("max_tasks", api.claim_tasks(claim(""), -1).await.map(drop)),
    ];
    for (field, answer) in refused {
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(names(&status, &[field, "1000"]), "{status}");
    }
    assert_eq!(api.queues().await.unwrap().1, 1000);
    let claimed = api.claim_tasks(claim("w"), 1000).await.unwrap();
    let uuids = |tasks: &[Task]| {
        tasks
            .iter()
            .map(|task| task.uuid.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(uuids(&claimed), uuids(&tasks));
    let results = api.complete_tasks(completes(&claimed)).await.unwrap();
    let done: Vec<Task> = results.into_iter().filter_map(|one| one.task).collect();
    assert_eq!(uuids(&done), uuids(&tasks));
    assert_eq!(api.queues().await.unwrap(), (vec![], 0));
}

#[tokio::test]
async fn batches_survive_a_crash() {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    let tasks = vec![named("a"), named("b"), named("c"), named("d")];
    let tasks = api.submit_tasks(tasks).await.unwrap();
    let claimed = api.claim_tasks(claim("w"), 3).await.unwrap();
    let batch = vec![complete(&claimed[0], 1), complete(&claimed[1], 1)];
    let done = api.complete_tasks(batch).await.unwrap();
    server.kill();
    let server = server.restart().await;
    let mut api = server.api().await;
    let expected = [
        done[0].task.clone(),
        done[1].task.clone(),
        Some(claimed[2].clone()),
        Some(tasks[3].clone()),
    ];
    for (task, expected) in tasks.iter().zip(expected) {
        assert_eq!(api.get(&task.uuid).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_batch_may_fill_a_message() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let of = |count| {
        let task = SubmitTaskRequest {
            payload: vec![1; MIB].into(),
            ..submit("q")
        };
        vec![task; count]
    };
    assert_eq!(api.submit_tasks(of(15)).await.unwrap().len(), 15);
    let too_long = api.submit_tasks(of(17)).await;
    let code = code(&too_long);
    assert!(
        matches!(code, Code::ResourceExhausted | Code::OutOfRange),
        "{code}"
    );
    assert_eq!(api.queues().await.unwrap().1, 15);
}
