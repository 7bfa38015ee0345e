//! How queues are run: pauses, limits, groups, defaults.

use std::time::{Duration, Instant};

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;
use tonic::Code;

use crate::common::{Api, Server, code, keyed, metric, names, until};
use crate::waiting::{MINUTE_MS, SOON, claim, waiting};

fn submit(name: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: "q".into(),
        payload: name.to_owned().into(),
        ..Default::default()
    }
}

fn of_tenant(tenant: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        metadata: [("tenant".to_owned(), tenant.to_owned())].into(),
        ..submit(tenant)
    }
}

fn settings() -> SetQueueRequest {
    SetQueueRequest {
        queue: "q".into(),
        ..Default::default()
    }
}

async fn set(api: &mut Api, request: SetQueueRequest) -> QueueSettings {
    let answer = api.client.set_queue(request).await.unwrap();
    answer.into_inner().settings.unwrap()
}

async fn figures(api: &mut Api) -> QueueFigures {
    let queue = "q".to_owned();
    let answer = api.client.get_queue(GetQueueRequest { queue }).await;
    answer.unwrap().into_inner().figures.unwrap()
}

async fn claimed(api: &mut Api) -> Option<Task> {
    api.claim(claim("q", 0)).await.unwrap()
}

fn completion(task: &Task) -> CompleteTaskRequest {
    CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue.clone(),
        current_state: task.current_state.clone(),
        attempt: task.attempt,
        ..Default::default()
    }
}

fn waiter(api: &Api) -> tokio::task::JoinHandle<Option<Task>> {
    let mut api = api.clone();
    tokio::spawn(async move { api.claim(claim("q", MINUTE_MS)).await.unwrap() })
}

async fn served(waiter: tokio::task::JoinHandle<Option<Task>>) -> Task {
    let answer = tokio::time::timeout(SOON, waiter).await;
    answer.expect("no wake-up").unwrap().unwrap()
}

async fn assert_no_idle_turns(server: &Server) {
    let empty = metric(server.http, "corndogs_wait_empty_turns_total").await;
    assert_eq!(empty, 0.0);
}

#[tokio::test]
async fn a_pause_holds_claims_back_and_nothing_else() {
    let server = Server::start().await;
    let mut api = server.api().await;
    api.submit(submit("first")).await.unwrap();
    let held = claimed(&mut api).await.unwrap();
    let paused = SetQueueRequest {
        paused: Some(true),
        ..settings()
    };
    assert!(set(&mut api, paused).await.paused);
    api.submit(submit("second")).await.unwrap();
    assert_eq!(claimed(&mut api).await, None);
    assert_eq!(api.claim_tasks(claim("q", 0), 10).await.unwrap(), []);
    let waiters: Vec<_> = (0..2).map(|_| waiter(&api)).collect();
    waiting(&server, 2).await;
    assert!(api.complete(completion(&held)).await.unwrap().is_some());
    let found = figures(&mut api).await;
    assert!(found.paused_since > 0);
    assert_eq!((found.waiting, found.in_flight), (1, 0));
    api.submit(submit("third")).await.unwrap();
    let resumed = SetQueueRequest {
        paused: Some(false),
        ..settings()
    };
    set(&mut api, resumed).await;
    for waiter in waiters {
        served(waiter).await;
    }
    assert_no_idle_turns(&server).await;
    assert_eq!(figures(&mut api).await.paused_since, 0);
}

#[tokio::test]
async fn a_slot_that_frees_goes_to_the_claim_that_waits() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let limited = SetQueueRequest {
        max_in_flight: Some(2),
        ..settings()
    };
    set(&mut api, limited).await;
    for number in 0..6 {
        api.submit(submit(&number.to_string())).await.unwrap();
    }
    let first = api.claim_tasks(claim("q", 0), 10).await.unwrap();
    assert_eq!(first.len(), 2);
    let waiters: Vec<_> = (0..4).map(|_| waiter(&api)).collect();
    waiting(&server, 4).await;
    let mut held = first;
    for left in (0..4).rev() {
        assert_eq!(figures(&mut api).await.in_flight, 2);
        api.complete(completion(&held.remove(0))).await.unwrap();
        waiting(&server, left).await;
        let done = waiters.iter().filter(|waiter| waiter.is_finished());
        until("one more is served", async || {
            let held = figures(&mut api.clone()).await.in_flight;
            (held == 2).then_some(())
        })
        .await;
        assert!(done.count() <= 4 - left);
        if held.is_empty() {
            break;
        }
    }
    assert_no_idle_turns(&server).await;
    for waiter in waiters {
        waiter.abort();
    }
}

