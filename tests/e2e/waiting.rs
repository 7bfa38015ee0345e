//! Claims that wait for a task: `wait_ms`.

use std::time::{Duration, Instant};

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;
use tokio::task::JoinHandle;
use tonic::{Code, Request};

use crate::common::{Api, Server, Tries, metric, processor_time_s, until};

pub const MINUTE_MS: i64 = 60_000;
/// More than a wake-up ever takes, and less than anybody waits here.
pub const SOON: Duration = Duration::from_secs(10);

fn submit(queue: &str, name: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: queue.into(),
        payload: name.to_owned().into(),
        ..Default::default()
    }
}

pub fn claim(queue: &str, wait_ms: i64) -> GetNextTaskRequest {
    GetNextTaskRequest {
        queue: queue.into(),
        wait_ms,
        ..Default::default()
    }
}

type Waiter = JoinHandle<Tries<Option<Task>>>;

fn wait(api: &Api, request: GetNextTaskRequest) -> Waiter {
    let mut api = api.clone();
    tokio::spawn(async move { api.claim(request).await })
}

pub async fn waiting(server: &Server, claims: usize) {
    until("the claims wait", async || {
        let waiting = metric(server.http, "corndogs_waiting_claims").await;
        (waiting == claims as f64).then_some(())
    })
    .await;
}

async fn task_of(waiter: Waiter) -> Task {
    let answer = tokio::time::timeout(SOON, waiter).await;
    answer.expect("no wake-up").unwrap().unwrap().unwrap()
}

fn name(task: &Task) -> String {
    String::from_utf8(task.payload.to_vec()).unwrap()
}

#[tokio::test]
async fn a_task_that_is_there_is_no_reason_to_wait() {
    let server = Server::start().await;
    let mut api = server.api().await;
    api.submit(submit("q", "there")).await.unwrap();
    let task = task_of(wait(&api, claim("q", MINUTE_MS))).await;
    assert_eq!((name(&task).as_str(), task.attempt), ("there", 1));
}

#[tokio::test]
async fn a_submit_wakes_the_one_that_came_first_and_nobody_else() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let mut waiters = Vec::new();
    for count in 1..=20 {
        waiters.push(wait(&api, claim("q", MINUTE_MS)));
        waiting(&server, count).await;
    }
    // Other queues and states are none of their business.
    api.submit(submit("other", "")).await.unwrap();
    let elsewhere = SubmitTaskRequest {
        current_state: "elsewhere".into(),
        ..submit("q", "")
    };
    api.submit(elsewhere).await.unwrap();
    assert_eq!(metric(server.http, "corndogs_wait_turns_total").await, 0.0);
    api.submit(submit("q", "one")).await.unwrap();
    let task = task_of(waiters.remove(0)).await;
    assert_eq!(name(&task), "one");
    waiting(&server, 19).await;
    assert_eq!(metric(server.http, "corndogs_wait_turns_total").await, 1.0);
    let empty = metric(server.http, "corndogs_wait_empty_turns_total").await;
    assert_eq!(empty, 0.0);
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
}

#[tokio::test]
async fn fifty_are_served_in_the_order_in_which_they_came() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let mut waiters = Vec::new();
    for count in 1..=50 {
        waiters.push(wait(&api, claim("q", MINUTE_MS)));
        waiting(&server, count).await;
    }
    for number in 0..50 {
        api.submit(submit("q", &number.to_string())).await.unwrap();
    }
    for (number, waiter) in waiters.into_iter().enumerate() {
        assert_eq!(name(&task_of(waiter).await), number.to_string());
    }
    assert_eq!(api.claim(claim("q", 0)).await.unwrap(), None);
}

/// Not a moment less than it asked for, and an answer without a task then.
#[tokio::test]
async fn a_wait_in_vain_ends_in_time() {
    let server = Server::start().await;
    let api = server.api().await;
    for wait_ms in [1, 50, 700] {
        let asked = Instant::now();
        let answer = wait(&api, claim("q", wait_ms)).await.unwrap();
        let took = asked.elapsed();
        assert_eq!(answer.unwrap(), None);
        let wait = Duration::from_millis(wait_ms.unsigned_abs());
        assert!((wait..wait + SOON).contains(&took), "{took:?} for {wait:?}");
    }
    waiting(&server, 0).await;
}

/// Those that wait together in vain don't wait for one another.
#[tokio::test]
async fn each_waits_for_as_long_as_it_asked() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let long = wait(&api, claim("q", MINUTE_MS));
    waiting(&server, 1).await;
    let short = wait(&api, claim("q", 300)).await.unwrap();
    assert_eq!(short.unwrap(), None);
    api.submit(submit("q", "late")).await.unwrap();
    assert_eq!(name(&task_of(long).await), "late");
}

#[tokio::test]
async fn one_that_went_away_takes_no_task() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let canceled = wait(&api, claim("q", MINUTE_MS));
    waiting(&server, 1).await;
    canceled.abort();
    waiting(&server, 0).await;
    // A connection that is lost with all that waits on it.
    let lost = server.api().await;
    let lost: Vec<Waiter> = (0..5).map(|_| wait(&lost, claim("q", MINUTE_MS))).collect();
    waiting(&server, 5).await;
    let patient = wait(&api, claim("q", MINUTE_MS));
    waiting(&server, 6).await;
    lost.iter().for_each(Waiter::abort);
    join_all(lost).await;
    waiting(&server, 1).await;
    api.submit(submit("q", "kept")).await.unwrap();
    let task = task_of(patient).await;
    assert_eq!((name(&task).as_str(), task.attempt), ("kept", 1));
    assert_eq!(metric(server.http, "corndogs_wait_turns_total").await, 1.0);
}

