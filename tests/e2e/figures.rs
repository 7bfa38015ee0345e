//! The questions about queues and workers, and that their answers survive kill -9 and restarts.

use std::collections::BTreeMap;

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::common::figures::{Shift, ask_all};
use crate::common::{Server, code, names};
use crate::contract::submit;

#[tokio::test]
async fn answers_are_what_was_done_and_survive_kill_9() {
    let server = Server::start_with(|setup| setup.arg("--snapshot-every", "50")).await;
    let mut shift = Shift::default();
    let mut api = server.api().await;
    shift.work(&mut api, 300).await;
    shift.check(&ask_all(&mut api).await);
    let mut server = server;
    for _ in 0..2 {
        server.kill();
        server = server.restart().await;
        let mut api = server.api().await;
        shift.check(&ask_all(&mut api).await);
        shift.work(&mut api, 60).await;
        shift.check(&ask_all(&mut api).await);
    }
    server.stop().await;
    let server = server.restart().await;
    shift.check(&ask_all(&mut server.api().await).await);
}

#[tokio::test]
async fn pages_hold_what_one_answer_holds() {
    let server = Server::start().await;
    let mut api = server.api().await;
    for queue in ["b", "a", "a b", "c"] {
        for state in ["x", "y"] {
            let task = SubmitTaskRequest {
                current_state: state.into(),
                ..submit(queue)
            };
            api.submit(task).await.unwrap();
            let claim = GetNextTaskRequest {
                queue: queue.into(),
                current_state: state.into(),
                worker: format!("worker of {state}"),
                ..Default::default()
            };
            api.claim(claim).await.unwrap().unwrap();
        }
    }
    let all = api
        .figures(GetQueueFiguresRequest::default())
        .await
        .unwrap();
    assert_eq!((all.lines.len(), all.has_more), (16, false));
    let mut lines: Vec<LineFigures> = Vec::new();
    loop {
        let last = lines.last().cloned().unwrap_or_default();
        let request = GetQueueFiguresRequest {
            max_lines: 3,
            after_queue: last.queue,
            after_state: last.state,
            ..Default::default()
        };
        let page = api.figures(request).await.unwrap();
        lines.extend(page.lines);
        if !page.has_more {
            break;
        }
    }
    let keys = |lines: &[LineFigures]| -> Vec<_> {
        let keys = lines.iter();
        keys.map(|line| (line.queue.clone(), line.state.clone()))
            .collect()
    };
    assert_eq!(keys(&lines), keys(&all.lines));
    assert!(keys(&lines).is_sorted());
    let mut workers: Vec<WorkerFigures> = Vec::new();
    loop {
        let last = workers.last().cloned().unwrap_or_default();
        let request = GetWorkersRequest {
            max_workers: 3,
            after_queue: last.queue,
            after_worker: last.worker,
            after_state: last.state,
            ..Default::default()
        };
        let page = api.workers(request).await.unwrap();
        workers.extend(page.workers);
        if !page.has_more {
            break;
        }
    }
    let all = api.workers(GetWorkersRequest::default()).await.unwrap();
    assert_eq!(workers, all.workers);
    assert_eq!(workers.len(), 8);
}

#[tokio::test]
async fn a_delayed_task_is_neither_waiting_nor_the_oldest() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let delayed = SubmitTaskRequest {
        not_before: i64::MAX,
        ..submit("q")
    };
    api.submit(delayed).await.unwrap();
    let ask = GetQueueFiguresRequest {
        queue: "q".into(),
        ..Default::default()
    };
    let answer = api.figures(ask.clone()).await.unwrap();
    let line = &answer.lines[0];
    assert_eq!((line.live, line.delayed, line.waiting), (1, 1, 0));
    assert_eq!((line.oldest_submit_time, line.oldest_age_ms), (0, 0));
    let task = api.submit(submit("q")).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let line = api.figures(ask).await.unwrap().lines.remove(0);
    assert_eq!((line.live, line.delayed, line.waiting), (2, 1, 1));
    assert_eq!(line.oldest_submit_time, task.submit_time);
    assert!((15..10_000).contains(&line.oldest_age_ms), "{line:?}");
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let asked = |change: fn(&mut GetQueueFiguresRequest)| {
        let mut request = GetQueueFiguresRequest::default();
        change(&mut request);
        request
    };
    for (request, field) in [
        (asked(|request| request.since = -1), "since"),
        (asked(|request| request.until = -1), "until"),
        (
            asked(|request| (request.since, request.until) = (5, 5)),
            "since",
        ),
        (asked(|request| request.max_lines = -1), "max_lines"),
        (asked(|request| request.max_lines = 1001), "max_lines"),
        (asked(|request| request.queue = "\n".into()), "queue"),
        (
            asked(|request| request.after_queue = "x".repeat(256)),
            "after_queue",
        ),
        (
            asked(|request| request.after_state = "\0".into()),
            "after_state",
        ),
    ] {
        let answer = api.figures(request).await;
        assert_eq!(code(&answer), Code::InvalidArgument, "{field}");
        assert!(names(&answer.unwrap_err(), &[field]), "{field}");
    }
    let workers = GetWorkersRequest {
        max_workers: 1001,
        ..Default::default()
    };
    assert_eq!(code(&api.workers(workers).await), Code::InvalidArgument);
    for step_length_s in [-1, 1, 59, 61, i64::MAX] {
        let history = GetHistoryRequest {
            step_length_s,
            ..Default::default()
        };
        assert_eq!(code(&api.steps(history).await), Code::InvalidArgument);
    }
}

/// Any window is answered, and says which one it is.
#[tokio::test]
async fn windows_are_bounded() {
    let server = Server::start().await;
    let mut api = server.api().await;
    api.submit(submit("q")).await.unwrap();
    let mut longest = BTreeMap::new();
    for step_length_s in [0, 60, 3600, 86_400] {
        for (since, until) in [
            (0, 0),
            (1, 0),
            (1, 2),
            (1, i64::MAX),
            (i64::MAX - 1, i64::MAX),
        ] {
            let history = GetHistoryRequest {
                since,
                until,
                step_length_s,
                ..Default::default()
            };
            let answer = api.steps(history).await.unwrap();
            assert!(step_length_s == 0 || answer.step_length_s == step_length_s);
            let steps = answer.steps.len();
            let most = longest.entry(answer.step_length_s).or_insert(0);
            *most = steps.max(*most);
            let submitted: i64 = answer
                .steps
                .iter()
                .map(|step| step.events.unwrap().submitted)
                .sum();
            assert_eq!(submitted, i64::from(until != 2), "{since} {until}");
        }
    }
    assert_eq!(longest, [(60, 121), (3600, 193), (86_400, 101)].into());
}
