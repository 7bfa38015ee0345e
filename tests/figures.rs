//! Every question of figures over many tasks, each answer against a full scan, and how long it took.
//!
//! `CORNDOGS_FIGURES_TASKS` says how many tasks (5,000); times are printed, not judged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs
)]

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{Api, Server, number};
use corndogs::proto::v1alpha1::*;
use futures::StreamExt;

const QUEUES: usize = 8;
const STATES: [&str; 2] = ["submitted", "review"];
const WORKERS: usize = 100;
const PRIORITIES: i64 = 10;
const BATCH: usize = 500;
const ASKED: usize = 20;

type LineKey = (String, String);

/// What the answers to the work tell, beside what a scan of all tasks tells afterwards.
#[derive(Default)]
struct Ledger {
    uuids: Vec<String>,
    /// Claims by queue, worker and state.
    claims: BTreeMap<(String, String, String), i64>,
    completions: BTreeMap<(String, String, String), i64>,
    waited_us: BTreeMap<LineKey, Vec<i64>>,
    worked_us: BTreeMap<LineKey, Vec<i64>>,
    timeouts: i64,
}

/// What one task looks like to the scan.
fn line_of(task: &Task) -> LineKey {
    (task.queue.clone(), task.current_state.clone())
}

fn queue(number: usize) -> String {
    format!("queue-{}", number % QUEUES)
}

/// Half of the tasks are claimed: of those, half are completed, and every tenth batch times out.
async fn work(api: &mut Api, ledger: &mut Ledger, tasks: usize) {
    for batch in 0..tasks.div_ceil(BATCH) {
        let begin = batch * BATCH;
        let submits = (begin..tasks.min(begin + BATCH)).map(|number| SubmitTaskRequest {
            queue: queue(batch),
            current_state: STATES[batch / QUEUES % 2].into(),
            priority: number as i64 % PRIORITIES,
            payload: vec![b'x'; 100].into(),
            ..Default::default()
        });
        let answer = api.submit_tasks(submits.collect()).await.unwrap();
        ledger
            .uuids
            .extend(answer.into_iter().map(|task| task.uuid));
        if batch % 2 == 1 {
            claim(api, ledger, batch).await;
        }
    }
}

async fn claim(api: &mut Api, ledger: &mut Ledger, batch: usize) {
    let times_out = batch % 20 == 1;
    let worker = format!("worker-{}", batch / 2 % WORKERS);
    let next = GetNextTaskRequest {
        queue: queue(batch),
        current_state: STATES[batch / QUEUES % 2].into(),
        worker: worker.clone(),
        override_timeout: i64::from(times_out),
        ..Default::default()
    };
    let from = next.current_state.clone();
    let claimed = api.claim_tasks(next, BATCH as i32).await.unwrap();
    for task in &claimed {
        let key = (
            task.queue.clone(),
            worker.clone(),
            task.current_state.clone(),
        );
        *ledger.claims.entry(key).or_default() += 1;
        let waited = ledger.waited_us.entry((task.queue.clone(), from.clone()));
        let us = (task.update_time - task.submit_time) / 1000;
        waited.or_default().push(us);
    }
    if times_out {
        ledger.timeouts += claimed.len() as i64;
        return;
    }
    let half = claimed.iter().step_by(2);
    let completions: Vec<_> = half
        .map(|task| CompleteTaskRequest {
            uuid: task.uuid.clone(),
            queue: task.queue.clone(),
            current_state: task.current_state.clone(),
            attempt: task.attempt,
            ..Default::default()
        })
        .collect();
    let ended = api.complete_tasks(completions).await.unwrap();
    for (before, after) in claimed.iter().step_by(2).zip(ended) {
        let after = after.task.unwrap();
        let us = (after.update_time - before.update_time) / 1000;
        ledger
            .worked_us
            .entry(line_of(before))
            .or_default()
            .push(us);
        let key = (after.queue, worker.clone(), before.current_state.clone());
        *ledger.completions.entry(key).or_default() += 1;
    }
}

/// Every task, one by one.
async fn scan(api: &Api, ledger: &Ledger) -> Vec<Task> {
    let gets = ledger.uuids.iter().map(|uuid| {
        let mut api = api.clone();
        async move { api.get(uuid).await.unwrap().unwrap() }
    });
    futures::stream::iter(gets)
        .buffer_unordered(64)
        .collect()
        .await
}

/// Asks several times; prints how long it took.
async fn timed<T>(what: &str, mut ask: impl AsyncFnMut() -> T) -> T {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..ASKED {
        let start = Instant::now();
        last = Some(ask().await);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, most) = (ms(times[ASKED / 2]), ms(times[ASKED - 1]));
    println!("{what:<44} median {median:>8.2} ms   longest {most:>8.2} ms");
    last.unwrap()
}

