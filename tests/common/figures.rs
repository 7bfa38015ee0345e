//! Work whose figures are known, and the answers to all questions about it.

use std::collections::BTreeMap;

use corndogs::proto::v1alpha1::*;

use super::Api;

pub const QUEUES: [&str; 3] = ["mail", "print", "scan"];
const WORKERS: [&str; 4] = ["ada", "bob", "cleo", "dan"];

/// What was done, counted as the answers came.
#[derive(Debug, Clone, Default)]
pub struct Shift {
    done: usize,
    pub lines: BTreeMap<(String, String), Did>,
    pub workers: BTreeMap<(String, String), (i64, i64)>,
}

/// What is known of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Did {
    pub events: EventCounts,
    pub live: i64,
    pub in_flight: i64,
    /// By uuid: when those were submitted that are live.
    pub submitted: BTreeMap<String, i64>,
}

/// The answers to all questions.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    pub lines: Vec<LineFigures>,
    pub workers: Vec<WorkerFigures>,
    pub history: BTreeMap<&'static str, EventCounts>,
}

impl Shift {
    /// Submits, claims, completes and cancels, over queues, priorities and workers.
    pub async fn work(&mut self, api: &mut Api, tasks: usize) {
        for _ in 0..tasks {
            let number = self.done;
            self.done += 1;
            let queue = QUEUES[number % 3];
            let submit = SubmitTaskRequest {
                queue: queue.into(),
                priority: number as i64 % 5,
                ..Default::default()
            };
            let task = api.submit(submit).await.unwrap();
            let line = self.line(&task.queue, "submitted");
            line.events.submitted += 1;
            line.live += 1;
            line.submitted.insert(task.uuid, task.submit_time);
            if number.is_multiple_of(4) {
                continue;
            }
            let worker = WORKERS[number / 3 % 4];
            let claim = GetNextTaskRequest {
                queue: queue.into(),
                worker: worker.into(),
                ..Default::default()
            };
            let task = api.claim(claim).await.unwrap().unwrap();
            self.claimed(&task, worker);
            match number % 4 {
                1 => {}
                2 => self.complete(api, &task, worker).await,
                _ => self.cancel(api, &task).await,
            }
        }
    }

    fn line(&mut self, queue: &str, state: &str) -> &mut Did {
        self.lines.entry((queue.into(), state.into())).or_default()
    }

    fn claimed(&mut self, task: &Task, worker: &str) {
        let line = self.line(&task.queue, "submitted");
        line.events.claimed += 1;
        line.live -= 1;
        line.submitted.remove(&task.uuid);
        let line = self.line(&task.queue, "submitted-working");
        line.live += 1;
        line.in_flight += 1;
        line.submitted.insert(task.uuid.clone(), task.submit_time);
        let key = (task.queue.clone(), worker.to_owned());
        self.workers.entry(key).or_default().0 += 1;
    }

    async fn complete(&mut self, api: &mut Api, task: &Task, worker: &str) {
        let request = CompleteTaskRequest {
            uuid: task.uuid.clone(),
            queue: task.queue.clone(),
            current_state: task.current_state.clone(),
            ..Default::default()
        };
        api.complete(request).await.unwrap().unwrap();
        let line = self.line(&task.queue, "submitted-working");
        line.events.completed += 1;
        line.live -= 1;
        line.in_flight -= 1;
        line.submitted.remove(&task.uuid);
        let key = (task.queue.clone(), worker.to_owned());
        self.workers.entry(key).or_default().1 += 1;
    }

    async fn cancel(&mut self, api: &mut Api, task: &Task) {
        let request = CancelTaskRequest {
            uuid: task.uuid.clone(),
            queue: task.queue.clone(),
            current_state: task.current_state.clone(),
            ..Default::default()
        };
        api.cancel(request).await.unwrap().unwrap();
        let line = self.line(&task.queue, "submitted-working");
        line.events.canceled += 1;
        line.live -= 1;
        line.in_flight -= 1;
        line.submitted.remove(&task.uuid);
    }

    /// The answers are what was done.
    pub fn check(&self, answers: &Answers) {
        assert_eq!(answers.lines.len(), self.lines.len());
        let mut all = EventCounts::default();
        for line in &answers.lines {
            let did = &self.lines[&(line.queue.clone(), line.state.clone())];
            let events = line.events.unwrap();
            assert_eq!(events, did.events, "{line:?}");
            assert_eq!((line.live, line.in_flight), (did.live, did.in_flight));
            assert_eq!(line.waiting, did.live - did.in_flight);
            let oldest = did.submitted.values().min().copied().unwrap_or(0);
            assert_eq!(line.oldest_submit_time, oldest, "{line:?}");
            let (waited, worked) = (line.waited.unwrap(), line.worked.unwrap());
            assert_eq!(waited.count, events.claimed);
            assert_eq!(worked.count, events.completed + events.canceled);
            for lengths in [waited, worked] {
                let order = [
                    lengths.p50_us,
                    lengths.p90_us,
                    lengths.p99_us,
                    lengths.max_us,
                ];
                assert!(order.is_sorted(), "{line:?}");
            }
            all.submitted += events.submitted;
            all.claimed += events.claimed;
            all.completed += events.completed;
            all.canceled += events.canceled;
        }
        for (step, found) in &answers.history {
            assert_eq!(*found, all, "by {step}");
        }
        let workers = answers.workers.iter().map(|worker| {
            assert!(worker.last_seen > 0);
            assert_eq!(worker.state, "submitted-working");
            let key = (worker.queue.clone(), worker.worker.clone());
            (key, (worker.claimed, worker.completed))
        });
        assert_eq!(workers.collect::<BTreeMap<_, _>>(), self.workers);
    }
}

/// Asks all questions.
pub async fn ask_all(api: &mut Api) -> Answers {
    let figures = api
        .figures(GetQueueFiguresRequest::default())
        .await
        .unwrap();
    assert!(figures.is_complete && !figures.has_more);
    let workers = api.workers(GetWorkersRequest::default()).await.unwrap();
    assert!(workers.is_complete && !workers.has_more);
    let mut history = BTreeMap::new();
    for (step, step_length_s) in [("minute", 60), ("hour", 3600), ("day", 86_400)] {
        let request = GetHistoryRequest {
            step_length_s,
            ..Default::default()
        };
        let answer = api.steps(request).await.unwrap();
        assert!(answer.is_complete);
        let mut sum = EventCounts::default();
        for step in answer.steps {
            let events = step.events.unwrap();
            sum.submitted += events.submitted;
            sum.claimed += events.claimed;
            sum.completed += events.completed;
            sum.canceled += events.canceled;
            sum.timed_out += events.timed_out;
            sum.dead += events.dead;
        }
        history.insert(step, sum);
    }
    Answers {
        // How long ago the oldest was submitted depends on when it is asked.
        lines: figures
            .lines
            .into_iter()
            .map(|line| LineFigures {
                oldest_age_ms: 0,
                ..line
            })
            .collect(),
        workers: workers.workers,
        history,
    }
}
