//! Sixteen clients, spread over all nodes, that keep account of what they did and were told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;

use crate::common::cluster::Cluster;
use crate::common::history::{Event, History, Told};
use crate::common::workload::{QUEUE, check, completion, settle, submit, submits_first};
use crate::common::{Api, Failure, PATIENCE, Random, Tries, failure, until};

pub const CLIENTS: usize = 16;
/// How long a client rests between two calls, at most: the machine is small.
const REST_US: u64 = 12_000;
/// How long a client waits before it asks another node after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// What the clients of a load did and were told.
#[derive(Default)]
pub struct Record {
    pub events: Vec<Event>,
    /// When each client was acknowledged something.
    pub acks: Vec<Vec<Instant>>,
    /// Calls whose outcome the client does not know: an application would see an error.
    pub unknown: Vec<String>,
    /// Uuids of submits of which a node said that nothing was done, not tried again.
    pub refused: Vec<String>,
}

struct Shared {
    addresses: Mutex<Vec<SocketAddr>>,
    stop: AtomicBool,
    base: Instant,
    /// When the newest call that was acknowledged began, in nanoseconds after the base.
    newest_ns: AtomicU64,
    /// How long one call may take.
    limit: Duration,
    /// Whether a client leaves some calls of which nothing was done as they are.
    gives_up: bool,
}

/// Clients at work in the background.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<tokio::task::JoinHandle<Record>>,
}

impl Load {
    /// Names of tasks begin with `name`. Calls of which nothing was done are tried elsewhere until they succeed.
    pub fn start(cluster: &Cluster, name: &str, random: &mut Random, limit: Duration) -> Self {
        Self::start_with(cluster, name, random, limit, false)
    }

    /// The same, but every now and then a client gives up, so that "nothing was done" can be checked.
    pub fn start_giving_up(
        cluster: &Cluster,
        name: &str,
        random: &mut Random,
        limit: Duration,
    ) -> Self {
        Self::start_with(cluster, name, random, limit, true)
    }

    fn start_with(
        cluster: &Cluster,
        name: &str,
        random: &mut Random,
        limit: Duration,
        gives_up: bool,
    ) -> Self {
        let shared = Arc::new(Shared {
            addresses: Mutex::new(cluster.addresses()),
            stop: AtomicBool::new(false),
            base: Instant::now(),
            newest_ns: AtomicU64::new(0),
            limit,
            gives_up,
        });
        let clients = (0..CLIENTS).map(|number| Client {
            shared: shared.clone(),
            api: None,
            node: number,
            name: format!("{name}c{number}"),
            random: Random(random.number()),
            record: Record::default(),
            acks: Vec::new(),
        });
        Self {
            clients: clients.map(|client| tokio::spawn(client.run())).collect(),
            shared,
        }
    }

    /// Where the clients find the nodes from now on.
    pub fn spread_over(&self, cluster: &Cluster) {
        *self.shared.addresses.lock().unwrap() = cluster.addresses();
    }

    /// Waits until a call that begins after that moment is acknowledged.
    pub async fn progress_since(&self, moment: Instant) {
        let moment = moment.duration_since(self.shared.base).as_nanos();
        until("an acknowledged call", async || {
            // A client that failed its test ends early: don't wait for the rest of them.
            let failed = self.clients.iter().any(|client| client.is_finished());
            let newest = self.shared.newest_ns.load(Ordering::SeqCst);
            (failed || u128::from(newest) > moment).then_some(())
        })
        .await;
    }

    /// Progress from now on.
    pub async fn progress(&self) {
        self.progress_since(Instant::now()).await;
    }

    pub async fn stop(self) -> Record {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut all = Record::default();
        for record in join_all(self.clients).await {
            let record = record.unwrap();
            all.events.extend(record.events);
            all.acks.extend(record.acks);
            all.unknown.extend(record.unknown);
            all.refused.extend(record.refused);
        }
        all
    }
}

struct Client {
    shared: Arc<Shared>,
    api: Option<Api>,
    node: usize,
    name: String,
    random: Random,
    record: Record,
    acks: Vec<Instant>,
}

impl Client {
    async fn run(mut self) -> Record {
        let mut number = 0;
        while !self.stops() {
            number += 1;
            match self.random.below(100) {
                0..52 => self.submit(number).await,
                _ => self.work(number).await,
            }
            let rest = Duration::from_micros(self.random.below(REST_US));
            tokio::time::sleep(rest).await;
        }
        self.record.acks = vec![self.acks];
        self.record
    }

    fn stops(&self) -> bool {
        self.shared.stop.load(Ordering::SeqCst)
    }