fn check_lines(answer: &GetQueueFiguresResponse, ledger: &mut Ledger, tasks: &[Task]) {
    assert!(answer.is_complete && !answer.has_more);
    let mut live: BTreeMap<LineKey, Vec<&Task>> = BTreeMap::new();
    let mut submitted: BTreeMap<String, i64> = BTreeMap::new();
    let mut completed: BTreeMap<String, i64> = BTreeMap::new();
    for task in tasks {
        *submitted.entry(task.queue.clone()).or_default() += 1;
        if task.current_state == "completed" {
            *completed.entry(task.queue.clone()).or_default() += 1;
        } else {
            live.entry(line_of(task)).or_default().push(task);
        }
    }
    let mut timeouts = 0;
    for line in &answer.lines {
        let key = (line.queue.clone(), line.state.clone());
        let rows = live.remove(&key).unwrap_or_default();
        assert_eq!(line.live, rows.len() as i64, "{key:?}");
        let is_working = line.state.ends_with("-working");
        let in_flight = if is_working { line.live } else { 0 };
        assert_eq!((line.in_flight, line.delayed), (in_flight, 0), "{key:?}");
        assert_eq!(line.waiting, line.live - in_flight, "{key:?}");
        let oldest = rows.iter().map(|task| task.submit_time).min();
        assert_eq!(line.oldest_submit_time, oldest.unwrap_or(0), "{key:?}");
        assert!(line.is_oldest_exact);
        let events = line.events.unwrap();
        *submitted.entry(line.queue.clone()).or_default() -= events.submitted;
        *completed.entry(line.queue.clone()).or_default() -= events.completed;
        timeouts += events.timed_out;
        let waited = ledger.waited_us.remove(&key).unwrap_or_default();
        assert_eq!(events.claimed, waited.len() as i64, "{key:?}");
        check_lengths(&line.waited.unwrap(), waited);
        let worked = ledger.worked_us.remove(&key).unwrap_or_default();
        check_lengths(&line.worked.unwrap(), worked);
    }
    assert!(live.is_empty(), "{:?} are missing", live.keys());
    assert!(ledger.waited_us.is_empty() && ledger.worked_us.is_empty());
    assert!(
        submitted
            .values()
            .chain(completed.values())
            .all(|left| *left == 0)
    );
    assert_eq!(timeouts, ledger.timeouts);
}

fn check_lengths(found: &Lengths, mut exact: Vec<i64>) {
    exact.sort_unstable();
    assert_eq!(found.count, exact.len() as i64);
    let Some(longest) = exact.last() else {
        return;
    };
    assert_eq!(found.max_us, *longest);
    let quantiles = [(50, found.p50_us), (90, found.p90_us), (99, found.p99_us)];
    for (percent, found) in quantiles {
        let exact = exact[(exact.len() * percent).div_ceil(100) - 1];
        assert!((found - exact).abs() <= exact / 16, "{found} for {exact}");
    }
}

fn check_workers(workers: &[WorkerFigures], ledger: &Ledger) {
    let mut timeouts = 0;
    let mut claims = ledger.claims.clone();
    let mut completions = ledger.completions.clone();
    for worker in workers {
        let key = (
            worker.queue.clone(),
            worker.worker.clone(),
            worker.state.clone(),
        );
        assert_eq!(claims.remove(&key), Some(worker.claimed), "{key:?}");
        assert_eq!(
            completions.remove(&key).unwrap_or(0),
            worker.completed,
            "{key:?}"
        );
        timeouts += worker.timed_out;
    }
    assert!(claims.is_empty() && completions.is_empty());
    assert_eq!(timeouts, ledger.timeouts);
}

async fn all_workers(api: &mut Api, since: i64) -> Vec<WorkerFigures> {
    let mut all: Vec<WorkerFigures> = Vec::new();
    loop {
        let last = all.last().cloned().unwrap_or_default();
        let request = GetWorkersRequest {
            since,
            max_workers: 1000,
            after_queue: last.queue,
            after_worker: last.worker,
            after_state: last.state,
            ..Default::default()
        };
        let answer = api.workers(request).await.unwrap();
        assert!(answer.is_complete);
        all.extend(answer.workers);
        if !answer.has_more {
            return all;
        }
    }
}

async fn ask_figures(api: &mut Api, since: i64) -> GetQueueFiguresResponse {
    let request = GetQueueFiguresRequest {
        since,
        max_lines: 1000,
        ..Default::default()
    };
    api.figures(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_what_a_scan_says() {
    let tasks = number("CORNDOGS_FIGURES_TASKS", 5000) as usize;
    // Timeouts come when they are asked for: a task that times out earlier could be claimed twice.
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let mut api = server.api().await;
    let since = common::now_ns() as i64;
    let mut ledger = Ledger::default();
    work(&mut api, &mut ledger, tasks).await;
    let due = since + 3_600_000_000_000;
    let timed_out = api.clean_up(due, "").await.unwrap();
    assert_eq!(timed_out, ledger.timeouts);
    let rows = scan(&api, &ledger).await;
    assert_eq!(rows.len(), tasks);
    println!("{tasks} tasks:");

    let figures = timed("queues and states: counts, events, lengths", async || {
        ask_figures(&mut api, since).await
    })
    .await;
    let workers = timed("workers of all queues", async || {
        all_workers(&mut api, since).await
    })
    .await;
    let one = timed("workers of a queue, last 10 minutes", async || {
        let request = GetWorkersRequest {
            queue: queue(1),
            since: common::now_ns() as i64 - 600_000_000_000,
            max_workers: 1000,
            ..Default::default()
        };
        api.workers(request).await.unwrap()
    })
    .await;
    assert!(one.workers.iter().all(|worker| worker.queue == queue(1)));
    for (step, step_length_s) in [("minute", 60), ("hour", 3600), ("day", 86_400)] {
        let history = timed(&format!("history of all queues by {step}"), async || {
            let request = GetHistoryRequest {
                since,
                step_length_s,
                ..Default::default()
            };
            api.steps(request).await.unwrap()
        })
        .await;
        let steps = history.steps.iter().map(|step| step.events.unwrap());
        let sum = steps.fold((0, 0, 0), |sum, events| {
            let EventCounts {
                submitted,
                completed,
                timed_out,
                ..
            } = events;
            (sum.0 + submitted, sum.1 + completed, sum.2 + timed_out)
        });
        let completed = rows.iter().filter(|task| task.current_state == "completed");
        let completed = completed.count() as i64;
        assert_eq!(sum, (tasks as i64, completed, ledger.timeouts), "{step}");
    }
    check_workers(&workers, &ledger);
    check_lines(&figures, &mut ledger, &rows);
}
