//! Writes histories as they would be recorded.

use std::collections::BTreeMap;

use crate::history::{
    Act, Answer, Claim, ClusterView, Deed, NodeView, Operation, Outcome, Request, Seen, Submitted,
    Totals, UNKNOWN, When,
};

pub const QUEUE: &str = "queue";
const LEASE_S: i64 = 2;
const NS_PER_S: i64 = 1_000_000_000;
/// Each beginning and end of a call comes so long after the one before: a claim after another outlasts half a lease.
const STEP_US: u64 = 400_000;

/// A history that is being written.
#[derive(Default)]
pub struct Script {
    operations: Vec<Operation>,
    place: usize,
}

impl Script {
    fn step(&mut self) -> (usize, u64) {
        self.place += 1;
        (self.place, self.place as u64 * STEP_US)
    }

    /// A call begins.
    pub fn invoke(&mut self, call: u64, request: Request) {
        let (invoked, at_us) = self.step();
        self.operations.push(Operation {
            call,
            client: "client".into(),
            node: 1,
            key: None,
            at_us,
            end_us: at_us,
            invoked,
            returned: UNKNOWN,
            request,
            outcome: Outcome::Unknown("no answer".into()),
        });
    }

    /// It ends.
    pub fn end(&mut self, call: u64, outcome: Outcome) {
        let (place, at_us) = self.step();
        let operation = self.operations.iter_mut().find(|one| one.call == call);
        if let Some(operation) = operation {
            operation.end_us = at_us;
            if outcome.is_certain() {
                operation.returned = place;
            }
            operation.outcome = outcome;
        }
    }

    /// It ends with a task.
    pub fn gives(&mut self, call: u64, task: Option<Seen>) {
        self.end(call, Outcome::Ok(answer(task, None)));
    }

    /// A call that nothing came between.
    pub fn ok(&mut self, call: u64, request: Request, answer: Answer) {
        self.invoke(call, request);
        self.end(call, Outcome::Ok(answer));
    }

    /// The same about a task.
    pub fn done(&mut self, call: u64, request: Request, task: Option<Seen>) {
        self.chained(call, request, task, None);
    }

    /// A completion that submits another task.
    pub fn chained(&mut self, call: u64, request: Request, task: Option<Seen>, next: Option<Seen>) {
        self.ok(call, request, answer(task, next));
    }

    /// A call that was refused for its attempt.
    pub fn fenced(&mut self, call: u64, request: Request) {
        self.invoke(call, request);
        self.end(call, Outcome::Fenced("another attempt".into()));
    }

    /// A call that failed.
    pub fn fails(&mut self, call: u64, request: Request) {
        self.invoke(call, request);
        self.end(call, Outcome::Fail("nothing was done".into()));
    }

    /// A call in doubt.
    pub fn unknown(&mut self, call: u64, request: Request) {
        self.invoke(call, request);
        self.end(call, Outcome::Unknown("too late".into()));
    }

    /// Gives the last call a key.
    pub fn under(&mut self, key: &str) {
        if let Some(last) = self.operations.last_mut() {
            last.key = Some(key.into());
        }
    }

    pub fn totals(&mut self, call: u64, [live, submitted, archived]: [i64; 3]) {
        let totals = Totals {
            live,
            submitted,
            archived,
        };
        let when = When::End;
        self.ok(call, Request::Totals { when }, Answer::Totals(totals));
    }

    pub fn states(&mut self, call: u64, states: &[(&str, i64)]) {
        let states: BTreeMap<String, i64> = states
            .iter()
            .map(|(state, number)| ((*state).to_owned(), *number))
            .collect();
        let count = states.values().sum();
        let queue = QUEUE.to_owned();
        self.ok(
            call,
            Request::States { queue },
            Answer::States { count, states },
        );
    }

    pub fn list(&mut self, call: u64, tasks: impl IntoIterator<Item = Option<Seen>>) {
        let tasks = tasks.into_iter().flatten().collect();
        let queue = QUEUE.to_owned();
        self.ok(call, Request::List { queue }, Answer::List { tasks });
    }

    pub fn status(&mut self, call: u64, term: u64, leader: u64, nodes: &[(u64, u64, &str)]) {
        let nodes = nodes.iter().map(|(id, applied, hash)| NodeView {
            id: *id,
            applied: *applied,
            hash: (*hash).to_owned(),
        });
        let view = ClusterView {
            leader,
            term,
            cluster_id: "cluster".into(),
            nodes: nodes.collect(),
        };
        self.ok(call, Request::Status, Answer::Status(view));
    }

    /// The history.
    pub fn operations(self) -> Vec<Operation> {
        self.operations
    }
}

fn answer(task: Option<Seen>, next: Option<Seen>) -> Answer {
    let [task, next] = [task, next].map(|task| task.map(Box::new));
    Answer::Task { task, next }
}