    fn api(&mut self) -> Api {
        let addresses = &self.shared.addresses;
        let (node, limit) = (self.node, self.shared.limit);
        let connect = || {
            let addresses = addresses.lock().unwrap();
            Api::lazy_within(addresses[node % addresses.len()], limit)
        };
        self.api.get_or_insert_with(connect).clone()
    }

    /// Asks node after node until one does it, or may have done it.
    async fn call<T, F>(&mut self, ask: impl Fn(Api) -> F) -> Result<T, Told>
    where
        F: Future<Output = Tries<T>>,
    {
        let patience = Instant::now() + PATIENCE;
        loop {
            let began = Instant::now();
            let status = match ask(self.api()).await {
                Ok(answer) => {
                    self.acknowledged(began);
                    return Ok(answer);
                }
                Err(status) => status,
            };
            self.node += 1;
            self.api = None;
            match failure(&status) {
                Failure::NothingDone => {}
                Failure::Unknown => {
                    self.record.unknown.push(format!("{status:?}"));
                    return Err(Told::Unknown);
                }
                Failure::Refused | Failure::Unclear => panic!("{}: {status:?}", self.name),
            }
            let gives_up = self.shared.gives_up && self.random.below(8) == 0;
            if gives_up || self.stops() {
                return Err(Told::Refused);
            }
            assert!(Instant::now() < patience, "{}: still {status}", self.name);
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    fn acknowledged(&mut self, began: Instant) {
        self.acks.push(Instant::now());
        let began = began.duration_since(self.shared.base).as_nanos();
        let began = u64::try_from(began).unwrap();
        self.shared.newest_ns.fetch_max(began, Ordering::SeqCst);
    }

    async fn submit(&mut self, number: usize) {
        let id = format!("{}-{number}", self.name);
        let request = submit(&id, &mut self.random);
        let client_uuid = !request.uuid.is_empty();
        let given = client_uuid.then(|| request.uuid.clone());
        let ask = |mut api: Api| {
            let request = request.clone();
            async move { api.submit(request).await }
        };
        let (uuid, told) = match self.call(ask).await {
            Ok(task) => (Some(task.uuid), Told::Done),
            Err(told) => (given, told),
        };
        if told == Told::Refused {
            self.record.refused.extend(uuid.clone());
        }
        self.record.events.push(Event::Submit {
            id,
            uuid,
            told,
            client_uuid,
        });
    }

    async fn work(&mut self, number: usize) {
        let claim = GetNextTaskRequest {
            queue: QUEUE.into(),
            worker: self.name.clone(),
            ..Default::default()
        };
        let ask = |mut api: Api| {
            let request = claim.clone();
            async move { api.claim(request).await }
        };
        let task = match self.call(ask).await {
            Ok(Some(task)) => task,
            Ok(None) | Err(Told::Refused) => return,
            Err(_) => {
                let worker = self.name.clone();
                self.record.events.push(Event::ClaimUnknown { worker });
                return;
            }
        };
        assert_eq!(task.worker, self.name, "another's lease");
        self.record.events.push(Event::Claim { task: task.clone() });
        if self.random.below(10) == 0 {
            // This worker dies with its lease.
            return;
        }
        let next = (self.random.below(4) == 0).then(|| format!("{}-{number}-next", self.name));
        let request = completion(&task, next.as_ref());
        let ask = |mut api: Api| {
            let request = request.clone();
            async move { api.complete(request).await }
        };
        let told = match self.call(ask).await {
            Ok(Some(_)) => Told::Done,
            Ok(None) => Told::Nothing,
            Err(told) => told,
        };
        self.record
            .events
            .push(Event::Complete { task, next, told });
    }
}

/// Settles what is in doubt, adds the record to the history, and checks all of it on every serving node.
pub async fn check_everywhere(cluster: &Cluster, history: &mut History, record: &Record) {
    // A node that came back a moment ago may not know yet that it has lost its leader.
    cluster.assert_same_state().await;
    let apis: Vec<_> = cluster.serving().map(|node| cluster.api(node.id)).collect();
    let mut settled = Vec::with_capacity(record.events.len());
    for event in &record.events {
        settled.push(settle(&mut apis[0].clone(), event.clone()).await);
    }
    submits_first(&mut settled);
    settled.iter().for_each(|event| history.add(event));
    for (api, node) in apis.iter().zip(cluster.serving()) {
        check(api, node.http, history, &settled).await;
        for uuid in &record.refused {
            let found = api.clone().get(uuid).await.unwrap();
            assert_eq!(found, None, "\"nothing was done\", and it is there");
        }
    }
    cluster.assert_same_state().await;
}
