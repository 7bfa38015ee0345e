//! A store, the log that it is fed from, and what it has to say at any position of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use prost::Message;
use tempfile::TempDir;
use uuid::Uuid;

use crate::proto::durable::QueueSettings;
use crate::store::answer::Answer;
use crate::store::controls::SETTINGS;
use crate::store::documents::DocumentKey;
use crate::store::history::{Transition, TransitionKind};
use crate::store::options::Hook;
use crate::store::record::{BucketKey, Extras, Name, Position, Task};
use crate::store::{Change, Changes, MemoryStore, Options, Store, View};

const QUEUES: [&str; 3] = ["a", "a b", "b"];
const KEYS: [&str; 5] = ["", "a", "a b", "b", "c"];
/// The groups that tasks belong to; empty means none.
const GROUPS: [&str; 4] = ["", "g", "g g", "h"];
const STATES: [&str; 3] = ["new", "new-working", "dead"];
/// Unique keys.
const UNIQUE_KEYS: [&str; 3] = ["k", "k k", "l"];

/// A log entry.
#[derive(Clone, Debug)]
pub struct Entry {
    now_ns: i64,
    changes: Vec<Change>,
    position: Position,
}

impl Entry {
    pub fn apply(&self, store: &mut impl Changes) {
        store.begin_entry(self.now_ns);
        for change in &self.changes {
            store.record(change.clone()).unwrap();
        }
        store.end_entry(self.position.clone()).unwrap();
    }
}

/// A log, and the state at its end.
#[derive(Default)]
pub struct Log {
    pub entries: Vec<Entry>,
    pub model: MemoryStore,
    uuids: Vec<Uuid>,
}

impl Log {
    /// Makes up an entry from random numbers, applies it to the model and returns it.
    pub fn grow(&mut self, numbers: &[u32]) -> Entry {
        let index = self.entries.len() as u64 + 1;
        let now_ns = 1_000_000_000 * index as i64;
        let mut entry = Entry {
            now_ns,
            changes: Vec::new(),
            position: Position {
                index,
                log_id: Bytes::from(format!("log {index}")),
                membership: Bytes::from_static(b"members"),
            },
        };
        self.model.begin_entry(now_ns);
        for number in numbers {
            if let Some(change) = self.make_up(*number, now_ns) {
                self.model.record(change.clone()).unwrap();
                entry.changes.push(change);
            }
        }
        self.model.end_entry(entry.position.clone()).unwrap();
        self.entries.push(entry.clone());
        entry
    }

    fn make_up(&mut self, number: u32, now_ns: i64) -> Option<Change> {
        let [op, a, b, c] = number.to_be_bytes();
        let queue = QUEUES[usize::from(a) % 3];
        let state = STATES[usize::from(b) % 3];
        match op % 16 {
            0..=3 => Some(self.submit(queue, state, c, now_ns)),
            4..=6 => {
                let before = self.model.first_ready(queue, state).unwrap()?;
                let after = swapped(&before, now_ns);
                Some(Change::Replace { before, after })
            }
            7 => {
                let before = self.some_live(number)?;
                let mut after = Task::clone(&before);
                after.priority = i64::from(c % 5) - 2;
                after.timeout_s = i64::from(b % 2) * 30;
                after.current_state = state.into();
                after.payload = Bytes::from(vec![c; usize::from(c)]);
                if let Some(extras) = after.extras.as_mut().filter(|_| c.is_multiple_of(3)) {
                    Arc::make_mut(extras).group = GROUPS[usize::from(a) % 4].into();
                }
                let after = Arc::new(after);
                Some(Change::Replace { before, after })
            }
            8 => {
                let (_, uuid) = self.model.next_deadline(None).unwrap()?;
                let before = self.model.live(uuid).unwrap().unwrap();
                let mut after = Task::clone(&swapped(&before, now_ns));
                after.timeout_s = 0;
                let after = Arc::new(after);
                Some(match c % 2 {
                    0 => Change::TimeOut { before, after },
                    _ => Change::Fail { before, after },
                })
            }
            9 | 10 => {
                let before = self.some_live(number)?;
                let after = ended(&before);
                Some(match op % 2 {
                    0 => Change::Complete { before, after },
                    _ => Change::Cancel { before, after },
                })
            }
            11 => {
                let (_, uuid) = self.model.next_delayed(None).unwrap()?;
                let before = self.model.live(uuid).unwrap().unwrap();
                let mut after = Task::clone(&before);
                after.is_delayed = false;
                let after = Arc::new(after);
                Some(Change::Replace { before, after })
            }
            12 | 13 => self.remember(KEYS[usize::from(a) % 5], b, c, now_ns),
            14 if b % 2 == 0 => Some(self.document(a, c)),
            14 => {
                let (expiry, footprint) = self.model.next_expiring_answer(None).unwrap()?;
                Some(Change::Forget { expiry, footprint })
            }
            _ => {
                // One of a queue with a retention of its own, or any.
                let queue = BucketKey {
                    queue: queue.into(),
                    index: 0,
                };
                let after = Some(&queue).filter(|_| c.is_multiple_of(2));
                let (key, bucket) = self.model.next_bucket(after).unwrap()?;
                Some(Change::Expire { key, bucket })
            }
        }
    }

