//! Clients of a server in memory: histories as large as one likes, of a server that is correct, or broken in a chosen way.
//!
//! They prove the checkers: what a correct server answers, in whatever order and with whatever answers lost, must pass; what a broken
//! one answers must not.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::{Act, Claim, Deed, Operation, Outcome, Request, Seen, Submitted, UNKNOWN};
use crate::random::Random;

mod server;
#[cfg(test)]
mod tests;

pub use server::Bug;
use server::Server;

/// The one queue.
const QUEUE: &str = "simulated";
const LEASE_S: i64 = 1;
/// So much time goes by with each step, microseconds at most.
const STEP_US: u64 = 20_000;

/// What is to be simulated.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Repeats everything.
    pub seed: u64,
    /// How many calls are made.
    pub calls: usize,
    /// How many clients there are.
    pub clients: usize,
    /// How many calls in a hundred are given up, and how many answers are lost.
    pub lost_percent: u64,
    /// What the server does wrong.
    pub bug: Option<Bug>,
}

/// A call that is under way.
struct Call {
    at: usize,
    /// What the server answered, once it has got it.
    outcome: Option<Outcome>,
}

struct Client {
    name: Arc<str>,
    call: Option<Call>,
    /// The last task that it claimed.
    held: Option<Seen>,
    /// The last keyed call, which may be tried again.
    last: Option<(Request, String)>,
}

struct World {
    random: Random,
    lost_percent: u64,
    server: Server,
    now_us: u64,
    places: usize,
    operations: Vec<Operation>,
    /// Calls whose clients have given up, and that may be done all the same.
    stray: Vec<usize>,
    known: Vec<String>,
}

/// The history of such a run.
pub fn history(plan: &Plan) -> Vec<Operation> {
    let mut world = World {
        random: Random::new(plan.seed, 0),
        lost_percent: plan.lost_percent,
        server: Server::new(plan.bug),
        now_us: 0,
        places: 0,
        operations: Vec::with_capacity(plan.calls),
        stray: Vec::new(),
        known: Vec::new(),
    };
    let mut clients: Vec<Client> = (0..plan.clients.max(1))
        .map(|number| Client {
            name: format!("client-{number}").into(),
            call: None,
            held: None,
            last: None,
        })
        .collect();
    while world.operations.len() < plan.calls || clients.iter().any(|one| one.call.is_some()) {
        world.step(&mut clients, plan.calls);
    }
    world.operations
}

impl World {
    fn step(&mut self, clients: &mut [Client], most: usize) {
        self.now_us += self.random.below(STEP_US);
        self.server.tick(self.now_us);
        if self.random.below(50) == 0
            && let Some(at) = self.stray.pop()
        {
            self.serve(at);
        }
        let which = self.random.below(clients.len() as u64);
        let Some(client) = usize::try_from(which)
            .ok()
            .and_then(|at| clients.get_mut(at))
        else {
            return;
        };
        match client.call.take() {
            None if self.operations.len() < most => client.call = Some(self.begin(client)),
            None => {}
            Some(Call { at, outcome: None }) => match self.is_lost() {
                true => self.give_up(client, at),
                false => {
                    let outcome = Some(self.serve(at));
                    client.call = Some(Call { at, outcome });
                }
            },
            Some(Call {
                at,
                outcome: Some(outcome),
            }) => match self.is_lost() {
                true => self.end(client, at, Outcome::Unknown("lost".into())),
                false => self.end(client, at, outcome),
            },
        }
    }

    fn is_lost(&mut self) -> bool {
        self.random.below(100) < self.lost_percent
    }

    fn give_up(&mut self, client: &mut Client, at: usize) {
        self.stray.push(at);
        self.end(client, at, Outcome::Unknown("too late".into()));
    }

    fn begin(&mut self, client: &mut Client) -> Call {
        self.places += 1;
        let (request, key) = self.choose(client);
        self.operations.push(Operation {
            call: self.operations.len() as u64 + 1,
            client: client.name.clone(),
            node: 1,
            key,
            at_us: self.now_us,
            end_us: self.now_us,
            invoked: self.places,
            returned: UNKNOWN,
            request,
            outcome: Outcome::Unknown("no answer".into()),
        });
        Call {
            at: self.operations.len() - 1,
            outcome: None,
        }
    }

    fn serve(&mut self, at: usize) -> Outcome {
        let Some(operation) = self.operations.get(at) else {
            return Outcome::Fail("no such call".into());
        };
        self.server
            .serve(&operation.request, operation.key.as_deref())
    }

    fn end(&mut self, client: &mut Client, at: usize, outcome: Outcome) {
        self.places += 1;
        let Some(operation) = self.operations.get_mut(at) else {
            return;
        };
        operation.end_us = self.now_us;
        if outcome.is_certain() {
            operation.returned = self.places;
        }
        if let Some(task) = outcome.task() {
            match operation.request {
                Request::Claim(_) => client.held = Some(task.clone()),
                Request::Submit(_) => self.known.push(task.uuid.clone()),
                _ => {}
            }
        }
        operation.outcome = outcome;
    }

    fn choose(&mut self, client: &mut Client) -> (Request, Option<String>) {
        if self.random.below(100) < 10
            && let Some((request, key)) = client.last.clone()
        {
            return (request, Some(key));
        }
        let number = self.operations.len();
        let request = match self.random.below(100) {
            0..25 => Request::Submit(self.task(number)),
            25..50 => Request::Claim(Claim {
                queue: QUEUE.into(),
                state: "submitted".into(),
                worker: client.name.to_string(),
                wait_ms: 0,
            }),
            50..80 => match client.held.clone() {
                Some(held) => self.act(&held, number),
                None => self.look(),
            },
            80..98 => self.look(),
            98 => Request::States {
                queue: QUEUE.into(),
            },
            // A list shows everything: it must be rare.
            _ if number.is_multiple_of(64) && number < 100_000 => Request::List {
                queue: QUEUE.into(),
            },
            _ => self.look(),
        };
        let is_change = matches!(
            request,
            Request::Submit(_) | Request::Claim(_) | Request::Act(_)
        );
        if !is_change || self.random.below(2) == 0 {
            return (request, None);
        }
        let key = format!("key-{number}");
        client.last = Some((request.clone(), key.clone()));
        (request, Some(key))
    }

    fn task(&mut self, number: usize) -> Submitted {
        Submitted {
            queue: QUEUE.into(),
            uuid: self.random.uuid().to_string(),
            payload: format!("payload-{number}"),
            priority: i64::from(self.random.below(10) == 0),
            lease_s: LEASE_S,
        }
    }

    fn act(&mut self, held: &Seen, number: usize) -> Request {
        let deed = match self.random.below(8) {
            0 => Deed::Update {
                new_state: "second".into(),
                priority: held.priority,
            },
            1 => Deed::Fail,
            2 => Deed::Extend,
            3 => Deed::Cancel,
            4 => Deed::Complete {
                next: Some(self.task(number)),
            },
            _ => Deed::Complete { next: None },
        };
        Request::Act(Act {
            queue: QUEUE.into(),
            uuid: held.uuid.clone(),
            attempt: held.attempt,
            state: held.state.clone(),
            deed,
        })
    }

    /// At one of the last tasks.
    fn look(&mut self) -> Request {
        let last = self.known.len().saturating_sub(50);
        let last = self.known.get(last..).unwrap_or_default();
        let uuid = self.random.one_of(last).cloned();
        match uuid {
            Some(uuid) => Request::Get { uuid },
            None => Request::States {
                queue: QUEUE.into(),
            },
        }
    }
}

/// The last answers by key.
type Answers = BTreeMap<String, Outcome>;
