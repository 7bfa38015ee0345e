//! The state in plain maps: for tests, and as the shortest statement of what a store does.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use uuid::Uuid;

use super::answer::{Answer, Expiry, Footprint};
use super::controls::Controls;
use super::counts::Counts;
use super::documents::Documents;
use super::figures::Figures;
use super::ledger::Ledger;
use super::record::{Bucket, BucketKey, Deadline, Header, Name, Place, Position, Ripening, Task};
use super::view::Result;
use super::{Change, Changes, StoreError, TaskPage, View};

type Ready = BTreeMap<Place, Arc<Task>>;

/// A store that forgets everything when it is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    live: BTreeMap<Uuid, Arc<Task>>,
    /// By queue, then by state. No map in it is empty.
    ready: BTreeMap<Name, BTreeMap<Name, Ready>>,
    deadlines: BTreeMap<Deadline, Uuid>,
    delayed: BTreeMap<Ripening, Uuid>,
    /// By queue and unique key.
    unique: BTreeMap<(Name, Name), Uuid>,
    archive: BTreeMap<Uuid, Arc<Task>>,
    buckets: BTreeMap<BucketKey, Bucket>,
    answers: BTreeMap<Name, Arc<Answer>>,
    expiries: BTreeMap<Expiry, Footprint>,
    ledger: Ledger,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// All live tasks, by uuid.
    pub fn live_tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.live.values()
    }

    /// All archived tasks, by uuid.
    pub fn archived_tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.archive.values()
    }

    /// All remembered answers, by request key.
    pub fn remembered(&self) -> impl Iterator<Item = (&Name, &Arc<Answer>)> {
        self.answers.iter()
    }

    /// The live tasks of one queue and state, in the order in which they are claimed.
    pub fn ready_tasks(&self, queue: &str, state: &str) -> impl Iterator<Item = &Arc<Task>> {
        self.ready_map(queue, state)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// Whether workers may hold more of a task's group.
    fn has_room(&self, task: &Task) -> bool {
        self.room(task) > 0
    }

    fn room(&self, task: &Task) -> u64 {
        let limit = self.controls().group_limit(&task.queue);
        let Some(group) = task.group() else {
            return u64::MAX;
        };
        let held = self.live.values().filter(|other| {
            let is_other = other.queue != task.queue || other.group() != Some(group);
            !is_other && other.is_in_flight()
        });
        limit.saturating_sub(held.count() as u64)
    }

    fn ready_map(&self, queue: &str, state: &str) -> Option<&Ready> {
        self.ready.get(queue)?.get(state)
    }

    fn insert(&mut self, task: &Arc<Task>) -> Result<()> {
        if self.live.insert(task.uuid, task.clone()).is_some() {
            return Err(damaged("tasks", task, "exists already"));
        }
        if let Some(key) = task.unique_key() {
            let key = (task.queue.clone(), key.clone());
            if self.unique.insert(key, task.uuid).is_some() {
                return Err(damaged("unique keys", task, "has the key of another one"));
            }
        }
        self.insert_waiting(task)?;
        self.insert_deadline(task)
    }

    fn replace(&mut self, before: &Arc<Task>, after: &Arc<Task>) -> Result<()> {
        match self.live.get_mut(&before.uuid) {
            Some(row) if is_same(row, before) => *row = after.clone(),
            _ => return Err(damaged("tasks", before, "is not the row to be replaced")),
        }
        self.remove_waiting(before)?;
        self.insert_waiting(after)?;
        if before.deadline() == after.deadline() {
            return Ok(());
        }
        self.remove_deadline(before)?;
        self.insert_deadline(after)
    }

    fn archive(&mut self, before: &Arc<Task>, after: &Arc<Task>) -> Result<()> {
        match self.live.remove(&before.uuid) {
            Some(row) if is_same(&row, before) => {}
            _ => return Err(damaged("tasks", before, "is not the row to be archived")),
        }
        if let Some(key) = before.unique_key() {
            let key = (before.queue.clone(), key.clone());
            if self.unique.remove(&key) != Some(before.uuid) {
                return Err(damaged("unique keys", before, "does not hold its key"));
            }
        }
        self.remove_waiting(before)?;
        self.remove_deadline(before)?;
        if self.archive.insert(after.uuid, after.clone()).is_some() {
            return Err(damaged("archive", after, "is archived already"));
        }
        Ok(())
    }

    fn expire(&mut self, key: &BucketKey, bucket: &Bucket) -> Result<()> {
        if self.buckets.remove(key).as_ref() != Some(bucket) {
            let detail = format!("bucket {key:?} is not the one to be forgotten");
            return Err(StoreError::damaged("buckets", detail));
        }
        for uuid in &bucket.uuids {
            if self.archive.remove(uuid).is_none() {
                let detail = format!("task {uuid} of bucket {key:?} is not there");
                return Err(StoreError::damaged("archive", detail));
            }
        }
        Ok(())
    }

    /// Puts a task where it waits: among the delayed ones or in its line.
    fn insert_waiting(&mut self, task: &Arc<Task>) -> Result<()> {
        let Some(ripening) = task.ripening() else {
            return self.insert_ready(task);
        };
        match self.delayed.insert(ripening, task.uuid) {
            None => Ok(()),
            Some(_) => Err(damaged("delayed", task, "stands where another one stands")),
        }
    }

    fn remove_waiting(&mut self, task: &Arc<Task>) -> Result<()> {
        let Some(ripening) = task.ripening() else {
            return self.remove_ready(task);
        };
        match self.delayed.remove(&ripening) {
            Some(_) => Ok(()),
            None => Err(damaged("delayed", task, "is missing")),
        }
    }

    fn remember(&mut self, key: &Name, answer: &Arc<Answer>) -> Result<()> {
        let expiry = answer.expiry(key);
        self.expiries.insert(expiry, answer.footprint(key));
        match self.answers.insert(key.clone(), answer.clone()) {
            None => Ok(()),
            Some(_) => Err(damaged_answer(key, "is remembered already")),
        }
    }

    fn forget(&mut self, expiry: &Expiry, footprint: &Footprint) -> Result<()> {
        if self.expiries.remove(expiry).as_ref() != Some(footprint) {
            let detail = "is not the one to be forgotten";
            return Err(damaged_answer(&expiry.key, detail));
        }
        match self.answers.remove(&expiry.key) {
            Some(_) => Ok(()),
            None => Err(damaged_answer(&expiry.key, "is missing")),
        }
    }

    fn insert_ready(&mut self, task: &Arc<Task>) -> Result<()> {
        let states = match self.ready.get_mut(&task.queue) {
            Some(states) => states,
            None => self.ready.entry(task.queue.clone()).or_default(),
        };
        let ready = match states.get_mut(&task.current_state) {
            Some(ready) => ready,
            None => states.entry(task.current_state.clone()).or_default(),
        };
        match ready.insert(task.place(), task.clone()) {
            None => Ok(()),
            Some(_) => Err(damaged(
                "ready index",
                task,
                "stands where another one stands",
            )),
        }
    }

    fn remove_ready(&mut self, task: &Arc<Task>) -> Result<()> {
        let missing = || damaged("ready index", task, "is missing");
        let states = self.ready.get_mut(&task.queue).ok_or_else(missing)?;
        let ready = states.get_mut(&task.current_state).ok_or_else(missing)?;
        ready.remove(&task.place()).ok_or_else(missing)?;
        if ready.is_empty() {
            states.remove(&task.current_state);
        }
        if states.is_empty() {
            self.ready.remove(&task.queue);
        }
        Ok(())
    }

    fn insert_deadline(&mut self, task: &Arc<Task>) -> Result<()> {
        let Some(deadline) = task.deadline() else {
            return Ok(());
        };
        match self.deadlines.insert(deadline, task.uuid) {
            None => Ok(()),
            Some(_) => Err(damaged(
                "deadlines",
                task,
                "stands where another one stands",
            )),
        }
    }

    fn remove_deadline(&mut self, task: &Arc<Task>) -> Result<()> {
        let Some(deadline) = task.deadline() else {
            return Ok(());
        };
        match self.deadlines.remove(&deadline) {
            Some(_) => Ok(()),
            None => Err(damaged("deadlines", task, "is missing")),
        }
    }
}