    /// A document is put in, changed or taken away.
    fn document(&self, name: u8, value: u8) -> Change {
        let kind = if name > 100 { SETTINGS } else { 100 + name % 2 };
        let key = DocumentKey {
            kind,
            name: QUEUES[usize::from(name) % 3].into(),
        };
        let before = self.model.documents().get(key.kind, &key.name).cloned();
        let settings = QueueSettings {
            group_by: "key".into(),
            max_in_flight_per_group: u64::from(value % 4),
            retention_s: i64::from(value & 16),
            ..QueueSettings::default()
        };
        let after = match kind {
            SETTINGS => settings.encode_to_vec().into(),
            _ => Bytes::from(vec![value; 3]),
        };
        let after = (!value.is_multiple_of(4)).then_some(after);
        Change::Document { key, before, after }
    }

    fn submit(&mut self, queue: &str, state: &str, kind: u8, now_ns: i64) -> Change {
        let seq = self.model.header().next_seq;
        let mut task = crate::store::testing::task(seq);
        task.queue = Name::from(queue);
        task.current_state = Name::from(state);
        task.priority = i64::from(kind % 3);
        task.timeout_s = seq as i64 % 3 * 100;
        task.submit_time_ns = now_ns;
        task.update_time_ns = now_ns;
        if kind & 8 > 0 {
            task.is_delayed = true;
            task.not_before_ns = now_ns + i64::from(kind >> 5) * 1_000_000_000;
        }
        if kind & 16 > 0 {
            let key = UNIQUE_KEYS[usize::from(kind >> 5) % 3];
            let is_free = self.model.unique(queue, key).unwrap().is_none();
            let key = if is_free { key } else { "" };
            let metadata = [("key".to_owned(), "v".repeat(usize::from(kind)))].into();
            let extras = Extras {
                unique_key: key.into(),
                metadata,
                group: GROUPS[usize::from(kind) % 4].into(),
                ..Extras::default()
            };
            task.extras = extras.shared();
            task.max_attempts = 3;
        }
        self.uuids.push(task.uuid);
        Change::Submit(Arc::new(task))
    }

    /// A key that holds an answer already holds it on.
    fn remember(&self, key: &str, b: u8, c: u8, now_ns: i64) -> Option<Change> {
        if self.model.answer(key).unwrap().is_some() {
            return None;
        }
        let answer = Answer {
            request_digest: u128::from(c) << 100,
            expires_ns: now_ns + i64::from(b % 3) * 2_000_000_000,
            outcome: Bytes::from(vec![b; usize::from(c) * usize::from(b % 2)]),
        };
        Some(Change::Remember {
            key: key.into(),
            answer: Arc::new(answer),
        })
    }

    fn some_live(&self, number: u32) -> Option<Arc<Task>> {
        let tasks: Vec<_> = self.model.live_tasks().collect();
        let at = number as usize % tasks.len().max(1);
        tasks.get(at).map(|task| Arc::clone(task))
    }

    /// The state after an entry.
    pub fn model_at(&self, index: u64) -> MemoryStore {
        let mut model = MemoryStore::new();
        for entry in &self.entries[..index as usize] {
            entry.apply(&mut model);
        }
        model
    }

