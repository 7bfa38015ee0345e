//! Clients: they submit, claim, finish, let leases expire, and ask; and note what they were told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use corndogs::proto::v1alpha1::corndogs_service_client::CorndogsServiceClient;
use corndogs::proto::v1alpha1::*;
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};
use tower::service_fn;
use turmoil::net::TcpStream;

use crate::node::{NODES, PORT, name};
use crate::world::world;

type Client = CorndogsServiceClient<Channel>;

/// How long a lease is, by the replicated clock.
const LEASE_S: i64 = 1;
/// The replicated clock runs at most at twice the speed of time.
const FASTEST: u64 = 2;
const QUEUES: u64 = 2;
/// A call that takes longer has an unknown outcome.
const PATIENCE: Duration = Duration::from_secs(3);
const TRIES: u64 = 8;
/// The metadata that a task's name is in.
const NAME: &str = "name";

/// What all clients were told, by task.
#[derive(Default)]
pub struct Told {
    /// Tasks that were submitted, and whether that was acknowledged.
    pub submits: BTreeMap<String, bool>,
    /// Leases by task and attempt: who was told first of it, when asked and when told.
    leases: BTreeMap<(String, i64), Lease>,
    /// Tasks that were said to be completed, by which attempt and when.
    completed: BTreeMap<String, (i64, u64)>,
    /// Names that tasks were given whose uuid the server chose, and whether that was acknowledged.
    names: BTreeMap<String, bool>,
    /// Tasks that were acknowledged, the last one last.
    acknowledged: Vec<String>,
}

struct Lease {
    holder: String,
    asked_ms: u64,
    told_ms: u64,
    /// By the replicated clock, nanoseconds since 1970.
    from_ns: i64,
    until_ns: i64,
}

thread_local! {
    static TOLD: RefCell<Told> = RefCell::new(Told::default());
}

/// Looks at what clients were told.
pub fn told<T>(look: impl FnOnce(&mut Told) -> T) -> T {
    TOLD.with_borrow_mut(look)
}

fn now_ms() -> u64 {
    world(|world| world.now_ms)
}

fn violation(what: String) {
    world(|world| world.violation(what));
}

/// A client's connections and chance.
pub struct Caller {
    name: String,
    chance: StdRng,
    nodes: Vec<Client>,
    calls: u64,
}

impl Caller {
    /// Connects when it first calls.
    pub fn new(name: &str, seed: u64) -> Self {
        let nodes = (1..=NODES).map(|id| {
            let to = format!("http://{}:{PORT}", crate::node::name(id));
            let endpoint = Endpoint::from_shared(to).expect("a URI");
            let channel = endpoint.connect_with_connector_lazy(service_fn(|uri: Uri| async move {
                let (host, port) = (uri.host().unwrap_or(""), uri.port_u16().unwrap_or(0));
                TcpStream::connect((host, port)).await.map(TokioIo::new)
            }));
            CorndogsServiceClient::new(channel)
        });
        Self {
            name: name.to_owned(),
            chance: StdRng::seed_from_u64(seed),
            nodes: nodes.collect(),
            calls: 0,
        }
    }

    /// Calls until it is answered, at one node after the other, always by the same key. None: nobody knows.
    async fn call<Q: Clone, A>(
        &mut self,
        what: &'static str,
        request: Q,
        call: impl AsyncFn(&mut Client, Request<Q>) -> Result<A, Status>,
    ) -> Option<A> {
        self.calls += 1;
        let key = format!("{}-{}", self.name, self.calls);
        for _ in 0..TRIES {
            let node = self.chance.random_range(0..self.nodes.len());
            let mut keyed = Request::new(request.clone());
            let header = key.parse().expect("a header");
            keyed.metadata_mut().insert("idempotency-key", header);
            let answer = tokio::time::timeout(PATIENCE, call(&mut self.nodes[node], keyed)).await;
            let told = format!("{} {key} at {}: ", self.name, name(node as u64 + 1));
            match answer {
                Ok(Ok(answer)) => {
                    world(|world| world.event(what, &(told + "ok")));
                    return Some(answer);
                }
                Ok(Err(status)) if status.code() == Code::FailedPrecondition => {
                    world(|world| world.event("refused", &(told + status.message())));
                    return None;
                }
                Ok(Err(status)) => {
                    world(|world| world.event("error", &(told + status.message())));
                }
                Err(_) => world(|world| world.event("late", &told)),
            }
            self.pause(50..400).await;
        }
        world(|world| world.event("unknown", &format!("{} {what}", self.name)));
        None
    }

