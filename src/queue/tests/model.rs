//! The contract once more, as naively as it can be said: a list of tasks, and scans.
//!
//! Shares no code with the machine but the messages, so that both must be wrong
//! in the same way to agree.

use std::collections::BTreeMap;

use uuid::Uuid;

use prost::Message;

use super::limits_model::Limits;
use crate::proto::durable::{
    Bulk, Claim, ClaimTasks, Command, Complete, CompleteTasks, Expire, Extend, Fail, Filter,
    Forget, PutSchedule, Schedule, Submit, SubmitTasks, Target, Tick, TimeOut, Update, bulk::Act,
    command::Kind,
};
use crate::proto::v1alpha1;
use crate::queue::{Outcome, Refusal};
use crate::store::record;

const NS_PER_S: i64 = 1_000_000_000;

/// A task's fields, as plain as they come.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub uuid: Uuid,
    pub arrival: u64,
    pub queue: String,
    pub state: String,
    pub target: String,
    pub submitted: i64,
    pub updated: i64,
    pub timeout: i64,
    pub priority: i64,
    pub payload: Vec<u8>,
    pub attempt: i64,
    pub worker: String,
    pub claim_timeout: i64,
    pub not_before: i64,
    pub max_attempts: i64,
    pub unique_key: String,
    pub metadata: BTreeMap<String, String>,
    /// The attempt that it was requeued at.
    pub spared: i64,
    /// When the worker that holds it claimed it; 0 where nobody does.
    pub held_since: i64,
    /// Initial wait, cap, factor and jitter.
    pub backoff: Option<[i64; 4]>,
    pub error: String,
    pub group: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Submitted,
    Claimed,
    /// Or extended.
    Updated,
    Completed,
    Canceled,
    TimedOut,
    Failed,
}

/// Something that figures tell of.
#[derive(Clone, Debug)]
pub struct Happened {
    pub at: i64,
    pub what: Event,
    /// The row before it.
    pub before: Row,
    /// The row after it.
    pub after: Row,
}

