//! The contract once more, as naively as it can be said: a list of tasks, and scans.
//!
//! Shares no code with the machine but the messages, so that both must be wrong
//! in the same way to agree.

use std::collections::BTreeMap;

use uuid::Uuid;

use prost::Message;

use super::limits_model::Limits;
use crate::proto::durable::{
    Claim, ClaimTasks, Command, Complete, CompleteTasks, Expire, Extend, Forget, Submit,
    SubmitTasks, Target, TimeOut, Update, command::Kind,
};
use crate::proto::v1alpha1;
use crate::queue::{Outcome, Refusal};
use crate::store::record;

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
    /// Whether a worker holds it.
    pub claimed: bool,
    pub group: String,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub row: Row,
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
            Kind::Extend(extend) => self.extend(extend),
            Kind::SubmitTasks(batch) => self.submit_tasks(batch),
            Kind::ClaimTasks(batch) => self.claim_tasks(batch),
            Kind::CompleteTasks(batch) => self.complete_tasks(batch),
            Kind::TimeOut(time_out) => self.time_out(time_out),
            Kind::Expire(expire) => self.expire(expire),
            // Every entry begins with what is due, and no test has more than fits there.
            Kind::Ripen(_) => Answer::Ripened(0, false),
            Kind::Forget(forget) => self.forget(forget),
            Kind::SetQueue(set) => self.set_queue(set),
            Kind::Regroup(regroup) => self.regroup(regroup),
        }
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
        let (timeout, claim_timeout) = self.timeouts(submit);
        let row = Row {
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
            claimed: false,
            group: self.group_of(submit),
        };
        self.submitted += 1;
        self.tasks.push(Entry {
            row: row.clone(),
            request: submit.client_uuid.then(|| submit.clone()),
            archived: None,
            kept_by_queue: false,
        });
        Answer::Task(Some(row))
    }

    fn submit_tasks(&mut self, batch: &SubmitTasks) -> Answer {
        let (tasks, submitted) = (self.tasks.clone(), self.submitted);
        let mut rows = Vec::new();
        for submit in &batch.tasks {
            match self.submit(submit) {
                Answer::Task(row) => rows.extend(row),
                refused => {
                    (self.tasks, self.submitted) = (tasks, submitted);
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
        self.tasks[at].row = self.claimed(at, claim);
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
            self.tasks[at].row = row.clone();
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
        row.claimed = true;
        row.worker = claim.worker.clone();
        row.updated = self.clock;
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
        let row = &mut self.tasks[at].row;
        row.claimed &= row.state == update.new_state;
        row.state = update.new_state.clone();
        row.target = update.auto_target_state.clone();
        row.timeout = update.timeout_s.max(0);
        row.priority = update.priority;
        row.updated = self.clock;
        if !update.payload.is_empty() {
            row.payload = update.payload.to_vec();
        }
        Answer::Task(Some(row.clone()))
    }

    fn extend(&mut self, extend: &Extend) -> Answer {
        let at = match self.find(extend.target.as_ref()) {
            Ok(Some(at)) => at,
            Ok(None) => return Answer::Task(None),
            Err(refused) => return refused,
        };
        let row = &mut self.tasks[at].row;
        row.updated = self.clock;
        if extend.timeout_s > 0 {
            row.timeout = extend.timeout_s;
        }
        if extend.timeout_s < 0 {
            row.timeout = 0;
        }
        Answer::Task(Some(row.clone()))
    }

    fn archive(&mut self, at: usize, state: &str) -> Row {
        match state {
            "completed" => self.completed += 1,
            _ => self.canceled += 1,
        }
        let kept_by_queue = self.has_retention(&self.tasks[at].row.queue);
        let entry = &mut self.tasks[at];
        entry.kept_by_queue = kept_by_queue;
        entry.archived = Some((self.index, self.clock));
        entry.row.state = state.into();
        entry.row.target = state.into();
        entry.row.updated = self.clock;
        entry.row.payload.clear();
        entry.row.claimed = false;
        entry.row.clone()
    }

    fn complete(&mut self, complete: &Complete) -> Answer {
        let at = match self.find(complete.target.as_ref()) {
            Ok(Some(at)) => at,
            Ok(None) => return Answer::Completed(None, None),
            Err(refused) => return refused,
        };
        let (live, completed) = (self.tasks[at].clone(), self.completed);
        let row = self.archive(at, "completed");
        let Some(next) = &complete.next_task else {
            return Answer::Completed(Some(row), None);
        };
        match self.submit(next) {
            Answer::Task(next) => Answer::Completed(Some(row), next.map(Box::new)),
            refused => {
                self.tasks[at] = live;
                self.completed = completed;
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
        let mut due = Vec::new();
        for (at, entry) in self.tasks.iter().enumerate() {
            let row = &entry.row;
            let starts = row.updated.max(row.not_before);
            let passes = i128::from(starts) + i128::from(row.timeout) * 1_000_000_000;
            let runs = entry.archived.is_none() && row.timeout > 0;
            if runs && passes < i128::from(time_out.at_time_ns) {
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
            let row = &mut self.tasks[*at].row;
            if time_out.queue.is_empty() || time_out.queue == row.queue {
                std::mem::swap(&mut row.state, &mut row.target);
                if row.max_attempts > 0 && row.attempt >= row.max_attempts {
                    row.target = std::mem::replace(&mut row.state, "dead".into());
                }
                row.timeout = 0;
                row.updated = self.clock;
                row.claimed = false;
                tasks += 1;
            }
        }
        self.timed_out += tasks;
        let last = due.last().map(|due| due.0);
        Answer::TimedOut(time_out.already + tasks, last.filter(|_| full))
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
        }
    }
}

impl From<&record::Task> for Row {
    fn from(task: &record::Task) -> Self {
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
            metadata: task.extras.as_deref().cloned().unwrap_or_default().metadata,
            claimed: task.is_in_flight(),
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
            Outcome::Refused(Refusal::KeyReused) => Answer::Reused,
            Outcome::Regrouped { tasks, more } => Answer::Regrouped(*tasks, *more),
            Outcome::Queue(_) => Answer::Set,
            Outcome::Refused(Refusal::QueueFull { queue, .. }) => Answer::Full(queue.to_string()),
            Outcome::Refused(Refusal::TooManyQueues { .. })
            | Outcome::Refused(Refusal::Malformed { .. }) => Answer::Malformed,
        }
    }
}