impl View for MemoryStore {
    fn live(&self, uuid: Uuid) -> Result<Option<Arc<Task>>> {
        Ok(self.live.get(&uuid).cloned())
    }

    fn archived(&self, uuid: Uuid) -> Result<Option<Arc<Task>>> {
        Ok(self.archive.get(&uuid).cloned())
    }

    fn live_after(&self, after: Option<Uuid>, limit: usize) -> Result<TaskPage> {
        Ok(page(&self.live, after, limit))
    }

    fn archived_after(&self, after: Option<Uuid>, limit: usize) -> Result<TaskPage> {
        Ok(page(&self.archive, after, limit))
    }

    fn first_ready(&self, queue: &str, state: &str) -> Result<Option<Arc<Task>>> {
        let mut tasks = self.ready_tasks(queue, state);
        Ok(tasks.find(|task| self.has_room(task)).cloned())
    }

    fn next_ready(&self, queue: &str, state: &str, after: Place) -> Result<Option<Arc<Task>>> {
        let from = (Bound::Excluded(after), Bound::Unbounded);
        let line = self.ready_map(queue, state);
        let mut tasks = line.into_iter().flat_map(|line| line.range(from));
        let next = tasks.find(|(_, task)| self.has_room(task));
        Ok(next.map(|(_, task)| task.clone()))
    }