/// When a task was submitted; those that bugs are about come after the correct ones.
fn submit_time_ns(name: &str) -> i64 {
    let seconds = match name {
        "a" => 1,
        "b" => 3,
        "c" => 6,
        "d" => 11,
        "f" => 21,
        _ => 20,
    };
    seconds * NS_PER_S
}

/// `urgent` goes before all others.
fn priority(name: &str) -> i64 {
    i64::from(name == "urgent")
}

pub fn submitted(name: &str) -> Submitted {
    Submitted {
        queue: QUEUE.into(),
        uuid: name.into(),
        payload: format!("payload of {name}"),
        priority: priority(name),
        lease_s: LEASE_S,
    }
}

/// Without a uuid: only its key tells a second try from a second task.
pub fn nameless(name: &str) -> Request {
    Request::Submit(Submitted {
        uuid: String::new(),
        ..submitted(name)
    })
}

pub fn submit(name: &str) -> Request {
    Request::Submit(submitted(name))
}

pub fn claim() -> Request {
    Request::Claim(Claim {
        queue: QUEUE.into(),
        state: "submitted".into(),
        worker: "client".into(),
        wait_ms: 0,
    })
}

pub fn act(name: &str, attempt: i64, deed: Deed) -> Request {
    Request::Act(Act {
        queue: QUEUE.into(),
        uuid: name.into(),
        attempt,
        state: "submitted-working".into(),
        deed,
    })
}

pub fn complete(name: &str, attempt: i64, next: Option<&str>) -> Request {
    let next = next.map(submitted);
    act(name, attempt, Deed::Complete { next })
}

pub fn get(name: &str) -> Request {
    Request::Get { uuid: name.into() }
}

/// The task after so many claims, the last change at that second.
pub fn at(name: &str, attempt: i64, second: i64) -> Option<Seen> {
    let held = held(name, attempt, second);
    match attempt {
        0 => waiting(name, 0, second),
        _ => held,
    }
}

/// The task in a worker's hands.
pub fn held(name: &str, attempt: i64, second: i64) -> Option<Seen> {
    Some(Seen {
        uuid: name.into(),
        queue: QUEUE.into(),
        payload: format!("payload of {name}"),
        state: "submitted-working".into(),
        auto_target_state: "submitted".into(),
        attempt,
        priority: priority(name),
        submit_time_ns: submit_time_ns(name),
        update_time_ns: second * NS_PER_S,
        timeout_s: LEASE_S,
        is_archived: false,
    })
}

/// The task in its line, after so many claims.
pub fn waiting(name: &str, attempt: i64, second: i64) -> Option<Seen> {
    held(name, attempt, second).map(|task| Seen {
        state: "submitted".into(),
        auto_target_state: "submitted-working".into(),
        timeout_s: 0,
        ..task
    })
}

/// The task in the archive.
pub fn ended(name: &str, attempt: i64, second: i64) -> Option<Seen> {
    held(name, attempt, second).map(|task| Seen {
        payload: String::new(),
        state: "completed".into(),
        auto_target_state: "completed".into(),
        is_archived: true,
        ..task
    })
}

/// Four tasks: one by a completion, one by a key; leases that ran out, a holder that came too late, and calls without an answer.
pub fn correct() -> Script {
    let mut script = Script::default();
    script.done(1, submit("a"), at("a", 0, 1));
    script.unknown(2, submit("b"));
    script.done(3, claim(), at("a", 1, 2));
    script.done(4, claim(), at("a", 2, 5));
    script.fenced(5, complete("a", 1, Some("never")));
    script.unknown(6, claim());
    script.chained(
        7,
        complete("a", 2, Some("c")),
        ended("a", 2, 6),
        at("c", 0, 6),
    );
    script.done(8, complete("a", 2, Some("neither")), None);
    script.done(9, get("b"), at("b", 1, 6));
    script.done(10, claim(), at("c", 1, 7));
    script.unknown(11, complete("c", 1, None));
    script.done(12, claim(), at("b", 2, 9));
    script.done(13, complete("b", 2, None), ended("b", 2, 10));
    script.unknown(14, nameless("d"));
    script.under("key");
    script.done(15, nameless("d"), at("d", 0, 11));
    script.under("key");
    script.states(16, &[("submitted", 1)]);
    script.done(17, claim(), at("d", 1, 12));
    script.done(18, complete("d", 1, None), ended("d", 1, 13));
    script.under("another");
    script.totals(19, [0, 4, 4]);
    let ends = [("a", 2, 6), ("b", 2, 10), ("c", 1, 8), ("d", 1, 13)];
    let ends = ends.map(|(name, attempt, second)| ended(name, attempt, second));
    script.list(20, ends.clone());
    for (call, end) in (21..).zip(ends) {
        let name = end.as_ref().map(|end| end.uuid.clone());
        script.done(call, get(&name.unwrap_or_default()), end);
    }
    script.status(30, 2, 1, &[(1, 90, "aa"), (2, 89, "bb"), (3, 90, "aa")]);
    script
}