    /// Compares all answers.
    pub fn compare(&self, found: &impl View, wanted: &impl View) {
        assert_eq!(found.header(), wanted.header());
        assert_eq!(found.counts(), wanted.counts());
        assert_eq!(found.documents(), wanted.documents());
        assert_eq!(found.figures(), wanted.figures());
        assert_eq!(found.controls(), wanted.controls());
        for uuid in &self.uuids {
            assert_eq!(found.live(*uuid).unwrap(), wanted.live(*uuid).unwrap());
            assert_eq!(
                found.archived(*uuid).unwrap(),
                wanted.archived(*uuid).unwrap()
            );
        }
        compare_lines(found, wanted);
        self.compare_answers(found, wanted);
        compare_scans(found, wanted);
        let mut after = None;
        loop {
            let next = wanted.next_deadline(after).unwrap();
            assert_eq!(found.next_deadline(after).unwrap(), next);
            after = next.map(|(deadline, _)| deadline);
            if after.is_none() {
                break;
            }
        }
        for queue in QUEUES {
            for key in UNIQUE_KEYS {
                let holder = |view: &dyn View| view.unique(queue, key).unwrap();
                assert_eq!(holder(found), holder(wanted), "{queue}, {key}");
            }
        }
        let mut after = None;
        loop {
            let next = wanted.next_delayed(after).unwrap();
            assert_eq!(found.next_delayed(after).unwrap(), next);
            after = next.map(|(ripening, _)| ripening);
            if after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let next = wanted.next_bucket(after.as_ref()).unwrap();
            assert_eq!(found.next_bucket(after.as_ref()).unwrap(), next);
            after = next.map(|(key, _)| key);
            if after.is_none() {
                break;
            }
        }
    }

    /// Compares remembered answers.
    fn compare_answers(&self, found: &impl View, wanted: &impl View) {
        for key in KEYS {
            let answer = |view: &dyn View| view.answer(key).unwrap();
            assert_eq!(answer(found), answer(wanted), "{key:?}");
        }
        let mut after = None;
        loop {
            let next = wanted.next_expiring_answer(after.as_ref()).unwrap();
            assert_eq!(found.next_expiring_answer(after.as_ref()).unwrap(), next);
            after = next.map(|(expiry, _)| expiry);
            if after.is_none() {
                break;
            }
        }
    }

    /// Applies what a store lacks.
    pub fn replay(&self, store: &Store) {
        let mut state = store.lock();
        let from = state.header().position.index as usize;
        for entry in &self.entries[from..] {
            entry.apply(&mut *state);
        }
    }

    /// The store is right where it stands, and gets to the end of the log from there.
    pub fn check(&self, store: &Store) {
        {
            let state = store.lock();
            self.compare(&*state, &self.model_at(state.header().position.index));
            state.check().unwrap();
        }
        self.replay(store);
        let state = store.lock();
        self.compare(&*state, &self.model);
        state.check().unwrap();
    }
}

/// Scans in pieces of any size find the same tasks.
fn compare_scans(found: &impl View, wanted: &impl View) {
    for limit in [1, 3, 100] {
        for archived in [false, true] {
            let all = |view: &dyn View| {
                let (mut tasks, mut after) = (Vec::new(), None);
                loop {
                    let page = match archived {
                        false => view.live_after(after, limit).unwrap(),
                        true => view.archived_after(after, limit).unwrap(),
                    };
                    let uuids = page.tasks.iter().map(|task| task.uuid);
                    assert!(uuids.is_sorted() && page.tasks.len() <= 3 * limit);
                    tasks.extend(page.tasks);
                    after = match (page.resume, after) {
                        (None, _) => return tasks,
                        (Some(resume), after) => {
                            assert!(after.is_none_or(|after| after < resume));
                            Some(resume)
                        }
                    };
                }
            };
            assert_eq!(all(found), all(wanted), "{limit}, {archived}");
        }
    }
}