    fn next_standing(
        &self,
        queue: &str,
        state: &str,
        after: Option<Place>,
    ) -> Result<Option<Arc<Task>>> {
        let from = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let line = self.ready_map(queue, state);
        let next = line.and_then(|line| line.range(from).next());
        Ok(next.map(|(_, task)| task.clone()))
    }

    fn open(&self, queue: &str, state: &str) -> u64 {
        let mut left: BTreeMap<&Name, u64> = BTreeMap::new();
        let open = self.ready_tasks(queue, state).filter(|task| {
            let Some(group) = task.group() else {
                return true;
            };
            let left = left.entry(group).or_insert_with(|| self.room(task));
            let is_open = *left > 0;
            *left = left.saturating_sub(1);
            is_open
        });
        open.count() as u64
    }

    fn next_deadline(&self, after: Option<Deadline>) -> Result<Option<(Deadline, Uuid)>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.deadlines.range((from, Bound::Unbounded)).next();
        Ok(next.map(|(deadline, uuid)| (*deadline, *uuid)))
    }

    fn next_delayed(&self, after: Option<Ripening>) -> Result<Option<(Ripening, Uuid)>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.delayed.range((from, Bound::Unbounded)).next();
        Ok(next.map(|(ripening, uuid)| (*ripening, *uuid)))
    }

    fn unique(&self, queue: &str, key: &str) -> Result<Option<Uuid>> {
        Ok(self.unique.get(&(queue.into(), key.into())).copied())
    }

    fn next_bucket(&self, after: Option<&BucketKey>) -> Result<Option<(BucketKey, Bucket)>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.buckets.range((from, Bound::Unbounded)).next();
        Ok(next.map(|(key, bucket)| (key.clone(), bucket.clone())))
    }

    fn answer(&self, key: &str) -> Result<Option<Arc<Answer>>> {
        Ok(self.answers.get(key).cloned())
    }

    fn next_expiring_answer(&self, after: Option<&Expiry>) -> Result<Option<(Expiry, Footprint)>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.expiries.range((from, Bound::Unbounded)).next();
        Ok(next.map(|(expiry, footprint)| (expiry.clone(), *footprint)))
    }

    fn documents(&self) -> &Documents {
        self.ledger.documents()
    }

    fn figures(&self) -> &Figures {
        self.ledger.figures()
    }

    fn controls(&self) -> &Controls {
        self.ledger.controls()
    }

    fn counts(&self) -> &Counts {
        self.ledger.counts()
    }

    fn header(&self) -> &Header {
        self.ledger.header()
    }
}

impl Changes for MemoryStore {
    fn begin_entry(&mut self, now_ns: i64) -> i64 {
        self.ledger.begin_entry(now_ns)
    }

    fn record(&mut self, change: Change) -> Result<()> {
        match &change {
            Change::Submit(task) => self.insert(task)?,
            Change::Replace { before, after }
            | Change::TimeOut { before, after }
            | Change::Fail { before, after } => {
                self.replace(before, after)?;
            }
            Change::Complete { before, after } | Change::Cancel { before, after } => {
                self.archive(before, after)?;
            }
            Change::Expire { key, bucket } => self.expire(key, bucket)?,
            Change::Remember { key, answer } => self.remember(key, answer)?,
            Change::Forget { expiry, footprint } => self.forget(expiry, footprint)?,
            // The ledger keeps them.
            Change::Document { .. } => {}
        }
        self.ledger.absorb(&change)
    }

    fn end_entry(&mut self, position: Position) -> Result<()> {
        for (key, bucket) in self.ledger.end_entry(position)? {
            if self.buckets.insert(key.clone(), bucket).is_some() {
                let detail = format!("bucket {key:?} exists already");
                return Err(StoreError::damaged("buckets", detail));
            }
        }
        Ok(())
    }
}

fn page(tasks: &BTreeMap<Uuid, Arc<Task>>, after: Option<Uuid>, limit: usize) -> TaskPage {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let rows = tasks.range((from, Bound::Unbounded)).take(limit);
    let tasks: Vec<_> = rows.map(|(_, task)| task.clone()).collect();
    let last = tasks.last().filter(|_| tasks.len() == limit);
    TaskPage {
        resume: last.map(|task| task.uuid),
        tasks,
    }
}

/// Whether a row is the one that a change names; the view hands out shared rows, so mostly at a glance.
fn is_same(row: &Arc<Task>, named: &Arc<Task>) -> bool {
    Arc::ptr_eq(row, named) || row == named
}

fn damaged(what: &str, task: &Task, detail: &str) -> StoreError {
    StoreError::damaged(what, format!("task {} {detail}", task.uuid))
}

fn damaged_answer(key: &str, detail: &str) -> StoreError {
    StoreError::damaged("answers", format!("the answer of key {key:?} {detail}"))
}