#[tokio::test]
async fn many_workers_never_hold_more_than_may_be_in_flight() {
    const LIMIT: i64 = 3;
    let server = Server::start().await;
    let mut api = server.api().await;
    let limited = SetQueueRequest {
        max_in_flight: Some(LIMIT),
        ..settings()
    };
    set(&mut api, limited).await;
    let tasks = (0..200).map(|number| submit(&number.to_string()));
    api.submit_tasks(tasks.collect()).await.unwrap();
    let workers = (0..10).map(|_| {
        let mut api = api.clone();
        tokio::spawn(async move {
            let mut done = 0;
            while let Some(task) = api.claim(claim("q", 500)).await.unwrap() {
                assert!(figures(&mut api).await.in_flight <= LIMIT);
                api.complete(completion(&task)).await.unwrap();
                done += 1;
            }
            done
        })
    });
    let done: Vec<i32> = join_all(workers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(done.iter().sum::<i32>(), 200);
}

#[tokio::test]
async fn claims_a_second_come_back_by_themselves() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let paced = SetQueueRequest {
        max_claims_per_s: Some(5),
        ..settings()
    };
    set(&mut api, paced).await;
    let tasks = (0..20).map(|number| submit(&number.to_string()));
    api.submit_tasks(tasks.collect()).await.unwrap();
    let begun = Instant::now();
    let at_once = api.claim_tasks(claim("q", 0), 20).await.unwrap();
    assert_eq!(at_once.len(), 5);
    assert_eq!(figures(&mut api).await.claims_used, 5);
    let waiters: Vec<_> = (0..5).map(|_| waiter(&api)).collect();
    for waiter in waiters {
        served(waiter).await;
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(990), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_no_idle_turns(&server).await;
}

#[tokio::test]
async fn a_full_queue_refuses_submits() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let limited = SetQueueRequest {
        max_waiting: Some(2),
        ..settings()
    };
    set(&mut api, limited).await;
    api.submit(submit("first")).await.unwrap();
    let both = vec![submit("second"), submit("third")];
    let refused = api.submit_tasks(both).await;
    assert_eq!(code(&refused), Code::ResourceExhausted);
    let known = SubmitTaskRequest {
        uuid: "0192f5e0-1234-7abc-8def-0123456789ab".into(),
        ..submit("second")
    };
    api.submit(known.clone()).await.unwrap();
    let refused = api.submit(submit("third")).await;
    assert_eq!(code(&refused), Code::ResourceExhausted);
    assert!(names(&refused.unwrap_err(), &["\"q\"", "max_waiting", "2"]));
    // A retry of what is there adds nothing.
    api.submit(known).await.unwrap();
    let keyed_submit = || keyed("retry", submit("third"));
    let refused = api.client.submit_task(keyed_submit()).await;
    assert_eq!(code(&refused), Code::ResourceExhausted);
    let held = claimed(&mut api).await.unwrap();
    api.client.submit_task(keyed_submit()).await.unwrap();
    let next = CompleteTaskRequest {
        next_task: Some(submit("fourth")),
        ..completion(&held)
    };
    let refused = api.complete(next).await;
    assert_eq!(code(&refused), Code::ResourceExhausted);
    assert_eq!(figures(&mut api).await.in_flight, 1);
}

#[tokio::test]
async fn no_group_takes_the_place_of_the_others() {
    let server = Server::start().await;
    let mut api = server.api().await;
    // There before the groups: these are moved.
    for _ in 0..600 {
        api.submit(of_tenant("large")).await.unwrap();
    }
    let grouped = SetQueueRequest {
        group_by: Some("tenant".into()),
        max_in_flight_per_group: Some(2),
        ..settings()
    };
    set(&mut api, grouped).await;
    until("tasks are moved", async || {
        let moving = figures(&mut api.clone()).await.regrouping;
        (!moving).then_some(())
    })
    .await;
    api.submit(of_tenant("small")).await.unwrap();
    let tasks = api.claim_tasks(claim("q", 0), 10).await.unwrap();
    let tenants = tasks.iter().map(|task| task.metadata["tenant"].as_str());
    assert_eq!(tenants.collect::<Vec<_>>(), ["large", "large", "small"]);
    let waiter = waiter(&api);
    waiting(&server, 1).await;
    api.submit(of_tenant("large")).await.unwrap();
    api.complete(completion(&tasks[2])).await.unwrap();
    assert!(!waiter.is_finished());
    api.complete(completion(&tasks[0])).await.unwrap();
    assert_eq!(served(waiter).await.metadata["tenant"], "large");
    assert_no_idle_turns(&server).await;
}