/// Compares who stands where, and who of them can be claimed.
fn compare_lines(found: &impl View, wanted: &impl View) {
    for queue in QUEUES {
        for state in STATES {
            let first = |view: &dyn View| view.first_ready(queue, state).unwrap();
            let mut next = first(wanted);
            assert_eq!(first(found), next, "{queue}, {state}");
            let open = |view: &dyn View| view.open(queue, state);
            assert!(open(found) >= open(wanted), "{queue}, {state}");
            assert_eq!(open(found) > 0, next.is_some(), "{queue}, {state}");
            let standing = |view: &dyn View, after: Option<&Arc<Task>>| {
                let after = after.map(|task| task.place());
                view.next_standing(queue, state, after).unwrap()
            };
            let mut stands = standing(wanted, None);
            assert_eq!(standing(found, None), stands, "{queue}, {state}");
            while let Some(task) = stands {
                stands = standing(wanted, Some(&task));
                assert_eq!(standing(found, Some(&task)), stands, "{queue}, {state}");
            }
            while let Some(task) = next {
                let after = |view: &dyn View| view.next_ready(queue, state, task.place());
                next = after(wanted).unwrap();
                assert_eq!(after(found).unwrap(), next, "{queue}, {state}");
            }
        }
    }
}

/// The row that it leaves in the archive.
fn ended(before: &Task) -> Arc<Task> {
    Arc::new(Task {
        payload: Bytes::new(),
        current_state: "ended".into(),
        is_delayed: false,
        claimed_ns: 0,
        ..before.clone()
    })
}

/// Current and target state change places, as in a claim.
fn swapped(before: &Task, now_ns: i64) -> Arc<Task> {
    let mut after = before.clone();
    after.claimed_ns = if before.claimed_ns == 0 { now_ns } else { 0 };
    after.history = before.history.with(Transition {
        at_ns: now_ns,
        kind: TransitionKind::Claimed,
        from: before.current_state.clone(),
        worker: before.worker.clone(),
        attempt: before.attempt + 1,
    });
    after.current_state = before.auto_target_state.clone();
    after.auto_target_state = before.current_state.clone();
    after.update_time_ns = now_ns;
    after.attempt += 1;
    Arc::new(after)
}

/// Random numbers that are the same each time.
pub fn numbers(seed: u32, count: usize) -> Vec<u32> {
    let mut state = u64::from(seed) * 2 + 1;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A store with a log in a directory.
pub struct Harness {
    pub dir: TempDir,
    pub options: Options,
    pub log: Log,
    store: Option<Store>,
}

impl Harness {
    pub fn new() -> Self {
        let mut harness = Self {
            dir: tempfile::tempdir().unwrap(),
            options: Options::default(),
            log: Log::default(),
            store: None,
        };
        harness.reopen();
        harness
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("group-0")
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Leaves the store as a crash would, but for what sled still writes when it is dropped.
    pub fn close(&mut self) {
        self.store = None;
    }

    pub fn reopen(&mut self) {
        self.store = None;
        self.store = Some(Store::open(&self.path(), self.options.clone()).unwrap());
    }

    pub fn grow(&mut self, numbers: &[u32]) {
        let entry = self.log.grow(numbers);
        entry.apply(&mut *self.store().lock());
    }

    /// Many entries of four changes.
    pub fn grow_much(&mut self, seed: u32, entries: usize) {
        for numbers in numbers(seed, entries * 4).chunks(4) {
            self.grow(numbers);
        }
    }

    pub fn freeze(&self) {
        self.store().inner.freeze();
    }

    pub fn checkpoint(&self) {
        futures::executor::block_on(self.store().checkpoint_now()).unwrap();
    }

    pub fn index(&self) -> u64 {
        self.store().lock().header().position.index
    }

    /// Lets the store fail once, when the given step is done.
    pub fn fail_once_after(&mut self, step: usize) -> Arc<AtomicUsize> {
        let steps = Arc::new(AtomicUsize::new(0));
        let counter = steps.clone();
        self.options.hook = Hook {
            step: Some(Arc::new(move |_| {
                counter.fetch_add(1, Ordering::SeqCst) != step
            })),
        };
        steps
    }

    /// Copies the directory as it is when the given step is done, and stops there.
    pub fn crash_after(&mut self, step: usize) -> (TempDir, Arc<AtomicUsize>) {
        let copy = tempfile::tempdir().unwrap();
        let (from, to) = (self.path(), copy.path().to_owned());
        let steps = Arc::new(AtomicUsize::new(0));
        let counter = steps.clone();
        self.options.hook = Hook {
            step: Some(Arc::new(move |_| {
                let now = counter.fetch_add(1, Ordering::SeqCst);
                if now == step {
                    copy_dir(&from, &to);
                }
                now < step
            })),
        };
        (copy, steps)
    }
}

pub fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
