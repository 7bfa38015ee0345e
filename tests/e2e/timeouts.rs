//! Tasks that time out, by themselves and when asked.

use corndogs::proto::v1alpha1::*;

use crate::common::{Server, until};

const SECOND: i64 = 1_000_000_000;

fn submit(queue: &str, timeout: i64) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: queue.into(),
        timeout,
        priority: 4,
        payload: "p".into(),
        ..Default::default()
    }
}

/// A server that times nothing out unless it is asked.
async fn without_sweep() -> Server {
    Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await
}

#[tokio::test]
async fn by_themselves() {
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "50ms")).await;
    let mut api = server.api().await;
    let waiting = SubmitTaskRequest {
        auto_target_state: "dead".into(),
        ..submit("waiting", 1)
    };
    let waiting = api.submit(waiting).await.unwrap();
    api.submit(submit("claimed", 0)).await.unwrap();
    let claim = GetNextTaskRequest {
        queue: "claimed".into(),
        override_timeout: 1,
        ..Default::default()
    };
    let claimed = api.claim(claim).await.unwrap().unwrap();
    let patient = api.submit(submit("patient", 3600)).await.unwrap();
    for (before, state) in [(waiting, "dead"), (claimed, "submitted")] {
        let after = until("the timeout", async || {
            let task = api.get(&before.uuid).await.unwrap().unwrap();
            (task.current_state == state).then_some(task)
        })
        .await;
        let expected = Task {
            current_state: before.auto_target_state.clone(),
            auto_target_state: before.current_state.clone(),
            timeout: 0,
            expires_at: 0,
            update_time: after.update_time,
            ..before.clone()
        };
        assert_eq!(after, expected);
        assert!(after.update_time > before.update_time + SECOND);
    }
    assert_eq!(api.get(&patient.uuid).await.unwrap(), Some(patient));
}

#[tokio::test]
async fn off_means_only_when_asked() {
    let server = without_sweep().await;
    let mut api = server.api().await;
    let task = api.submit(submit("q", 1)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(&task));
    assert_eq!(api.clean_up(0, "other").await.unwrap(), 0);
    assert_eq!(api.clean_up(0, "q").await.unwrap(), 1);
    assert_eq!(api.clean_up(0, "q").await.unwrap(), 0);
    let after = api.get(&task.uuid).await.unwrap().unwrap();
    assert_eq!(
        (after.current_state.as_str(), after.timeout),
        ("submitted-working", 0)
    );
}

#[tokio::test]
async fn due_is_later_than_update_time_and_timeout() {
    let server = without_sweep().await;
    let mut api = server.api().await;
    let task = api.submit(submit("q", 100)).await.unwrap();
    let due = task.update_time + 100 * SECOND;
    assert_eq!(api.clean_up(due, "").await.unwrap(), 0);
    assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(&task));
    assert_eq!(api.clean_up(due + 1, "").await.unwrap(), 1);
    let after = api.get(&task.uuid).await.unwrap().unwrap();
    // The asked time moves no clock.
    assert!(after.update_time < due && after.update_time > task.update_time);
    let next = api.submit(submit("q", 0)).await.unwrap();
    assert!(next.submit_time < due);
}

#[tokio::test]
async fn one_queue_or_all() {
    let server = without_sweep().await;
    let mut api = server.api().await;
    for (queue, timeout) in [("a", 10), ("a", 20), ("b", 10), ("c", 0), ("c", i64::MAX)] {
        api.submit(submit(queue, timeout)).await.unwrap();
    }
    let now = api.submit(submit("d", 0)).await.unwrap().submit_time;
    assert_eq!(api.clean_up(now + 15 * SECOND, "a").await.unwrap(), 1);
    assert_eq!(api.clean_up(now + 15 * SECOND, "").await.unwrap(), 1);
    // What would overflow is never due.
    assert_eq!(api.clean_up(i64::MAX, "").await.unwrap(), 1);
    assert_eq!(api.clean_up(i64::MAX, "").await.unwrap(), 0);
    assert_eq!(
        api.state_counts("c").await.unwrap().state_counts,
        [("submitted".to_owned(), 2)].into()
    );
}

