//! kill -9 at any moment under load: all that was acknowledged is there afterwards, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;

use crate::common::{Api, Random, Server, metric};
use crate::history::{Event, History, Told, id_of};

const CLIENTS: usize = 16;
const QUEUE: &str = "load";

/// One client of one round.
struct Client {
    api: Api,
    name: String,
    random: Random,
    /// Set just before the server is killed: no call may fail earlier.
    killed: Arc<AtomicBool>,
    events: Vec<Event>,
}

impl Client {
    async fn run(mut self) -> Vec<Event> {
        let mut number = 0;
        while !self.killed.load(Ordering::SeqCst) {
            number += 1;
            let alive = match self.random.below(100) {
                0..52 => self.submit(number).await,
                _ => self.work(number).await,
            };
            if !alive {
                break;
            }
        }
        self.events
    }

    /// What to make of an error: only a killed server may answer with one.
    fn unknown(&self, status: &tonic::Status) -> Told {
        assert!(
            self.killed.load(Ordering::SeqCst),
            "{} failed before the kill: {status}",
            self.name
        );
        Told::Unknown
    }

    fn request(&mut self, number: usize) -> SubmitTaskRequest {
        let id = format!("{}-{number}", self.name);
        let uuid = if self.random.below(2) == 0 {
            self.random.uuid()
        } else {
            String::new()
        };
        let priority = self.random.below(3) as i64;
        SubmitTaskRequest {
            queue: QUEUE.into(),
            payload: id.into(),
            priority,
            uuid,
            ..Default::default()
        }
    }

    async fn submit(&mut self, number: usize) -> bool {
        let request = self.request(number);
        let id = String::from_utf8(request.payload.to_vec()).unwrap();
        let client_uuid = !request.uuid.is_empty();
        let given = client_uuid.then(|| request.uuid.clone());
        let (uuid, told) = match self.api.submit(request).await {
            Ok(task) => (Some(task.uuid), Told::Done),
            Err(status) => (given, self.unknown(&status)),
        };
        self.events.push(Event::Submit {
            id,
            uuid,
            told,
            client_uuid,
        });
        told == Told::Done
    }

    async fn work(&mut self, number: usize) -> bool {
        let claim = GetNextTaskRequest {
            queue: QUEUE.into(),
            worker: self.name.clone(),
            ..Default::default()
        };
        let task = match self.api.claim(claim).await {
            Ok(Some(task)) => task,
            Ok(None) => return true,
            Err(status) => {
                self.unknown(&status);
                self.events.push(Event::ClaimUnknown);
                return false;
            }
        };
        self.events.push(Event::Claim { task: task.clone() });
        if self.random.below(10) == 0 {
            // This worker dies with its lease.
            return true;
        }
        let next = (self.random.below(4) == 0).then(|| format!("{}-{number}-next", self.name));
        let told = match self.api.complete(completion(&task, next.as_ref())).await {
            Ok(Some(_)) => Told::Done,
            Ok(None) => Told::Nothing,
            Err(status) => self.unknown(&status),
        };
        self.events.push(Event::Complete { task, next, told });
        told == Told::Done
    }
}

fn completion(task: &Task, next: Option<&String>) -> CompleteTaskRequest {
    let next_task = next.map(|id| SubmitTaskRequest {
        queue: QUEUE.into(),
        payload: id.clone().into(),
        ..Default::default()
    });
    CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: QUEUE.into(),
        current_state: task.current_state.clone(),
        attempt: task.attempt,
        next_task,
    }
}

/// Load on the server until it is killed at a random moment.
async fn killed_under_load(server: &mut Server, round: usize, random: &mut Random) -> Vec<Event> {
    let killed = Arc::new(AtomicBool::new(false));
    let clients = (0..CLIENTS).map(|number| Client {
        api: Api::lazy(server.grpc),
        name: format!("r{round}c{number}"),
        random: Random(random.number()),
        killed: killed.clone(),
        events: Vec::new(),
    });
    let clients: Vec<_> = clients.map(|client| tokio::spawn(client.run())).collect();
    tokio::time::sleep(Duration::from_millis(50 + random.below(750))).await;
    killed.store(true, Ordering::SeqCst);
    server.kill();
    let events = join_all(clients).await;
    events
        .into_iter()
        .flat_map(|events| events.unwrap())
        .collect()
}