/// When, what, from, to, by whom, attempt.
pub type Moment = (i64, &'static str, String, String, String, i64);

#[derive(Clone, Debug)]
pub struct Entry {
    pub row: Row,
    pub history: Vec<Moment>,
    /// The submit of a client-chosen uuid.
    request: Option<Submit>,
    /// When it was archived: log index and clock.
    pub archived: Option<(u64, i64)>,
    /// Whether its queue had a retention of its own then.
    pub kept_by_queue: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Task(Option<Row>),
    Completed(Option<Row>, Option<Box<Row>>),
    Tasks(Vec<Row>),
    Completions(Vec<(Option<Row>, Option<Row>)>),
    TimedOut(u64, Option<(i64, u64)>),
    Bulk(u64, u64, Option<(Uuid, u64)>, bool),
    Expired(u64, bool),
    Forgotten(u64, bool),
    Reused,
    Stale(Uuid, i64, String),
    Taken(Uuid),
    KeyTaken(Uuid, String, Uuid),
    Ripened(u64, bool),
    Set,
    Regrouped(u64, bool),
    Full(String),
    Malformed,
    Schedule(Option<Schedule>),
    TooMany,
}

/// What is answered again to the same key and request.
#[derive(Clone, Debug)]
pub struct Remembered {
    pub key: String,
    request: Vec<u8>,
    pub expires: i64,
    answer: Answer,
}

#[derive(Default)]
pub struct Model {
    pub clock: i64,
    pub index: u64,
    pub tasks: Vec<Entry>,
    pub remembered: Vec<Remembered>,
    pub submitted: u64,
    pub completed: u64,
    pub canceled: u64,
    pub timed_out: u64,
    pub happened: Vec<Happened>,
    pub failed: u64,
    pub schedules: BTreeMap<String, Schedule>,
    pub limits: BTreeMap<String, Limits>,
}

impl Model {
    pub fn begin(&mut self, now: i64) {
        self.index += 1;
        self.clock = self.clock.max(now);
    }

    pub fn apply(&mut self, command: &Command) -> Answer {
        let kind = command.kind.as_ref().unwrap();
        let Some(key) = &command.key else {
            return self.act(kind);
        };
        let before = self.remembered.iter().find(|one| one.key == key.key);
        if let Some(before) = before.filter(|before| before.expires > self.clock) {
            return match key.request_digest == before.request {
                true => before.answer.clone(),
                false => Answer::Reused,
            };
        }
        let answer = self.act(kind);
        let forgets = match &answer {
            Answer::TimedOut(_, resume) => resume.is_some(),
            Answer::Bulk(.., done) => !done,
            Answer::Task(None) => key.skips_empty,
            Answer::Tasks(tasks) => tasks.is_empty() && key.skips_empty,
            Answer::Malformed
            | Answer::Full(_)
            | Answer::Regrouped(..)
            | Answer::Expired(..)
            | Answer::Ripened(..)
            | Answer::Forgotten(..) => true,
            _ => false,
        };
        if !forgets {
            self.remembered.retain(|one| one.key != key.key);
            self.remembered.push(Remembered {
                key: key.key.clone(),
                request: key.request_digest.to_vec(),
                expires: self.clock + key.window_ns,
                answer: answer.clone(),
            });
        }
        answer
    }

    fn happened(&mut self, what: Event, before: &Row, after: &Row) {
        self.happened.push(Happened {
            at: self.clock,
            what,
            before: before.clone(),
            after: after.clone(),
        });
    }

    fn act(&mut self, kind: &Kind) -> Answer {
        match kind {
            Kind::Submit(submit) => self.submit(submit),
            Kind::Claim(claim) => self.claim(claim),
            Kind::Update(update) => self.update(update),
            Kind::Complete(complete) => self.complete(complete),
            Kind::Cancel(cancel) => match self.find(cancel.target.as_ref()) {
                Ok(Some(at)) => Answer::Task(Some(self.archive(at, "canceled"))),
                Ok(None) => Answer::Task(None),
                Err(refused) => refused,
            },
            Kind::Fail(fail) => self.fail(fail),
            Kind::Extend(extend) => self.extend(extend),
            Kind::SubmitTasks(batch) => self.submit_tasks(batch),
            Kind::ClaimTasks(batch) => self.claim_tasks(batch),
            Kind::CompleteTasks(batch) => self.complete_tasks(batch),
            Kind::TimeOut(time_out) => self.time_out(time_out),
            Kind::Expire(expire) => self.expire(expire),
            // Every entry begins with what is due, and no test has more than fits there.
            Kind::Ripen(_) => Answer::Ripened(0, false),
            Kind::Forget(forget) => self.forget(forget),
            Kind::Bulk(bulk) => self.bulk(bulk),
            Kind::PutSchedule(put) => self.put_schedule(put),
            Kind::DeleteSchedule(delete) => Answer::Schedule(self.schedules.remove(&delete.name)),
            Kind::Tick(tick) => self.tick(tick),
            Kind::RunSchedule(run) => match self.schedules.contains_key(&run.name) {
                true => self.scheduled(&run.name, &run.uuid, run.run_ns, &run.run_time),
                false => Answer::Task(None),
            },
            Kind::SetQueue(set) => self.set_queue(set),
            Kind::Regroup(regroup) => self.regroup(regroup),
        }
    }

    /// Notes what was done to a task that was `before`, by a worker.
    fn note(&mut self, at: usize, what: &'static str, before: &Row, worker: &str) {
        let clock = self.clock;
        let entry = &mut self.tasks[at];
        let to = entry.row.state.clone();
        let moment = (
            clock,
            what,
            before.state.clone(),
            to,
            worker.to_owned(),
            entry.row.attempt,
        );
        let after = entry.row.clone();
        entry.history.push(moment);
        let event = match what {
            "claimed" => Event::Claimed,
            "completed" => Event::Completed,
            "canceled" => Event::Canceled,
            "timed_out" => Event::TimedOut,
            "failed" => Event::Failed,
            _ => Event::Updated,
        };
        self.happened(event, before, &after);
    }

    /// The same, by its holder.
    fn note_held(&mut self, at: usize, what: &'static str, before: &Row) {
        let worker = if before.is_held() {
            before.worker.clone()
        } else {
            String::new()
        };
        self.note(at, what, before, &worker);
    }

    /// Live tasks, or archived ones, that a filter fits, in the order of their uuids.
    pub fn fitting(&self, filter: &Filter, archived: bool) -> Vec<usize> {
        let fits = |row: &Row| {
            let name = |wanted: &str, name: &str| wanted.is_empty() || wanted == name;
            let before = |limit: i64, time: i64| limit == 0 || time < limit;
            let holds = |wanted: Option<bool>, holds: bool| wanted.unwrap_or(holds) == holds;
            let mut metadata = filter.metadata.iter();
            name(&filter.queue, &row.queue)
                && name(&filter.current_state, &row.state)
                && name(&filter.worker, &row.worker)
                && metadata.all(|(key, value)| row.metadata.get(key) == Some(value))
                && (row.submitted >= filter.submitted_from_ns
                    && row.updated >= filter.updated_from_ns)
                && before(filter.submitted_before_ns, row.submitted)
                && before(filter.updated_before_ns, row.updated)
                && holds(
                    filter.is_in_flight.as_ref().map(|one| one.holds),
                    row.is_held(),
                )
                && holds(
                    filter.is_delayed.as_ref().map(|one| one.holds),
                    !archived && row.not_before > self.clock,
                )
        };
        let mut found: Vec<usize> = (0..self.tasks.len())
            .filter(|at| self.tasks[*at].archived.is_some() == archived)
            .filter(|at| fits(&self.tasks[*at].row))
            .collect();
        found.sort_by_key(|at| self.tasks[*at].row.uuid);
        found
    }

    fn bulk(&mut self, bulk: &Bulk) -> Answer {
        let filter = bulk.filter.clone().unwrap_or_default();
        let next = self.submitted;
        let (after, before) = match &bulk.after {
            Some(after) => (
                Some(Uuid::from_slice(&after.uuid).unwrap()),
                if after.before_seq == 0 {
                    next
                } else {
                    after.before_seq
                },
            ),
            None => (None, next),
        };
        let limit = if bulk.limit == 0 {
            1000
        } else {
            bulk.limit as usize
        };
        let (mut matched, mut changed) = (bulk.already_matched, bulk.already_changed);
        let most = if bulk.max_tasks == 0 {
            u64::MAX
        } else {
            bulk.max_tasks.max(changed)
        };
        // The counts tell at once that there is nothing.
        let in_queue = |row: &Row| filter.queue.is_empty() || row.queue == filter.queue;
        let lives = |entry: &&Entry| entry.archived.is_none() && in_queue(&entry.row);
        let mut rows = self.tasks.iter().filter(lives).map(|entry| &entry.row);
        let by_queue = !filter.queue.is_empty();
        let wants_held = filter.is_in_flight.as_ref().is_some_and(|one| one.holds);
        let anything = rows.clone().next().is_some();
        let state = filter.current_state.is_empty()
            || rows.clone().any(|row| row.state == filter.current_state);
        let held = !wants_held || rows.any(|row| row.is_held());
        if !anything || (by_queue && !(state && held)) {
            return Answer::Bulk(matched, changed, None, true);
        }
        let fitting = self.fitting(&filter, false);
        let mut all: Vec<(Uuid, usize)> = (0..self.tasks.len())
            .filter(|at| self.tasks[*at].archived.is_none())
            .map(|at| (self.tasks[at].row.uuid, at))
            .filter(|(uuid, _)| after.is_none_or(|after| *uuid > after))
            .collect();
        all.sort();
        let mut last = after;
        let mut looked_at = 0;
        for (uuid, at) in all {
            if looked_at == limit || changed == most {
                break;
            }
            looked_at += 1;
            last = Some(uuid);
            if !fitting.contains(&at) || self.tasks[at].row.arrival >= before {
                continue;
            }
            matched += 1;
            if !self.tasks[at].row.is_held() || bulk.include_in_flight {
                changed += u64::from(self.bulk_one(at, bulk.act.as_ref().unwrap()));
            }
        }
        // Whether there are more is not looked at.
        let stopped = looked_at == limit || changed == most;
        let cursor = last.map(|last| (last, before)).filter(|_| stopped);
        Answer::Bulk(
            matched,
            changed,
            cursor,
            cursor.is_none() || changed == most,
        )
    }

    /// Whether the act did anything to the task.
    fn bulk_one(&mut self, at: usize, act: &Act) -> bool {
        let before = self.tasks[at].row.clone();
        let left = |moment: &&Moment| moment.1 != "submitted" && moment.2 != "dead";
        let died_in = self.tasks[at].history.iter().rev().find(left);
        let died_in = died_in.map(|moment| moment.2.clone());
        let row = &mut self.tasks[at].row;
        match act {
            Act::Cancel(_) => {
                self.archive(at, "canceled");
                return true;
            }
            Act::Requeue(requeue) => {
                if !requeue.new_state.is_empty() {
                    row.state = requeue.new_state.clone();
                    row.target = requeue.auto_target_state.clone();
                } else if before.state == "dead" {
                    if before.target == "dead" {
                        return false;
                    }
                    row.state = before.target.clone();
                    row.target = died_in.unwrap_or(format!("{}-working", before.target));
                } else if before.is_held() {
                    std::mem::swap(&mut row.state, &mut row.target);
                } else {
                    return false;
                }
                row.held_since = 0;
                row.spared = row.attempt;
                row.timeout = 0;
                if row.not_before > self.clock {
                    row.not_before = 0;
                }
                row.updated = self.clock;
                self.note_held(at, "requeued", &before);
            }
            Act::Change(change) => {
                if !change.new_state.is_empty() {
                    row.state = change.new_state.clone();
                }
                if !change.auto_target_state.is_empty() {
                    row.target = change.auto_target_state.clone();
                }
                if let Some(priority) = &change.priority {
                    row.priority = priority.value;
                }
                if let Some(timeout) = &change.timeout_s {
                    row.timeout = timeout.value.max(0);
                }
                if row.state != before.state {
                    row.held_since = 0;
                }
                row.updated = self.clock;
                self.note_held(at, "updated", &before);
            }
        }
        true
    }

    /// Live tasks of a queue and state.
    pub fn live(&self, queue: &str, state: &str) -> usize {
        let entries = self.tasks.iter().filter(|entry| entry.archived.is_none());
        entries
            .filter(|entry| entry.row.queue == queue && entry.row.state == state)
            .count()
    }

    /// The live tasks that can't be claimed yet, the first to become claimable first.
    pub fn delayed(&self) -> Vec<(i64, Uuid)> {
        let entries = self.tasks.iter().filter(|entry| entry.archived.is_none());
        let mut rows: Vec<&Row> = entries
            .map(|entry| &entry.row)
            .filter(|row| row.not_before > self.clock)
            .collect();
        rows.sort_by_key(|row| (row.not_before, row.arrival));
        rows.iter().map(|row| (row.not_before, row.uuid)).collect()
    }

    /// Where the claimable tasks of a queue and state stand, the first to be claimed first.
    pub fn order(&self, queue: &str, state: &str) -> Vec<usize> {
        let live = |entry: &Entry| entry.archived.is_none();
        let mut found: Vec<usize> = (0..self.tasks.len())
            .filter(|at| live(&self.tasks[*at]))
            .filter(|at| self.tasks[*at].row.not_before <= self.clock)
            .filter(|at| self.tasks[*at].row.queue == queue && self.tasks[*at].row.state == state)
            .collect();
        found.sort_by(|a, b| {
            let (a, b) = (&self.tasks[*a].row, &self.tasks[*b].row);
            let by_priority = b.priority.cmp(&a.priority);
            let by_age = a.submitted.cmp(&b.submitted);
            by_priority.then(by_age).then(a.arrival.cmp(&b.arrival))
        });
        found
    }

    fn submit(&mut self, submit: &Submit) -> Answer {
        let Ok(uuid) = Uuid::from_slice(&submit.uuid) else {
            return Answer::Malformed;
        };
        let has_key = |entry: &&Entry| {
            entry.archived.is_none()
                && !submit.unique_key.is_empty()
                && entry.row.queue == submit.queue
                && entry.row.unique_key == submit.unique_key
        };
        let holder = self.tasks.iter().find(has_key).map(|entry| &entry.row);
        let existing = self.tasks.iter().find(|entry| entry.row.uuid == uuid);
        if let Some(existing) = existing {
            if let Some(holder) = holder.filter(|holder| holder.uuid != uuid) {
                return Answer::KeyTaken(uuid, submit.unique_key.clone(), holder.uuid);
            }
            let same = |request: &Submit| {
                let mut request = request.clone();
                request.is_default_timeout = submit.is_default_timeout;
                request == *submit
            };
            return match existing.request.as_ref().is_some_and(same) {
                true => Answer::Task(Some(existing.row.clone())),
                false => Answer::Taken(uuid),
            };
        }
        if let Some(holder) = holder {
            return Answer::Task(Some(holder.clone()));
        }
        if self.is_full(&submit.queue) {
            return Answer::Full(submit.queue.clone());
        }
        let row = self.new_row(uuid, submit);
        self.submitted += 1;
        self.happened(Event::Submitted, &row, &row);
        self.tasks.push(Entry {
            row: row.clone(),
            history: vec![(
                self.clock,
                "submitted",
                String::new(),
                row.state.clone(),
                String::new(),
                0,
            )],
            request: submit.client_uuid.then(|| submit.clone()),
            archived: None,
            kept_by_queue: false,
        });
        Answer::Task(Some(row))
    }

    fn new_row(&self, uuid: Uuid, submit: &Submit) -> Row {
        let (timeout, claim_timeout) = self.timeouts(submit);
        Row {
            uuid,
            arrival: self.submitted,
            queue: submit.queue.clone(),
            state: submit.current_state.clone(),
            target: submit.auto_target_state.clone(),
            submitted: self.clock,
            updated: self.clock,
            timeout,
            priority: submit.priority,
            payload: submit.payload.to_vec(),
            attempt: 0,
            worker: String::new(),
            claim_timeout,
            not_before: submit.not_before_ns.max(0),
            max_attempts: submit.max_attempts.max(0),
            unique_key: submit.unique_key.clone(),
            metadata: submit.metadata.clone(),
            spared: 0,
            held_since: 0,
            backoff: submit.backoff.map(|backoff| {
                let (initial, cap) = (backoff.initial_s, backoff.cap_s);
                [initial, cap, backoff.factor_percent, backoff.jitter_percent]
            }),
            error: String::new(),
            group: self.group_of(submit),
        }
    }

    fn submit_tasks(&mut self, batch: &SubmitTasks) -> Answer {
        let (tasks, submitted) = (self.tasks.clone(), self.submitted);
        let happened = self.happened.len();
        let mut rows = Vec::new();
        for submit in &batch.tasks {
            match self.submit(submit) {
                Answer::Task(row) => rows.extend(row),
                refused => {
                    (self.tasks, self.submitted) = (tasks, submitted);
                    self.happened.truncate(happened);
                    return refused;
                }
            }
        }
        Answer::Tasks(rows)
    }

    /// The best task of all queues that a claim names, but for some.
    fn best(&self, claim: &Claim, but: &[Row]) -> Option<usize> {
        let mut queues = claim.queues.clone();
        if queues.is_empty() || !claim.queue.is_empty() {
            queues.push(claim.queue.clone());
        }
        let lines = queues
            .iter()
            .filter(|queue| self.lets_through(queue))
            .map(|queue| self.order(queue, &claim.current_state));
        let all = lines.flatten().filter(|at| {
            let row = &self.tasks[*at].row;
            let uuid = row.uuid;
            self.lets_group_through(row) && but.iter().all(|row| row.uuid != uuid)
        });
        all.min_by_key(|at| {
            let row = &self.tasks[*at].row;
            (std::cmp::Reverse(row.priority), row.submitted, row.arrival)
        })
    }

    fn claim(&mut self, claim: &Claim) -> Answer {
        let Some(at) = self.best(claim, &[]) else {
            return Answer::Task(None);
        };
        let before = self.tasks[at].row.clone();
        self.tasks[at].row = self.claimed(at, claim);
        self.note(at, "claimed", &before, &claim.worker);
        self.note_claim(&self.tasks[at].row.queue.clone());
        Answer::Task(Some(self.tasks[at].row.clone()))
    }

    fn claim_tasks(&mut self, batch: &ClaimTasks) -> Answer {
        let Some(claim) = &batch.next else {
            return Answer::Malformed;
        };
        let mut answer = v1alpha1::GetNextTasksResponse::default();
        let mut rows = Vec::new();
        while rows.len() < batch.max_tasks as usize {
            let Some(at) = self.best(claim, &rows) else {
                break;
            };
            let row = self.claimed(at, claim);
            answer.tasks.push(row.message());
            if !rows.is_empty() && answer.encoded_len() as u64 > batch.max_bytes {
                break;
            }
            let before = std::mem::replace(&mut self.tasks[at].row, row.clone());
            self.note(at, "claimed", &before, &claim.worker);
            self.note_claim(&row.queue);
            rows.push(row);
        }
        Answer::Tasks(rows)
    }

    /// A task as the claim will leave it.
    fn claimed(&self, at: usize, claim: &Claim) -> Row {
        let mut row = self.tasks[at].row.clone();
        row.state = row.target.clone();
        row.target = claim.current_state.clone();
        row.attempt += 1;
        row.worker = claim.worker.clone();
        row.updated = self.clock;
        row.held_since = self.clock;
        if row.claim_timeout > 0 {
            row.timeout = row.claim_timeout;
        }
        if claim.override_timeout_s > 0 {
            row.timeout = claim.override_timeout_s;
        }
        if claim.override_timeout_s < 0 {
            row.timeout = 0;
        }
        if !claim.override_current_state.is_empty() {
            row.state = claim.override_current_state.clone();
        }
        if !claim.override_auto_target_state.is_empty() {
            row.target = claim.override_auto_target_state.clone();
        }
        row
    }

    /// The live task that a target means, or the answer that refuses it.
    fn find(&self, target: Option<&Target>) -> Result<Option<usize>, Answer> {
        let target = target.ok_or(Answer::Malformed)?;
        let uuid = Uuid::from_slice(&target.uuid).map_err(|_| Answer::Malformed)?;
        let live = |entry: &Entry| entry.archived.is_none() && entry.row.uuid == uuid;
        let Some(at) = self.tasks.iter().position(live) else {
            return Ok(None);
        };
        let row = &self.tasks[at].row;
        if row.queue != target.queue {
            return Ok(None);
        }
        if target.attempt > 0 && target.attempt != row.attempt {
            return Err(Answer::Stale(uuid, row.attempt, row.worker.clone()));
        }
        Ok((row.state == target.current_state).then_some(at))
    }

    fn update(&mut self, update: &Update) -> Answer {
        let at = match self.find(update.target.as_ref()) {
            Ok(Some(at)) => at,
            Ok(None) => return Answer::Task(None),
            Err(refused) => return refused,
        };
        let before = self.tasks[at].row.clone();
        let row = &mut self.tasks[at].row;
        if row.state != update.new_state {
            row.held_since = 0;
        }
        row.state = update.new_state.clone();
        row.target = update.auto_target_state.clone();
        row.timeout = update.timeout_s.max(0);
        row.priority = update.priority;
        row.updated = self.clock;
        if !update.payload.is_empty() {
            row.payload = update.payload.to_vec();
        }
        self.note_held(at, "updated", &before);
        Answer::Task(Some(self.tasks[at].row.clone()))
    }

    fn extend(&mut self, extend: &Extend) -> Answer {
        let at = match self.find(extend.target.as_ref()) {
            Ok(Some(at)) => at,
            Ok(None) => return Answer::Task(None),
            Err(refused) => return refused,
        };
        let before = self.tasks[at].row.clone();
        let row = &mut self.tasks[at].row;
        row.updated = self.clock;
        if extend.timeout_s > 0 {
            row.timeout = extend.timeout_s;
        }
        if extend.timeout_s < 0 {
            row.timeout = 0;
        }
        let row = row.clone();
        self.happened(Event::Updated, &before, &row);
        Answer::Task(Some(row))
    }

    fn archive(&mut self, at: usize, state: &str) -> Row {
        let what = match state {
            "completed" => "completed",
            _ => "canceled",
        };
        match what {
            "completed" => self.completed += 1,
            _ => self.canceled += 1,
        }
        let before = self.tasks[at].row.clone();
        let kept_by_queue = self.has_retention(&self.tasks[at].row.queue);
        let entry = &mut self.tasks[at];
        entry.row.held_since = 0;
        entry.kept_by_queue = kept_by_queue;
        entry.archived = Some((self.index, self.clock));
        entry.row.state = state.into();
        entry.row.target = state.into();
        entry.row.updated = self.clock;
        entry.row.payload.clear();
        self.note_held(at, what, &before);
        self.tasks[at].row.clone()
    }

    fn complete(&mut self, complete: &Complete) -> Answer {
        let at = match self.find(complete.target.as_ref()) {
            Ok(Some(at)) => at,
            Ok(None) => return Answer::Completed(None, None),
            Err(refused) => return refused,
        };
        let (live, completed) = (self.tasks[at].clone(), self.completed);
        let happened = self.happened.len();
        let row = self.archive(at, "completed");
        let Some(next) = &complete.next_task else {
            return Answer::Completed(Some(row), None);
        };
        match self.submit(next) {
            Answer::Task(next) => Answer::Completed(Some(row), next.map(Box::new)),
            refused => {
                self.tasks[at] = live;
                self.completed = completed;
                self.happened.truncate(happened);
                refused
            }
        }
    }

    fn complete_tasks(&mut self, batch: &CompleteTasks) -> Answer {
        let results = batch.tasks.iter().map(|item| match self.complete(item) {
            Answer::Completed(task, next) => (task, next.map(|next| *next)),
            _ => (None, None),
        });
        Answer::Completions(results.collect())
    }

    fn time_out(&mut self, time_out: &TimeOut) -> Answer {
        let after = time_out
            .after
            .as_ref()
            .map(|after| (after.at_ns, after.seq));
        let at_time_ns = match time_out.at_time_ns {
            0 => self.clock,
            at_time_ns => at_time_ns,
        };
        let mut due = Vec::new();
        for (at, entry) in self.tasks.iter().enumerate() {
            let row = &entry.row;
            let starts = row.updated.max(row.not_before);
            let passes = i128::from(starts) + i128::from(row.timeout) * 1_000_000_000;
            let runs = entry.archived.is_none() && row.timeout > 0;
            if runs && passes < i128::from(at_time_ns) {
                let deadline = (passes as i64, row.arrival);
                if after.is_none_or(|after| after < deadline) {
                    due.push((deadline, at));
                }
            }
        }
        due.sort();
        let limit = if time_out.limit == 0 {
            1000
        } else {
            time_out.limit as usize
        };
        let full = due.len() >= limit;
        due.truncate(limit);
        let mut tasks = 0;
        for (_, at) in &due {
            let before = self.tasks[*at].row.clone();
            let row = &mut self.tasks[*at].row;
            if time_out.queue.is_empty() || time_out.queue == row.queue {
                let wait = row.wait(row.held_since != 0);
                row.go_back(self.clock, wait);
                self.note_held(*at, "timed_out", &before);
                tasks += 1;
            }
        }
        self.timed_out += tasks;
        let last = due.last().map(|due| due.0);
        Answer::TimedOut(time_out.already + tasks, last.filter(|_| full))
    }

    fn fail(&mut self, fail: &Fail) -> Answer {
        let at = match self.find(fail.target.as_ref()) {
            Ok(Some(at)) => at,
            Ok(None) => return Answer::Task(None),
            Err(refused) => return refused,
        };
        let before = self.tasks[at].row.clone();
        if !before.is_held() {
            return Answer::Task(None);
        }
        let row = &mut self.tasks[at].row;
        let wait = match fail.retry_after_s {
            0 => row.wait(true),
            seconds => Some(seconds * NS_PER_S),
        };
        let may_retry = fail.retry_after_s >= 0;
        let max_attempts = row.max_attempts;
        if !may_retry {
            row.max_attempts = 1;
        }
        let attempt = std::mem::replace(&mut row.attempt, i64::MAX);
        if may_retry {
            row.attempt = attempt;
        }
        row.go_back(self.clock, wait);
        (row.attempt, row.max_attempts) = (attempt, max_attempts);
        row.error = fail.message.clone();
        self.failed += 1;
        self.note_held(at, "failed", &before);
        Answer::Task(Some(self.tasks[at].row.clone()))
    }

    fn put_schedule(&mut self, put: &PutSchedule) -> Answer {
        let Some(mut schedule) = put.schedule.clone() else {
            return Answer::Malformed;
        };
        schedule.generation = self.clock as u64;
        if let Some(before) = self.schedules.get(&put.name) {
            schedule.generation = schedule.generation.max(before.generation + 1);
            schedule.last_ns = before.last_ns;
            schedule.last_uuid = before.last_uuid.clone();
            (schedule.submitted, schedule.skipped) = (before.submitted, before.skipped);
            let ticks = |one: &Schedule| (one.cron.clone(), one.time_zone.clone(), one.is_paused);
            if ticks(before) == ticks(&schedule) && !schedule.is_paused {
                schedule.next_ns = before.next_ns;
            }
        }
        self.schedules.insert(put.name.clone(), schedule.clone());
        Answer::Schedule(Some(schedule))
    }

    fn tick(&mut self, tick: &Tick) -> Answer {
        let Some(schedule) = self.schedules.get_mut(&tick.name) else {
            return Answer::Task(None);
        };
        if (schedule.generation, schedule.next_ns) != (tick.generation, tick.tick_ns) {
            return Answer::Task(None);
        }
        if schedule.next_ns == 0 || schedule.is_paused || tick.tick_ns > self.clock {
            return Answer::Task(None);
        }
        schedule.next_ns = tick.next_ns;
        let submitted = self.submitted;
        let answer = match tick.is_skipped {
            true => Answer::Task(None),
            false => self.scheduled(&tick.name, &tick.uuid, tick.tick_ns, &tick.tick_time),
        };
        if self.submitted > submitted {
            return answer;
        }
        self.schedules.get_mut(&tick.name).unwrap().skipped += 1;
        match answer {
            Answer::Task(_) => Answer::Task(None),
            refused => refused,
        }
    }

    /// Submits what a schedule submits.
    fn scheduled(&mut self, name: &str, uuid: &[u8], at: i64, time: &str) -> Answer {
        let schedule = &self.schedules[name];
        let Some(mut submit) = schedule.task.clone() else {
            return Answer::Task(None);
        };
        submit.uuid = uuid.to_vec().into();
        for (key, value) in [("corndogs.schedule", name), ("corndogs.tick", time)] {
            submit.metadata.insert(key.into(), value.into());
        }
        let taken = self
            .tasks
            .iter()
            .find(|entry| entry.row.uuid.as_bytes() == uuid);
        if let Some(taken) = taken {
            return Answer::Taken(taken.row.uuid);
        }
        let submitted = self.submitted;
        let answer = self.submit(&submit);
        if self.submitted > submitted {
            let schedule = self.schedules.get_mut(name).unwrap();
            schedule.last_ns = at;
            schedule.last_uuid = uuid.to_vec().into();
            schedule.submitted += 1;
        }
        answer
    }

    fn forget(&mut self, forget: &Forget) -> Answer {
        let limit = match forget.limit {
            0 => 1000,
            limit => limit as usize,
        };
        let clock = self.clock;
        let over = self.remembered.iter().filter(|one| one.expires <= clock);
        let mut over: Vec<(i64, String)> = over.map(|one| (one.expires, one.key.clone())).collect();
        over.sort();
        let more = over.len() > limit;
        over.truncate(limit);
        self.remembered
            .retain(|one| over.iter().all(|(_, key)| *key != one.key));
        Answer::Forgotten(over.len() as u64, more)
    }

    fn expire(&mut self, expire: &Expire) -> Answer {
        let limit = if expire.limit == 0 {
            1000
        } else {
            u64::from(expire.limit)
        };
        let mut tasks = 0;
        loop {
            let is_meant = |entry: &&Entry| match expire.queue.as_str() {
                "" => !entry.kept_by_queue,
                queue => entry.kept_by_queue && entry.row.queue == queue,
            };
            let meant = self.tasks.iter().filter(is_meant);
            let closed = meant.filter_map(|entry| entry.archived);
            let old = closed.filter(|(index, at)| *index < self.index && *at < expire.before_ns);
            let Some((oldest, _)) = old.min() else {
                return Answer::Expired(tasks, false);
            };
            if tasks >= limit {
                return Answer::Expired(tasks, true);
            }
            let left = |entry: &Entry| {
                let is_oldest = entry.archived.is_some_and(|(index, _)| index == oldest);
                !(is_oldest && is_meant(&entry))
            };
            let before = self.tasks.len();
            self.tasks.retain(left);
            tasks += (before - self.tasks.len()) as u64;
        }
    }
}

impl Row {
    /// Whether a worker holds it.
    pub fn is_held(&self) -> bool {
        self.held_since > 0
    }

    /// How long it waits for its next attempt, if it has a backoff.
    fn wait(&self, is_failure: bool) -> Option<i64> {
        let [initial, cap, factor, jitter] = self.backoff.filter(|_| is_failure)?;
        let mut wait = initial * NS_PER_S;
        for _ in 1..self.attempt - self.spared {
            wait = (wait / 100).saturating_mul(factor);
        }
        if cap > 0 {
            wait = wait.min(cap * NS_PER_S);
        }
        let seed = [self.uuid.as_bytes(), &self.attempt.to_le_bytes()[..]].concat();
        let chance = i128::from(xxhash_rust::xxh3::xxh3_64(&seed) >> 32);
        let jitter = i128::from(wait) * i128::from(jitter) / 100;
        Some(wait - (jitter * chance / (1 << 32)) as i64)
    }

    fn go_back(&mut self, clock: i64, wait: Option<i64>) {
        std::mem::swap(&mut self.state, &mut self.target);
        if self.max_attempts > 0 && self.attempt - self.spared >= self.max_attempts {
            self.target = std::mem::replace(&mut self.state, "dead".into());
        } else if let Some(wait) = wait {
            self.not_before = clock.saturating_add(wait);
        }
        self.timeout = 0;
        self.updated = clock;
        self.held_since = 0;
    }

    /// As clients see a live task.
    fn message(&self) -> v1alpha1::Task {
        let starts = self.updated.max(self.not_before);
        let passes = i128::from(starts) + i128::from(self.timeout) * 1_000_000_000;
        let expires_at = i64::try_from(passes).ok().filter(|_| self.timeout > 0);
        v1alpha1::Task {
            uuid: self.uuid.to_string(),
            queue: self.queue.clone(),
            current_state: self.state.clone(),
            auto_target_state: self.target.clone(),
            submit_time: self.submitted,
            update_time: self.updated,
            timeout: self.timeout,
            payload: self.payload.clone().into(),
            priority: self.priority,
            attempt: self.attempt,
            worker: self.worker.clone(),
            expires_at: expires_at.unwrap_or(0),
            claim_timeout: self.claim_timeout,
            not_before: self.not_before,
            max_attempts: self.max_attempts,
            unique_key: self.unique_key.clone(),
            metadata: self.metadata.clone(),
            retry_backoff: self.backoff.map(|backoff| v1alpha1::RetryBackoff {
                initial: backoff[0],
                cap: backoff[1],
                factor_percent: backoff[2],
                jitter_percent: backoff[3],
            }),
            last_error: self.error.clone(),
        }
    }
}

impl From<&record::Task> for Row {
    fn from(task: &record::Task) -> Self {
        let extras = task.extras.as_deref().cloned().unwrap_or_default();
        Row {
            uuid: task.uuid,
            arrival: task.seq,
            queue: task.queue.to_string(),
            state: task.current_state.to_string(),
            target: task.auto_target_state.to_string(),
            submitted: task.submit_time_ns,
            updated: task.update_time_ns,
            timeout: task.timeout_s,
            priority: task.priority,
            payload: task.payload.to_vec(),
            attempt: task.attempt,
            worker: task.worker.to_string(),
            claim_timeout: task.claim_timeout_s,
            not_before: task.not_before_ns,
            max_attempts: task.max_attempts,
            unique_key: task
                .unique_key()
                .map_or_else(String::new, |key| key.to_string()),
            metadata: extras.metadata,
            spared: task.attempt - task.counted_attempts(),
            held_since: task.claimed_ns,
            backoff: extras.backoff.map(|backoff| backoff.numbers()),
            error: extras.last_error.to_string(),
            group: task
                .group()
                .map_or_else(String::new, |group| group.to_string()),
        }
    }
}

impl From<&Outcome> for Answer {
    fn from(outcome: &Outcome) -> Self {
        let row = |row: &Option<crate::queue::Row>| row.as_deref().map(Row::from);
        match outcome {
            Outcome::Task(task) => Answer::Task(row(task)),
            Outcome::Completed { task, next_task } => {
                Answer::Completed(row(task), row(next_task).map(Box::new))
            }
            Outcome::Tasks(rows) => {
                Answer::Tasks(rows.iter().map(|row| Row::from(&**row)).collect())
            }
            Outcome::Completions(results) => {
                let results = results.iter();
                let results = results.map(|result| (row(&result.task), row(&result.next_task)));
                Answer::Completions(results.collect())
            }
            Outcome::TimedOut { tasks, resume } => {
                Answer::TimedOut(*tasks, resume.map(|resume| (resume.at_ns, resume.seq)))
            }
            Outcome::Bulk {
                matched,
                changed,
                after,
                is_done,
            } => {
                let after = after.map(|after| (after.uuid, after.before_seq));
                Answer::Bulk(*matched, *changed, after, *is_done)
            }
            Outcome::Schedule(schedule) => {
                let schedule = schedule.as_ref();
                Answer::Schedule(schedule.map(|value| Schedule::decode(value.clone()).unwrap()))
            }
            Outcome::Expired { tasks, more } => Answer::Expired(*tasks, *more),
            Outcome::Ripened { tasks, more } => Answer::Ripened(*tasks, *more),
            Outcome::Refused(Refusal::StaleAttempt {
                uuid,
                attempt,
                worker,
            }) => Answer::Stale(*uuid, *attempt, worker.to_string()),
            Outcome::Refused(Refusal::UuidTaken { uuid }) => Answer::Taken(*uuid),
            Outcome::Refused(Refusal::KeyTaken {
                uuid,
                unique_key,
                holder,
            }) => Answer::KeyTaken(*uuid, unique_key.to_string(), *holder),
            Outcome::Forgotten { answers, more } => Answer::Forgotten(*answers, *more),
            Outcome::Refused(Refusal::TooManySchedules { .. }) => Answer::TooMany,
            Outcome::Refused(Refusal::KeyReused) => Answer::Reused,
            Outcome::Regrouped { tasks, more } => Answer::Regrouped(*tasks, *more),
            Outcome::Queue(_) => Answer::Set,
            Outcome::Refused(Refusal::QueueFull { queue, .. }) => Answer::Full(queue.to_string()),
            Outcome::Refused(Refusal::TooManyQueues { .. })
            | Outcome::Refused(Refusal::Malformed { .. }) => Answer::Malformed,
        }
    }
}
