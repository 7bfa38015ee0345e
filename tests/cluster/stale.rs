//! Workers that stop in the middle of their work, while the leader stops too: whoever acts with a lease that is
//! over changes nothing, is told who holds the task, and harms nobody.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;
use parking_lot::Mutex;
use tonic::Code;

use crate::common::cluster::Cluster;
use crate::common::{Api, Failure, Random, failure, number, until};

/// Unless `CORNDOGS_LEASES` says otherwise; 1,000,000 is the full run.
const LEASES: u64 = 5_000;
const WORKERS: u64 = 48;
const QUEUE: &str = "stale";
const LEASE_S: i64 = 1;
/// Tasks that a worker claims at once.
const CLAIM: i32 = 25;
/// Leases that a worker forgets about for a while.
const LATE_LEASES: usize = 200;
/// Less than the leader's stop, so that workers notice it.
const CALL_LIMIT: Duration = Duration::from_secs(2);

/// What is known of a task from answers that came.
#[derive(Default)]
struct Known {
    /// The attempts that were given, as far as anybody was answered.
    given: BTreeSet<i64>,
    /// The attempt that ended it.
    ended: Option<i64>,
    /// An attempt whose end was asked for, with no answer.
    maybe_ended: Vec<i64>,
}

impl Known {
    fn latest(&self) -> i64 {
        self.given.last().copied().unwrap_or(0)
    }
}

#[derive(Default)]
struct Shared {
    tasks: Mutex<HashMap<String, Known>>,
    leases: AtomicU64,
    /// Acts by whoever surely held the lease no longer, all of them refused.
    stale: AtomicU64,
    /// Those that named the attempt and the worker that hold it.
    named: AtomicU64,
    /// The rest of them: the task had ended.
    gone: AtomicU64,
    unknown: AtomicU64,
    /// No more tasks are submitted.
    is_enough: AtomicBool,
    is_over: AtomicBool,
}

