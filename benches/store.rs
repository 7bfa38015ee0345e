//! What the store costs: a task's life, a claim out of a backlog, a checkpoint.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corndogs::clock::monotonic;
use corndogs::store::record::{Position, Task};
use corndogs::store::{Change, Changes, Options, Store, View};
use criterion::{Criterion, Throughput};
use futures::executor::block_on;
use tempfile::TempDir;
use uuid::Uuid;

/// A store and the log index it stands at. One entry holds 32 changes.
struct Bench {
    _dir: TempDir,
    store: Store,
    index: u64,
}

const BATCH: u64 = 32;

impl Bench {
    fn new() -> Self {
        let dir =
            tempfile::tempdir_in(std::env::var("BENCH_DIR").unwrap_or("/tmp".into())).unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        Self {
            _dir: dir,
            store,
            index: 0,
        }
    }

    fn entry(&mut self, mut changes: impl FnMut(&mut corndogs::store::State)) {
        self.index += 1;
        {
            let mut state = self.store.lock();
            state.begin_entry(self.index as i64);
            changes(&mut state);
            let index = self.index;
            state
                .end_entry(Position {
                    index,
                    ..Position::default()
                })
                .unwrap();
        }
        self.store.freeze_if_due();
        if !self.store.room() {
            block_on(self.store.wait_for_room());
        }
    }

    fn submit(&mut self) {
        self.entry(|state| (0..BATCH).for_each(|_| submit(state)));
    }

    fn claim(&mut self) {
        self.entry(|state| (0..BATCH).for_each(|_| drop(claim(state))));
    }

    fn lifecycle(&mut self) {
        self.submit();
        let mut claimed = Vec::new();
        self.entry(|state| claimed.extend((0..BATCH).map(|_| claim(state))));
        self.entry(|state| claimed.drain(..).for_each(|task| complete(state, task)));
    }

    fn backlog(&mut self, tasks: u64) {
        (0..tasks / BATCH).for_each(|_| self.submit());
        block_on(self.store.checkpoint_now()).unwrap();
    }
}

fn uuid(seq: u64) -> Uuid {
    Uuid::from_u128(u128::from(seq) << 64 | 0x8000_0000_0000_0000)
}

fn submit(state: &mut corndogs::store::State) {
    let seq = state.header().next_seq;
    let task = Task {
        uuid: uuid(seq),
        seq,
        queue: "queue".into(),
        current_state: "submitted".into(),
        auto_target_state: "submitted-working".into(),
        submit_time_ns: seq as i64,
        update_time_ns: seq as i64,
        timeout_s: 60,
        priority: 0,
        payload: Bytes::from(vec![7; 128]),
        attempt: 0,
        worker: "".into(),
        claim_timeout_s: 0,
        request_digest: 0,
        not_before_ns: 0,
        max_attempts: 0,
        is_delayed: false,
        claimed_ns: 0,
        history: Default::default(),
        extras: None,
    };
    state.record(Change::Submit(Arc::new(task))).unwrap();
}

fn claim(state: &mut corndogs::store::State) -> Arc<Task> {
    let before = state.first_ready("queue", "submitted").unwrap().unwrap();
    let mut after = Task::clone(&before);
    std::mem::swap(&mut after.current_state, &mut after.auto_target_state);
    after.attempt += 1;
    let after = Arc::new(after);
    state
        .record(Change::Replace {
            before,
            after: after.clone(),
        })
        .unwrap();
    after
}

fn complete(state: &mut corndogs::store::State, task: Arc<Task>) {
    let before = state.live(task.uuid).unwrap().unwrap();
    let mut after = Task::clone(&before);
    after.payload = Bytes::new();
    let after = Arc::new(after);
    state.record(Change::Complete { before, after }).unwrap();
}

/// Claims from a backlog that is made anew, untimed, when it has run out.
struct Claims {
    bench: Bench,
    left: u64,
}

impl Claims {
    const BACKLOG: u64 = 100_000;

    fn time(&mut self, batches: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..batches {
            if self.left < BATCH {
                self.bench = Bench::new();
                self.bench.backlog(Self::BACKLOG);
                self.left = Self::BACKLOG / BATCH * BATCH;
            }
            let started = monotonic();
            self.bench.claim();
            spent += monotonic() - started;
            self.left -= BATCH;
        }
        spent
    }
}

fn checkpoints(rounds: u64) -> Duration {
    let mut bench = Bench::new();
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        block_on(bench.store.checkpoint_now()).unwrap();
        (0..10_000 / BATCH).for_each(|_| bench.submit());
        let started = monotonic();
        block_on(bench.store.checkpoint_now()).unwrap();
        spent += monotonic() - started;
    }
    spent
}

/// Checkpoints of 10k tasks that end, out of 200k: every `stride`th one, so that each round
/// changes the more chunks of the indexes the larger the stride is.
fn ends(rounds: u64, stride: u64) -> Duration {
    const BACKLOG: u64 = 200_000;
    const ENDS: u64 = 10_000;
    let mut bench = Bench::new();
    let mut left = 0;
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        if left == 0 {
            bench = Bench::new();
            bench.backlog(BACKLOG);
            left = BACKLOG / ENDS;
        }
        left -= 1;
        let first = match stride {
            1 => left * ENDS,
            _ => left,
        };
        let seqs: Vec<u64> = (0..ENDS).map(|at| first + at * stride).collect();
        for seqs in seqs.chunks(BATCH as usize) {
            bench.entry(|state| {
                for seq in seqs {
                    let task = state.live(uuid(*seq)).unwrap().unwrap();
                    complete(state, task);
                }
            });
        }
        let started = monotonic();
        block_on(bench.store.checkpoint_now()).unwrap();
        spent += monotonic() - started;
    }
    spent
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(BATCH));
    let mut bench = Bench::new();
    group.bench_function("lifecycle", |b| b.iter(|| bench.lifecycle()));
    let mut bench = Bench::new();
    bench.backlog(100_000);
    group.bench_function("lifecycle behind a backlog of 100k", |b| {
        b.iter(|| bench.lifecycle())
    });
    let (bench, left) = (Bench::new(), 0);
    let mut claims = Claims { bench, left };
    group.bench_function("claim from a backlog of 100k", |b| {
        b.iter_custom(|batches| claims.time(batches))
    });
    let idle = Bench::new();
    group.bench_function("poll an empty queue", |b| {
        b.iter(|| {
            (0..BATCH).for_each(|_| {
                drop(black_box(
                    idle.store.lock().first_ready("no", "one").unwrap(),
                ))
            })
        })
    });
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("checkpoint of 10k submits", |b| b.iter_custom(checkpoints));
    group.bench_function("checkpoint of 10k ends, one behind the other", |b| {
        b.iter_custom(|rounds| ends(rounds, 1))
    });
    group.bench_function("checkpoint of 10k ends, scattered over 200k", |b| {
        b.iter_custom(|rounds| ends(rounds, 20))
    });
    group.finish();
    criterion.final_summary();
}