/// Repeats what is in doubt: the same uuid, or the same attempt, so that it is done once.
async fn settle(api: &mut Api, event: Event) -> Event {
    match event {
        Event::Submit {
            id,
            uuid: Some(uuid),
            told: Told::Unknown,
            client_uuid: true,
        } => {
            let found = api.get(&uuid).await.unwrap();
            if let Some(task) = &found {
                // The archive keeps no payload.
                assert!(
                    id_of(task) == id || task.current_state == "completed",
                    "{id} became {task:?}"
                );
            }
            let told = if found.is_some() {
                Told::Done
            } else {
                Told::Unknown
            };
            Event::Submit {
                id,
                uuid: Some(uuid),
                told,
                client_uuid: true,
            }
        }
        Event::Complete {
            task,
            next,
            told: Told::Unknown,
        } => {
            // Answers without a task where the first try did it: then its next task is there too.
            let _ = api
                .complete(completion(&task, next.as_ref()))
                .await
                .unwrap();
            let now = api.get(&task.uuid).await.unwrap().unwrap();
            assert_eq!(
                now.current_state, "completed",
                "a holder can't complete {task:?}"
            );
            Event::Complete {
                task,
                next,
                told: Told::Done,
            }
        }
        settled => settled,
    }
}

/// Every task that the round's clients know, and the totals.
async fn check(server: &Server, history: &History, events: &[Event]) {
    let api = server.api().await;
    let uuids = events.iter().filter_map(|event| match event {
        Event::Submit {
            uuid: Some(uuid),
            told: Told::Done,
            ..
        } => Some(uuid),
        Event::Claim { task } | Event::Complete { task, .. } => Some(&task.uuid),
        _ => None,
    });
    let looks = uuids.map(|uuid| {
        let mut api = api.clone();
        async move { history.check(uuid, api.get(uuid).await.unwrap().as_ref()) }
    });
    join_all(looks).await;
    let mut api = api;
    let live = api.queues().await.unwrap().1;
    let submitted = metric(server.http, "corndogs_tasks_total").await as i64;
    let completed = metric(server.http, "corndogs_completed_tasks_total").await as i64;
    assert_eq!(submitted, live + completed, "submitted = live + completed");
    assert_eq!(completed, history.completed.len() as i64);
    let most = history.submitted.len() + history.maybe_submitted.len();
    assert!((history.submitted.len()..=most).contains(&(submitted as usize)));
    let states = api.state_counts(QUEUE).await.unwrap();
    assert_eq!(states.state_counts.values().sum::<i64>(), live);
}

/// Takes all that is live out of the queue, whoever holds it.
async fn drain(api: &mut Api) -> Vec<Task> {
    let mut drained = Vec::new();
    for state in ["submitted", "submitted-working"] {
        let claim = GetNextTaskRequest {
            queue: QUEUE.into(),
            current_state: state.into(),
            override_current_state: "draining".into(),
            ..Default::default()
        };
        while let Some(task) = api.claim(claim.clone()).await.unwrap() {
            assert!(
                api.complete(completion(&task, None))
                    .await
                    .unwrap()
                    .is_some()
            );
            drained.push(task);
        }
    }
    assert_eq!(api.queues().await.unwrap(), (vec![], 0));
    drained
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_loses_and_doubles_nothing() {
    let rounds = std::env::var("CORNDOGS_KILL_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let mut random = Random::seeded("kill -9 under load");
    // Snapshots, and purges of the log behind them, come in the middle of it.
    let mut server = Server::start_with(|setup| setup.arg("--snapshot-every", "200")).await;
    let mut history = History::default();
    for round in 0..rounds {
        let events = killed_under_load(&mut server, round, &mut random).await;
        if random.below(3) == 0 {
            server.restart_and_kill(Duration::from_millis(random.below(150)));
        }
        server = server.restart().await;
        let mut api = server.api().await;
        let mut settled = Vec::with_capacity(events.len());
        for event in events {
            settled.push(settle(&mut api, event).await);
        }
        // A claim can come to another client's knowledge before the submit: submits go first.
        let order = |event: &Event| match event {
            Event::Complete { next: Some(_), .. } | Event::Submit { .. } => 0,
            _ => 1,
        };
        settled.sort_by_key(order);
        settled.iter().for_each(|event| history.add(event));
        assert!(
            settled.len() > CLIENTS,
            "round {round} had no load: {} events",
            settled.len()
        );
        check(&server, &history, &settled).await;
        println!(
            "round {round}: {} events, {} completed so far",
            settled.len(),
            history.completed.len()
        );
    }
    let drained = drain(&mut server.api().await).await;
    history.check_drained(&drained);
    println!(
        "{rounds} kills: {} submits acknowledged, {} in doubt, {} completed, {} drained; 0 lost, 0 twice",
        history.submitted.len(),
        history.maybe_submitted.len(),
        history.completed.len(),
        drained.len()
    );
}