impl Shared {
    fn given(&self, task: &Task) {
        let mut tasks = self.tasks.lock();
        let known = tasks.entry(task.uuid.clone()).or_default();
        assert!(known.given.insert(task.attempt), "{task:?} was given twice");
        // An earlier attempt's answer may come late.
        let is_after_the_end = known.ended.is_some_and(|ended| task.attempt > ended);
        assert!(!is_after_the_end, "{task:?} was given after its end");
        self.leases.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether another worker has surely been given the task since, or it has ended.
    fn is_over(&self, task: &Task) -> bool {
        let tasks = self.tasks.lock();
        let known = &tasks[&task.uuid];
        known.latest() > task.attempt || known.ended.is_some()
    }

    fn ended(&self, task: &Task) {
        let mut tasks = self.tasks.lock();
        let known = tasks.get_mut(&task.uuid).unwrap();
        let before = known.ended.replace(task.attempt);
        assert_eq!(before, None, "{task:?} ended twice");
        let is_latest = known.latest() == task.attempt;
        assert!(is_latest, "{task:?} was ended by a stale holder");
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Complete,
    Cancel,
    Extend,
    Update,
}

struct Worker {
    name: String,
    random: Random,
    shared: Arc<Shared>,
    nodes: Vec<Api>,
    node: usize,
    late: VecDeque<(Instant, Task)>,
}

impl Worker {
    fn new(number: u64, seed: u64, shared: &Arc<Shared>, addresses: &[SocketAddr]) -> Self {
        let nodes = addresses.iter();
        Self {
            name: format!("worker {number}"),
            random: Random(seed),
            shared: shared.clone(),
            nodes: nodes
                .map(|node| Api::lazy_within(*node, CALL_LIMIT))
                .collect(),
            node: number as usize,
            late: VecDeque::new(),
        }
    }

    async fn run(mut self) {
        while !self.shared.is_over.load(Ordering::SeqCst) {
            if !self.shared.is_enough.load(Ordering::SeqCst) {
                self.submit().await;
            }
            self.claim().await;
            let now = Instant::now();
            let is_full = self.late.len() > LATE_LEASES;
            while let Some((due, _)) = self.late.front()
                && (*due <= now || is_full)
                && let Some((due, task)) = self.late.pop_front()
            {
                tokio::time::sleep_until(due.into()).await;
                let act = self.some_act();
                self.act(act, &task).await;
                if is_full {
                    break;
                }
            }
        }
    }

    fn api(&mut self) -> Api {
        let nodes = self.nodes.len();
        self.nodes[self.node % nodes].clone()
    }

    /// A call that failed: the next one goes to another node.
    async fn failed(&mut self, status: &tonic::Status) {
        let kind = failure(status);
        assert!(
            matches!(kind, Failure::NothingDone | Failure::Unknown),
            "{status:?}"
        );
        self.node += 1;
        self.shared
            .unknown
            .fetch_add(u64::from(kind == Failure::Unknown), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    async fn submit(&mut self) {
        let task = SubmitTaskRequest {
            queue: QUEUE.into(),
            claim_timeout: LEASE_S,
            payload: "0".into(),
            ..Default::default()
        };
        // As many as are ended by a claim's worth of leases, or so.
        let tasks = vec![task; 15];
        if let Err(status) = self.api().submit_tasks(tasks).await {
            self.failed(&status).await;
        }
    }

    async fn claim(&mut self) {
        let claim = GetNextTaskRequest {
            queue: QUEUE.into(),
            worker: self.name.clone(),
            ..Default::default()
        };
        let tasks = match self.api().claim_tasks(claim, CLAIM).await {
            Ok(tasks) => tasks,
            Err(status) => return self.failed(&status).await,
        };
        if tasks.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tasks.iter().for_each(|task| self.shared.given(task));
        for task in tasks {
            match self.random.below(10) {
                // It stops here, for longer than its lease.
                0..=2 => {
                    let pause = Duration::from_millis(1_300 + self.random.below(2_500));
                    self.late.push_back((Instant::now() + pause, task));
                }
                3 => {
                    self.act(Act::Update, &task).await;
                    self.act(Act::Complete, &task).await;
                }
                4 => {
                    self.act(Act::Extend, &task).await;
                    self.act(Act::Complete, &task).await;
                }
                5 => self.act(Act::Cancel, &task).await,
                _ => self.act(Act::Complete, &task).await,
            }
        }
    }

    fn some_act(&mut self) -> Act {
        [Act::Complete, Act::Cancel, Act::Extend, Act::Update][self.random.below(4) as usize]
    }

    async fn act(&mut self, act: Act, task: &Task) {
        let is_stale = self.shared.is_over(task);
        let answer = ask(self.api(), act, task).await;
        match answer {
            Ok(Some(answer)) => {
                assert!(
                    !is_stale,
                    "{act:?} by a stale holder of {task:?}: {answer:?}"
                );
                assert_eq!((answer.attempt, &answer.worker), (task.attempt, &self.name));
                match act {
                    Act::Complete | Act::Cancel => self.shared.ended(task),
                    Act::Extend | Act::Update => {
                        // What a stale holder wrote would be seen here.
                        let by: i64 = std::str::from_utf8(&answer.payload)
                            .unwrap()
                            .parse()
                            .unwrap();
                        assert!(by <= task.attempt, "{answer:?}");
                    }
                }
            }
            Ok(None) if is_stale => {
                self.shared.gone.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) => {}
            Err(status) if status.code() == Code::FailedPrecondition => {
                let named = format!("task {} is at attempt ", task.uuid);
                let holder = status.message().strip_prefix(&named).unwrap_or_default();
                let attempt: i64 = holder.split(',').next().unwrap().parse().unwrap();
                assert!(attempt > task.attempt, "{status:?}");
                assert!(holder.contains("held by worker \"worker "), "{status:?}");
                self.shared.named.fetch_add(1, Ordering::Relaxed);
            }
            Err(status) => {
                if matches!(act, Act::Complete | Act::Cancel)
                    && failure(&status) == Failure::Unknown
                {
                    let mut tasks = self.shared.tasks.lock();
                    let known = tasks.get_mut(&task.uuid).unwrap();
                    known.maybe_ended.push(task.attempt);
                }
                self.failed(&status).await;
            }
        }
        self.shared
            .stale
            .fetch_add(u64::from(is_stale), Ordering::Relaxed);
    }
}

async fn ask(mut api: Api, act: Act, task: &Task) -> Result<Option<Task>, tonic::Status> {
    let (uuid, queue) = (task.uuid.clone(), task.queue.clone());
    let (current_state, attempt) = (task.current_state.clone(), task.attempt);
    match act {
        Act::Complete => {
            let request = CompleteTaskRequest {
                uuid,
                queue,
                current_state,
                attempt,
                next_task: None,
            };
            api.complete(request).await
        }
        Act::Cancel => {
            api.cancel(CancelTaskRequest {
                uuid,
                queue,
                current_state,
                attempt,
            })
            .await
        }
        Act::Extend => {
            let request = ExtendTaskRequest {
                uuid,
                queue,
                current_state,
                attempt,
                timeout: LEASE_S,
            };
            api.extend(request).await
        }
        Act::Update => {
            let request = UpdateTaskRequest {
                uuid,
                queue,
                new_state: current_state.clone(),
                current_state,
                auto_target_state: task.auto_target_state.clone(),
                timeout: LEASE_S,
                payload: attempt.to_string().into(),
                priority: 0,
                attempt,
            };
            api.update(request).await
        }
    }
}

/// Stops the leader now and then, for longer than an election and than a lease.
async fn stop_leaders(cluster: &mut Cluster, shared: &Shared, leases: u64) {
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let leader = cluster.leader().await;
        cluster.node_mut(leader).pause();
        tokio::time::sleep(Duration::from_millis(2500)).await;
        cluster.node_mut(leader).resume();
        cluster.all_ready().await;
        if shared.leases.load(Ordering::Relaxed) >= leases {
            return;
        }
    }
}

/// Every task ended by the attempt that was told so, or by one that was not answered.
async fn check_ends(api: Api, tasks: Vec<(String, Known)>) {
    for (uuid, known) in tasks {
        let task = api.clone().get(&uuid).await.unwrap().unwrap();
        let is_known =
            known.ended == Some(task.attempt) || known.maybe_ended.contains(&task.attempt);
        assert!(is_known && task.attempt >= known.latest(), "{task:?}");
        assert!(
            ["completed", "canceled"].contains(&&*task.current_state),
            "{task:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_holder_changes_nothing() {
    let leases = number("CORNDOGS_LEASES", LEASES);
    let mut random = Random::seeded("stale holders");
    let mut cluster = Cluster::start_with(3, |setup| setup.arg("--timeout-sweep", "100ms")).await;
    let shared = Arc::new(Shared::default());
    let addresses = cluster.addresses();
    let workers = (0..WORKERS).map(|worker| {
        let worker = Worker::new(worker, random.number(), &shared, &addresses);
        tokio::spawn(worker.run())
    });
    let workers: Vec<_> = workers.collect();
    stop_leaders(&mut cluster, &shared, leases).await;
    shared.is_enough.store(true, Ordering::SeqCst);
    until("the end of the work", async || {
        let failed = workers.iter().any(|worker| worker.is_finished());
        let left = cluster.api(1).state_counts(QUEUE).await.ok()?.count;
        (failed || left == 0).then_some(())
    })
    .await;
    shared.is_over.store(true, Ordering::SeqCst);
    for worker in join_all(workers).await {
        worker.unwrap();
    }
    let mut tasks: Vec<_> = std::mem::take(&mut *shared.tasks.lock())
        .into_iter()
        .collect();
    let ended = tasks.len();
    let mut checks = Vec::new();
    while !tasks.is_empty() {
        let part = tasks.split_off(tasks.len().saturating_sub(2_000));
        let node = 1 + checks.len() as u64 % 3;
        checks.push(tokio::spawn(check_ends(cluster.api(node), part)));
    }
    for check in join_all(checks).await {
        check.unwrap();
    }
    cluster.assert_same_state().await;
    let count = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    println!(
        "{} leases of {ended} tasks; {} acts by surely stale holders ({} answered with nothing), {} refused by attempt, \
         {} outcomes unknown; 0 acts by a stale holder",
        count(&shared.leases),
        count(&shared.stale),
        count(&shared.gone),
        count(&shared.named),
        count(&shared.unknown),
    );
    assert!(count(&shared.named) > 0, "no lease was taken over");
}