#[tokio::test]
async fn a_shorter_deadline_ends_the_wait_in_order() {
    let server = Server::start().await;
    let api = server.api().await;
    let mut request = Request::new(claim("q", MINUTE_MS));
    request.set_timeout(Duration::from_secs(1));
    let asked = Instant::now();
    let answer = api.client.clone().get_next_task(request).await.unwrap();
    assert_eq!(answer.into_inner().task, None);
    assert!(asked.elapsed() > Duration::from_millis(800));
    waiting(&server, 0).await;
}

#[tokio::test]
async fn whatever_brings_a_task_into_the_state_ends_the_wait() {
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "50ms")).await;
    let mut api = server.api().await;
    let in_state = |state: &str| GetNextTaskRequest {
        current_state: state.into(),
        ..claim("q", MINUTE_MS)
    };
    let by_claim = wait(&api, in_state("submitted-working"));
    let by_update = wait(&api, in_state("review"));
    let by_timeout = wait(&api, in_state("expired"));
    let by_next_task = wait(&api, claim("next", MINUTE_MS));
    waiting(&server, 4).await;

    api.submit(submit("q", "claimed")).await.unwrap();
    let claimed = api.claim(claim("q", 0)).await.unwrap().unwrap();
    let again = task_of(by_claim).await;
    assert_eq!((again.uuid.as_str(), again.attempt), (&*claimed.uuid, 2));

    let task = api.submit(submit("q", "updated")).await.unwrap();
    let update = UpdateTaskRequest {
        uuid: task.uuid.clone(),
        queue: "q".into(),
        new_state: "review".into(),
        ..Default::default()
    };
    api.update(update).await.unwrap().unwrap();
    assert_eq!(task_of(by_update).await.uuid, task.uuid);

    let expiring = SubmitTaskRequest {
        timeout: 1,
        auto_target_state: "expired".into(),
        ..submit("q", "expiring")
    };
    let task = api.submit(expiring).await.unwrap();
    assert_eq!(task_of(by_timeout).await.uuid, task.uuid);

    let task = api.submit(submit("q", "completed")).await.unwrap();
    let complete = CompleteTaskRequest {
        uuid: task.uuid,
        queue: task.queue,
        current_state: task.current_state,
        next_task: Some(submit("next", "next")),
        ..Default::default()
    };
    api.complete(complete).await.unwrap().unwrap();
    assert_eq!(name(&task_of(by_next_task).await), "next");
}

/// Workers that wait all the time, others that don't, and a submitter: each task goes to one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_each_task_goes_to_one() {
    const TASKS: usize = 600;
    let server = Server::start().await;
    let mut api = server.api().await;
    let workers: Vec<_> = (0..24)
        .map(|number| {
            let mut api = api.clone();
            let wait_ms = [1, 20, 3000][number % 3];
            tokio::spawn(async move {
                let mut claimed = Vec::new();
                let mut idle = Instant::now();
                while idle.elapsed() < Duration::from_secs(3) {
                    if let Some(task) = api.claim(claim("q", wait_ms)).await.unwrap() {
                        claimed.push(task.uuid);
                        idle = Instant::now();
                    }
                }
                claimed
            })
        })
        .collect();
    for number in 0..TASKS {
        api.submit(submit("q", "")).await.unwrap();
        if number % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.unwrap());
    }
    assert_eq!(claimed.len(), TASKS);
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), TASKS);
    waiting(&server, 0).await;
}

#[tokio::test]
async fn sigterm_ends_waits_at_once() {
    let mut server = Server::start().await;
    let api = server.api().await;
    let waiters: Vec<Waiter> = (0..20).map(|_| wait(&api, claim("q", MINUTE_MS))).collect();
    waiting(&server, 20).await;
    let told = Instant::now();
    let code = server.stop().await;
    let took = told.elapsed();
    assert_eq!(code, Some(0), "{}", server.stderr());
    assert!(took < Duration::from_secs(5), "{took:?}");
    for waiter in waiters {
        let status = waiter.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains("nothing was done"), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_that_wait_cost_nothing() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let mut waiters = Vec::new();
    for _ in 0..4 {
        // A connection takes about a thousand calls at once.
        let api = server.api().await;
        waiters.extend((0..500).map(|_| wait(&api, claim("q", MINUTE_MS))));
    }
    waiting(&server, 2000).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = processor_time_s(server.pid());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let took = processor_time_s(server.pid()) - before;
    assert!(took < 0.2, "{took} s of processor time in 2 s");
    api.submit(submit("q", "")).await.unwrap();
    waiting(&server, 1999).await;
    assert_eq!(metric(server.http, "corndogs_wait_turns_total").await, 1.0);
    waiters.iter().for_each(Waiter::abort);
    waiting(&server, 0).await;
}