#[tokio::test]
async fn the_defaults_of_a_queue_go_before_those_of_the_server() {
    let server = Server::start_with(|setup| setup.arg("--default-timeout", "50s")).await;
    let mut api = server.api().await;
    let defaults = SetQueueRequest {
        default_timeout: Some(7),
        default_claim_timeout: Some(9),
        ..settings()
    };
    set(&mut api, defaults).await;
    let task = api.submit(submit("")).await.unwrap();
    assert_eq!((task.timeout, task.claim_timeout), (7, 9));
    let given = SubmitTaskRequest {
        timeout: -1,
        claim_timeout: 3,
        ..submit("")
    };
    let task = api.submit(given).await.unwrap();
    assert_eq!((task.timeout, task.claim_timeout), (0, 3));
    let elsewhere = SubmitTaskRequest {
        queue: "other".into(),
        ..submit("")
    };
    let task = api.submit(elsewhere).await.unwrap();
    assert_eq!((task.timeout, task.claim_timeout), (50, 0));
}

#[tokio::test]
async fn settings_and_limits_outlive_a_crash() {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    let limited = SetQueueRequest {
        group_by: Some("tenant".into()),
        max_in_flight_per_group: Some(1),
        max_in_flight: Some(2),
        ..settings()
    };
    let kept = set(&mut api, limited).await;
    for tenant in ["a", "a", "b", "c"] {
        api.submit(of_tenant(tenant)).await.unwrap();
    }
    let held = claimed(&mut api).await.unwrap();
    server.kill();
    let server = server.restart().await;
    let mut api = server.api().await;
    let request = ListQueueSettingsRequest::default();
    let listed = api.client.list_queue_settings(request).await.unwrap();
    assert_eq!(listed.into_inner().queues, [kept]);
    let tasks = api.claim_tasks(claim("q", 0), 10).await.unwrap();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].metadata["tenant"], "b");
    api.complete(completion(&held)).await.unwrap();
    let next = claimed(&mut api).await.unwrap();
    assert_eq!(next.metadata["tenant"], "a");
}

#[tokio::test]
async fn what_no_queue_can_have_is_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let wrong = [
        ("queue", SetQueueRequest::default()),
        (
            "max_in_flight",
            SetQueueRequest {
                max_in_flight: Some(-1),
                ..settings()
            },
        ),
        (
            "max_claims_per_s",
            SetQueueRequest {
                max_claims_per_s: Some(1_000_001),
                ..settings()
            },
        ),
    ];
    for (field, request) in wrong {
        let answer = api.client.set_queue(request).await;
        assert_eq!(code(&answer), Code::InvalidArgument);
        assert!(names(&answer.unwrap_err(), &[field]));
    }
    let unnamed = api.client.get_queue(GetQueueRequest::default()).await;
    assert_eq!(code(&unnamed), Code::InvalidArgument);
    let request = ListQueueSettingsRequest {
        limit: 1001,
        ..Default::default()
    };
    let answer = api.client.list_queue_settings(request).await;
    assert_eq!(code(&answer), Code::InvalidArgument);
}

#[tokio::test]
async fn a_queue_forgets_what_ended_by_its_own_retention() {
    let server = Server::start_with(|setup| setup.arg("--archive-retention", "1h")).await;
    let mut api = server.api().await;
    let short = SetQueueRequest {
        retention: Some(1),
        ..settings()
    };
    set(&mut api, short).await;
    let elsewhere = SubmitTaskRequest {
        queue: "other".into(),
        ..submit("")
    };
    let mut ended = Vec::new();
    for request in [submit("a"), elsewhere] {
        let task = api.submit(request).await.unwrap();
        assert!(api.complete(completion(&task)).await.unwrap().is_some());
        ended.push(task.uuid);
    }
    until("it is forgotten", async || {
        let found = api.clone().get(&ended[0]).await.unwrap();
        found.is_none().then_some(())
    })
    .await;
    assert!(api.get(&ended[1]).await.unwrap().is_some());
}
