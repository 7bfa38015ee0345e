//! What one command costs over the store in memory, in groups as the log holds them.
//!
//! Each round submits, claims and completes one group of tasks and forgets those
//! of the round before, so that the backlog stays as it is; only one phase of it
//! is on the clock.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corndogs::proto::durable::{
    Claim, Command, Complete, Expire, Group, Submit, Target, command::Kind,
};
use corndogs::queue::{Outcome, apply};
use corndogs::store::MemoryStore;
use corndogs::store::record::Position;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const GROUP: u64 = 64;
const BACKLOG: u64 = 100_000;

struct Machine {
    store: MemoryStore,
    /// Log index and clock.
    index: u64,
    submitted: u64,
    payload: Bytes,
}

impl Machine {
    fn new(backlog: u64) -> Self {
        let mut machine = Self {
            store: MemoryStore::new(),
            index: 0,
            submitted: 0,
            payload: Bytes::from(vec![b'x'; 100]),
        };
        for _ in 0..backlog / GROUP {
            let submits = machine.submits();
            machine.apply(submits);
        }
        machine
    }

    /// Applies a group; the time that it took, and what it came to.
    fn apply(&mut self, kinds: Vec<Kind>) -> (Duration, Vec<Outcome>) {
        self.index += 1;
        let commands = kinds.into_iter().map(|kind| Command {
            kind: Some(kind),
            key: None,
        });
        let group = Group {
            now_ns: self.index as i64,
            commands: commands.collect(),
            ..Group::default()
        };
        let position = Position {
            index: self.index,
            ..Position::default()
        };
        let start = now();
        let outcomes = apply(&mut self.store, black_box(group), position);
        (start.elapsed(), outcomes.unwrap_or_default())
    }

    fn submits(&mut self) -> Vec<Kind> {
        (0..GROUP).map(|_| self.submit()).collect()
    }

    fn submit(&mut self) -> Kind {
        self.submitted += 1;
        let uuid = (u128::from(self.submitted) << 64).to_be_bytes();
        Kind::Submit(Submit {
            uuid: Bytes::copy_from_slice(&uuid),
            queue: "default".into(),
            current_state: "submitted".into(),
            auto_target_state: "submitted-working".into(),
            timeout_s: 60,
            payload: self.payload.clone(),
            ..Submit::default()
        })
    }

    /// One round; the time of each phase.
    fn round(&mut self) -> [Duration; 3] {
        let submits = self.submits();
        let (submit, _) = self.apply(submits);
        let (claim, claimed) = self.apply((0..GROUP).map(|_| a_claim()).collect());
        let (complete, _) = self.apply(claimed.iter().filter_map(completion).collect());
        self.apply(vec![Kind::Expire(Expire {
            before_ns: self.index as i64 + 1,
            limit: 0,
            ..Expire::default()
        })]);
        [submit, claim, complete]
    }
}

fn a_claim() -> Kind {
    Kind::Claim(Claim {
        queue: "default".into(),
        current_state: "submitted".into(),
        worker: "worker-1".into(),
        ..Claim::default()
    })
}

fn completion(claimed: &Outcome) -> Option<Kind> {
    let Outcome::Task(Some(task)) = claimed else {
        return None;
    };
    let target = Target {
        uuid: Bytes::copy_from_slice(task.uuid.as_bytes()),
        queue: "default".into(),
        current_state: "submitted-working".into(),
        attempt: task.attempt,
    };
    Some(Kind::Complete(Complete {
        target: Some(target),
        next_task: None,
    }))
}

/// A benchmark is what the clock is for.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

fn bench(criterion: &mut Criterion) {
    for backlog in [0, BACKLOG] {
        let mut group = criterion.benchmark_group(format!("backlog {backlog}"));
        group.throughput(Throughput::Elements(GROUP));
        let mut machine = Machine::new(backlog);
        for (phase, name) in ["submit", "claim", "complete"].into_iter().enumerate() {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|rounds| (0..rounds).map(|_| machine.round()[phase]).sum());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