#[tokio::test]
async fn a_timed_out_task_keeps_its_place() {
    let server = without_sweep().await;
    let mut api = server.api().await;
    let first = api.submit(submit("q", 5)).await.unwrap();
    let second = api.submit(submit("q", 0)).await.unwrap();
    let claim = GetNextTaskRequest {
        queue: "q".into(),
        ..Default::default()
    };
    let claimed = api.claim(claim.clone()).await.unwrap().unwrap();
    assert_eq!(claimed.uuid, first.uuid);
    assert_eq!(api.clean_up(claimed.expires_at + 1, "q").await.unwrap(), 1);
    let again = api.claim(claim.clone()).await.unwrap().unwrap();
    assert_eq!(
        (&again.uuid, again.attempt, again.submit_time),
        (&first.uuid, 2, first.submit_time)
    );
    assert_eq!(api.claim(claim).await.unwrap().unwrap().uuid, second.uuid);
}

/// More than one step of the clean-up takes.
#[tokio::test]
async fn thousands_at_once() {
    const TASKS: usize = 2500;
    let server = without_sweep().await;
    let api = server.api().await;
    let submits = (0..TASKS).map(|_| {
        let mut api = api.clone();
        async move { api.submit(submit("q", 1)).await.unwrap() }
    });
    let tasks = futures::future::join_all(submits).await;
    let last = tasks.iter().map(|task| task.expires_at).max().unwrap();
    let mut api = api;
    assert_eq!(api.clean_up(last + 1, "").await.unwrap(), TASKS as i64);
    let counts = api.state_counts("q").await.unwrap().state_counts;
    assert_eq!(
        counts,
        [("submitted-working".to_owned(), TASKS as i64)].into()
    );
}

#[tokio::test]
async fn the_default_timeout() {
    let server = Server::start_with(|setup| setup.arg("--default-timeout", "77")).await;
    let mut api = server.api().await;
    let timeouts = [(0, 77), (-1, 0), (5, 5)];
    for (asked, stored) in timeouts {
        assert_eq!(
            api.submit(submit("q", asked)).await.unwrap().timeout,
            stored
        );
    }
}

#[tokio::test]
async fn the_archive_forgets() {
    let server = Server::start_with(|setup| setup.arg("--archive-retention", "1s")).await;
    let mut api = server.api().await;
    let task = api.submit(submit("q", 0)).await.unwrap();
    let live = api.submit(submit("q", 0)).await.unwrap();
    let cancel = CancelTaskRequest {
        uuid: task.uuid.clone(),
        queue: "q".into(),
        current_state: "submitted".into(),
        attempt: 0,
    };
    api.cancel(cancel).await.unwrap().unwrap();
    assert!(api.get(&task.uuid).await.unwrap().is_some());
    until("the archive to forget", async || {
        api.get(&task.uuid).await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(api.get(&live.uuid).await.unwrap(), Some(live));
}

/// What a wall clock was ahead before a restart is not the time.
#[tokio::test]
async fn a_wall_clock_that_was_ahead_is_not_believed_after_a_restart() {
    let mut server = Server::start().await;
    server.kill();
    let note = server.data_dir().join("group-0/clock-ahead");
    let ahead_ns = 3600 * SECOND;
    corndogs::note::write(&note, *b"CDca", ahead_ns.unsigned_abs()).unwrap();
    let server = server.restart().await;
    let task = server.api().await.submit(submit("q", 10)).await.unwrap();
    let behind_ns = wall_ns() - task.submit_time;
    assert!(
        (ahead_ns - 60 * SECOND..=ahead_ns).contains(&behind_ns),
        "{behind_ns}"
    );
}

fn wall_ns() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    since.as_nanos() as i64
}
