//! kill -9 at any moment under load: all that was acknowledged is there afterwards, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;

use crate::common::history::{Event, History, Told};
use crate::common::workload::{QUEUE, check, completion, drain, settle, submit, submits_first};
use crate::common::{Api, Random, Server, number};

const CLIENTS: usize = 16;

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

    async fn submit(&mut self, number: usize) -> bool {
        let id = format!("{}-{number}", self.name);
        let request = submit(&id, &mut self.random);
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
                let worker = self.name.clone();
                self.events.push(Event::ClaimUnknown { worker });
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_loses_and_doubles_nothing() {
    let rounds = number("CORNDOGS_KILL_ROUNDS", 5);
    let mut random = Random::seeded("kill -9 under load");
    // Snapshots, and purges of the log behind them, come in the middle of it.
    let mut server = Server::start_with(|setup| setup.arg("--snapshot-every", "200")).await;
    let mut history = History::default();
    for round in 0..rounds {
        let events = killed_under_load(&mut server, round as usize, &mut random).await;
        if random.below(3) == 0 {
            server.restart_and_kill(Duration::from_millis(random.below(150)));
        }
        server = server.restart().await;
        let mut api = server.api().await;
        let mut settled = Vec::with_capacity(events.len());
        for event in events {
            settled.push(settle(&mut api, event).await);
        }
        submits_first(&mut settled);
        settled.iter().for_each(|event| history.add(event));
        assert!(
            settled.len() > CLIENTS,
            "round {round} had no load: {} events",
            settled.len()
        );
        check(&api, server.http, &history, &settled).await;
        println!(
            "round {round}: {} events, {} completed so far",
            settled.len(),
            history.completed.len()
        );
    }
    let drained = drain(&server.api().await).await;
    history.check_drained(&drained);
    println!(
        "{rounds} kills: {} submits acknowledged, {} in doubt, {} completed, {} drained; 0 lost, 0 twice",
        history.submitted.len(),
        history.maybe_submitted.len(),
        history.completed.len(),
        drained.len()
    );
}