    async fn pause(&mut self, ms: std::ops::Range<u64>) {
        let ms = self.chance.random_range(ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    async fn submit(&mut self) {
        // Half of them are told apart by their uuid, half only by the call's key.
        let is_named = self.chance.random_bool(0.5);
        let uuid = uuid::Uuid::from_u128(self.chance.random()).to_string();
        let name = format!("{}/{}", self.name, self.calls);
        told(|told| match is_named {
            true => told.names.insert(name.clone(), false),
            false => told.submits.insert(uuid.clone(), false),
        });
        let request = SubmitTaskRequest {
            metadata: [(NAME.to_owned(), name.clone())].into(),
            queue: format!("q{}", self.chance.random_range(0..QUEUES)),
            priority: self.chance.random_range(0..3),
            uuid: if is_named { String::new() } else { uuid },
            payload: vec![b'x'; self.chance.random_range(0..300)].into(),
            claim_timeout: LEASE_S,
            ..Default::default()
        };
        let answer = self
            .call("submit", request, async |client, request| {
                client.submit_task(request).await
            })
            .await;
        if let Some(made) = answer.and_then(|answer| answer.into_inner().task) {
            told(|told| {
                told.names
                    .entry(name)
                    .and_modify(|is_known| *is_known = true);
                told.submits.insert(made.uuid.clone(), true);
                told.acknowledged.push(made.uuid);
            });
        }
    }

    async fn claim(&mut self) -> Option<Task> {
        let request = GetNextTaskRequest {
            queue: format!("q{}", self.chance.random_range(0..QUEUES)),
            worker: self.name.clone(),
            ..Default::default()
        };
        let asked_ms = now_ms();
        let answer = self
            .call("claim", request, async |client, request| {
                client.get_next_task(request).await
            })
            .await;
        let task = answer?.into_inner().task?;
        let lease = Lease {
            holder: format!("{}-{}", self.name, self.calls),
            asked_ms,
            told_ms: now_ms(),
            from_ns: task.update_time,
            until_ns: task.expires_at,
        };
        told(|told| told.lease(&task, lease));
        Some(task)
    }

    async fn complete(&mut self, task: &Task) {
        let request = CompleteTaskRequest {
            uuid: task.uuid.clone(),
            queue: task.queue.clone(),
            current_state: task.current_state.clone(),
            attempt: task.attempt,
            ..Default::default()
        };
        let asked_ms = now_ms();
        let answer = self
            .call("complete", request, async |client, request| {
                client.complete_task(request).await
            })
            .await;
        if answer.is_some_and(|answer| answer.into_inner().task.is_some()) {
            told(|told| told.complete(task, asked_ms));
        }
    }

    /// What was acknowledged to anybody is there, whoever is asked.
    async fn ask(&mut self, node: usize) {
        let known = told(|told| told.acknowledged.clone());
        if known.is_empty() {
            return;
        }
        // Mostly what has just happened: that is what a node may not know yet.
        let newest = known.len().saturating_sub(3);
        let first = if self.chance.random_bool(0.7) {
            newest
        } else {
            0
        };
        let uuid = known[self.chance.random_range(first..known.len())].clone();
        let was_completed = told(|told| told.completed.contains_key(&uuid));
        let request = GetTaskRequest { uuid: uuid.clone() };
        let answer = self.nodes[node].get_task(request);
        let at = name(node as u64 + 1);
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => {
                world(|world| world.event("read", &format!("{} at {at}", self.name)));
                if was_completed && !answer.get_ref().is_archived {
                    violation(format!("{uuid} was completed, and lives at {at}"));
                }
            }
            Ok(Err(status)) if status.code() == Code::NotFound => {
                violation(format!("{uuid} was submitted, and is not found at {at}"));
            }
            _ => {}
        }
    }

    /// Works until the world's end.
    pub async fn work(mut self) -> turmoil::Result {
        world(|world| world.working += 1);
        while !world(|world| world.is_over) {
            match self.chance.random_range(0..10) {
                0..4 => self.submit().await,
                4 => {
                    let node = self.chance.random_range(0..self.nodes.len());
                    self.ask(node).await;
                }
                _ => {
                    if let Some(task) = self.claim().await {
                        match self.chance.random_range(0..10) {
                            0..7 => self.pause(0..200).await,
                            // Its lease is mostly over then.
                            7..9 => self.pause(800..3000).await,
                            _ => continue,
                        }
                        self.complete(&task).await;
                    }
                }
            }
            self.pause(1..40).await;
        }
        world(|world| world.working -= 1);
        Ok(())
    }

    /// Asks one node until the world's end: in the moment in which it is reached again, somebody waits for its answer.
    pub async fn watch(mut self, node: u64) {
        while !world(|world| world.is_over) {
            self.ask(node as usize - 1).await;
            self.pause(20..120).await;
        }
    }

    /// Lists all tasks there are, once the world is at rest.
    pub async fn list(&mut self) -> Vec<ListedTask> {
        let (mut tasks, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = ListTasksRequest {
                page_size: 1000,
                page_token: page_token.clone(),
                with_payload: true,
                filter: Some(TaskFilter {
                    or_archived: true,
                    ..Default::default()
                }),
            };
            let node = self.chance.random_range(0..self.nodes.len());
            let answer = self.nodes[node].list_tasks(request);
            let Ok(Ok(page)) = tokio::time::timeout(PATIENCE, answer).await else {
                self.pause(100..300).await;
                continue;
            };
            let page = page.into_inner();
            tasks.extend(page.tasks);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return tasks;
            }
        }
    }
}

