//! Tasks that can't be claimed before their time.

use std::time::Duration;

use corndogs::proto::v1alpha1::*;

use crate::additions::{claim, complete};
use crate::common::{Api, Server, metric, now_ns, until};

const SECOND: i64 = 1_000_000_000;

/// That many milliseconds from now.
fn after_ms(ms: i64) -> i64 {
    i64::try_from(now_ns()).unwrap() + ms * 1_000_000
}

fn submit(not_before: i64) -> SubmitTaskRequest {
    SubmitTaskRequest {
        not_before,
        ..crate::additions::submit("q")
    }
}

/// Asks until there is a task.
async fn claimed(api: &mut Api) -> Task {
    until("a task", async || api.claim(claim("w")).await.unwrap()).await
}

#[tokio::test]
async fn not_claimable_earlier_but_then_at_once() {
    // Nobody's sweep but its own: the one for timeouts is off.
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let mut api = server.api().await;
    let task = api.submit(submit(after_ms(1500))).await.unwrap();
    assert!(task.not_before > task.submit_time);
    assert_eq!(api.claim(claim("w")).await.unwrap(), None);
    // It counts as any other.
    assert_eq!(api.queues().await.unwrap(), (vec!["q".to_owned()], 1));
    let counts = api.state_counts("q").await.unwrap().state_counts;
    assert_eq!(counts, [("submitted".to_owned(), 1)].into());
    let other = api.submit(submit(0)).await.unwrap();
    assert_eq!(claimed(&mut api).await.uuid, other.uuid);
    let found = claimed(&mut api).await;
    assert!(found.update_time >= task.not_before, "{found:?}");
    let expected = Task {
        current_state: "submitted-working".into(),
        auto_target_state: "submitted".into(),
        update_time: found.update_time,
        attempt: 1,
        worker: "w".into(),
        ..task
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn it_becomes_claimable_with_nobody_asking() {
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let mut api = server.api().await;
    let at = after_ms(2500);
    api.submit(submit(at)).await.unwrap();
    let index = async || metric(server.http, "corndogs_raft_applied_index").await as u64;
    let before = index().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(index().await, before, "a delayed task costs no entries");
    until("its time", async || (index().await > before).then_some(())).await;
    let late = after_ms(0) - at;
    assert!(late >= 0, "{late} ns late");
    assert_eq!(index().await, before + 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        index().await,
        before + 1,
        "nor does it once it is claimable"
    );
}

#[tokio::test]
async fn they_come_in_the_order_of_their_times() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let now = after_ms(0);
    let mut wanted = Vec::new();
    for ms in [900, 300, 1200, 600] {
        let task = api.submit(submit(now + ms * 1_000_000)).await.unwrap();
        wanted.push((task.not_before, task.uuid));
    }
    wanted.sort();
    for (not_before, uuid) in wanted {
        let task = claimed(&mut api).await;
        assert_eq!(task.uuid, uuid);
        assert!(task.update_time >= not_before, "{task:?}");
    }
    assert_eq!(api.claim(claim("w")).await.unwrap(), None);
}

#[tokio::test]
async fn a_time_that_has_passed_delays_nothing() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api.submit(submit(1)).await.unwrap();
    assert_eq!(task.not_before, 1);
    let found = api.claim(claim("w")).await.unwrap().unwrap();
    assert_eq!((found.uuid, found.not_before), (task.uuid, 1));
}

#[tokio::test]
async fn the_timeout_starts_there() {
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let mut api = server.api().await;
    let not_before = after_ms(3_600_000);
    let request = SubmitTaskRequest {
        timeout: 5,
        ..submit(not_before)
    };
    let task = api.submit(request).await.unwrap();
    let due = not_before + 5 * SECOND;
    assert_eq!(task.expires_at, due);
    assert_eq!(api.clean_up(due, "").await.unwrap(), 0);
    // An update leaves it delayed; its timeout still starts there.
    let update = UpdateTaskRequest {
        uuid: task.uuid.clone(),
        queue: "q".into(),
        new_state: "submitted".into(),
        timeout: 7,
        ..Default::default()
    };
    let updated = api.update(update).await.unwrap().unwrap();
    assert_eq!(updated.expires_at, not_before + 7 * SECOND);
    assert_eq!(api.claim(claim("w")).await.unwrap(), None);
    assert_eq!(api.clean_up(updated.expires_at + 1, "").await.unwrap(), 1);
    let state = GetNextTaskRequest {
        current_state: "submitted-working".into(),
        ..claim("w")
    };
    assert_eq!(api.claim(state).await.unwrap(), None);
    let timed_out = api.get(&task.uuid).await.unwrap().unwrap();
    assert_eq!(timed_out.current_state, "submitted-working");
    assert!(
        api.complete(complete(&timed_out, 0))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(api.queues().await.unwrap(), (vec![], 0));
}

#[tokio::test]
async fn thousands_that_are_due_at_once_all_come() {
    const TASKS: usize = 2500;
    let server = Server::start().await;
    let mut api = server.api().await;
    let at = after_ms(3000);
    let submits = (0..TASKS).map(|_| {
        let mut api = api.clone();
        async move { api.submit(submit(at)).await.unwrap() }
    });
    let submitted = futures::future::join_all(submits).await;
    let last = submitted.iter().map(|task| task.submit_time).max().unwrap();
    let mut left = TASKS;
    while left > 0 {
        let task = claimed(&mut api).await;
        // On a slow machine the last ones are submitted when their time has come.
        assert!(task.update_time >= at.min(last), "{task:?}");
        assert!(task.update_time >= task.not_before, "{task:?}");
        left -= 1;
    }
    assert_eq!(api.claim(claim("w")).await.unwrap(), None);
}