impl Told {
    fn lease(&mut self, task: &Task, lease: Lease) {
        let uuid = &task.uuid;
        if !self.knows(task) {
            violation(format!("{uuid} was claimed, and never submitted"));
        }
        let key = (uuid.clone(), task.attempt);
        let earlier = self.leases.range(..key.clone()).next_back();
        let later = self.leases.range((uuid.clone(), task.attempt + 1)..).next();
        if let Some(((known, attempt), earlier)) = earlier
            && known == uuid
        {
            check_lease(uuid, (*attempt, earlier), (task.attempt, &lease));
        }
        if let Some(((known, attempt), later)) = later
            && known == uuid
        {
            check_lease(uuid, (task.attempt, &lease), (*attempt, later));
        }
        // A retry is told what it was to be told first, however late.
        if let Some((attempt, told_ms)) = self.completed.get(uuid)
            && (task.attempt > *attempt || lease.asked_ms > *told_ms)
        {
            violation(format!(
                "{uuid} was completed by attempt {attempt} at {told_ms} ms, and leased as {}",
                task.attempt
            ));
        }
        let holder = lease.holder.clone();
        if let Some(other) = self.leases.insert(key, lease) {
            violation(format!(
                "attempt {} of {uuid} is held by {holder} and {}",
                task.attempt, other.holder
            ));
        }
    }

    fn complete(&mut self, task: &Task, asked_ms: u64) {
        let later = (task.uuid.clone(), task.attempt + 1)..=(task.uuid.clone(), i64::MAX);
        for ((uuid, attempt), lease) in self.leases.range(later) {
            if lease.told_ms < asked_ms {
                violation(format!(
                    "{uuid} was completed by attempt {} at {asked_ms} ms or later, and {attempt} had it at {} ms",
                    task.attempt, lease.told_ms
                ));
            }
        }
        let done = (task.attempt, now_ms());
        if let Some((other, _)) = self.completed.insert(task.uuid.clone(), done) {
            violation(format!(
                "{} was completed by attempts {other} and {}",
                task.uuid, task.attempt
            ));
        }
    }

    /// Whether somebody submitted it.
    fn knows(&self, task: &Task) -> bool {
        let name = task.metadata.get(NAME);
        self.submits.contains_key(&task.uuid)
            || name.is_some_and(|name| self.names.contains_key(name))
    }

    /// What must be there in the end.
    pub fn check(&self, tasks: &[ListedTask]) {
        let mut named: BTreeMap<&str, &str> = BTreeMap::new();
        let mut found: BTreeMap<&str, bool> = BTreeMap::new();
        for listed in tasks {
            let Some(task) = &listed.task else { continue };
            if found.insert(&task.uuid, listed.is_archived).is_some() {
                violation(format!("{} is there twice", task.uuid));
            }
            if !self.knows(task) {
                violation(format!("{} is there, and was never submitted", task.uuid));
            }
            let name = task.metadata.get(NAME).map_or("", String::as_str);
            if let Some(other) = named.insert(name, &task.uuid) {
                violation(format!(
                    "{name} was submitted once, and is there as {other} and {}",
                    task.uuid
                ));
            }
        }
        for (uuid, is_known) in &self.submits {
            match found.get(uuid.as_str()) {
                None if *is_known => violation(format!("{uuid} was submitted, and is lost")),
                Some(false) if self.completed.contains_key(uuid) => {
                    violation(format!("{uuid} was completed, and lives in the end"));
                }
                _ => {}
            }
        }
    }
}

/// A lease is not given away before its time is over: by the replicated clock, and at whatever speed that ran.
fn check_lease(uuid: &str, earlier: (i64, &Lease), later: (i64, &Lease)) {
    let shortest_ms = LEASE_S as u64 * 1000 / FASTEST;
    let (first, second) = (earlier.1.asked_ms, later.1.told_ms);
    // Time is told in whole milliseconds.
    if second + 2 < first + shortest_ms {
        violation(format!(
            "{uuid} was leased as {} at {first} ms or later, and as {} at {second} ms or earlier",
            earlier.0, later.0
        ));
    }
    let early_ns = earlier.1.until_ns.saturating_sub(later.1.from_ns);
    if early_ns > 0 {
        violation(format!(
            "{uuid} was leased as {} and, {} ms before that was over by the replicated clock, as {}",
            earlier.0,
            early_ns / 1_000_000,
            later.0
        ));
    }
}
