//! A queue in memory, as the contract describes it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Answers;
use crate::history::{Act, Answer, Deed, Outcome, Request, Seen, Submitted};

const NS_PER_S: i64 = 1_000_000_000;
/// A stale read shows what was so many changes ago.
const BEHIND: usize = 5;

/// What a server can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// An acknowledged submit is lost now and then.
    LosesSubmits,
    /// Attempts are not compared.
    ForgetsFencing,
    /// Keys are not looked at.
    ForgetsKeys,
    /// What came back goes behind what came later.
    OrdersByUpdateTime,
    /// Reads show what was a while ago.
    ReadsStale,
    /// A lease is over after a tenth of its time.
    EndsLeasesEarly,
    /// A claim does not take the task out of its line.
    GivesTwice,
    /// A completion's next task is forgotten.
    ForgetsNext,
    /// A change is at an earlier time now and then.
    SetsClockBack,
    /// A claim takes a task more, for nobody.
    ClaimsForNobody,
    /// Ended tasks are counted.
    CountsEnded,
}

/// A task's place in its line.
type Place = (Reverse<i64>, i64, u64);

#[derive(Clone)]
struct Task {
    seen: Seen,
    place: Place,
    lease_s: i64,
    is_held: bool,
}

/// The server.
pub struct Server {
    bug: Option<Bug>,
    now_ns: i64,
    changes: u64,
    tasks: BTreeMap<String, Task>,
    lines: BTreeMap<String, BTreeSet<(Place, String)>>,
    /// Tasks by the moment where their timeouts are over.
    due: BTreeSet<(i64, String)>,
    live: BTreeMap<String, i64>,
    answers: Answers,
    /// The last changed tasks, as they were before.
    before: VecDeque<(String, Option<Task>)>,
}

impl Server {
    pub fn new(bug: Option<Bug>) -> Self {
        Self {
            bug,
            now_ns: 0,
            changes: 0,
            tasks: BTreeMap::new(),
            lines: BTreeMap::new(),
            due: BTreeSet::new(),
            live: BTreeMap::new(),
            answers: Answers::new(),
            before: VecDeque::new(),
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// The clock goes on, and leases run out.
    pub fn tick(&mut self, now_us: u64) {
        self.now_ns = i64::try_from(now_us * 1_000).unwrap_or(i64::MAX);
        while let Some((due_ns, uuid)) = self.due.first().cloned() {
            if due_ns >= self.now_ns {
                return;
            }
            if let Some(task) = self.tasks.get(&uuid).cloned() {
                self.put(given_back(task, self.now_ns));
            }
            self.due.remove(&(due_ns, uuid));
        }
    }

    pub fn serve(&mut self, request: &Request, key: Option<&str>) -> Outcome {
        let key = key.filter(|_| !self.has(Bug::ForgetsKeys));
        if let Some(known) = key.and_then(|key| self.answers.get(key)) {
            return known.clone();
        }
        let outcome = self.answer(request);
        if let Some(key) = key {
            self.answers.insert(key.to_owned(), outcome.clone());
        }
        outcome
    }

    fn answer(&mut self, request: &Request) -> Outcome {
        match request {
            Request::Submit(task) => shown(Some(self.submit(task)), None),
            Request::Claim(claim) => {
                if self.has(Bug::ClaimsForNobody) && self.changes.is_multiple_of(20) {
                    self.claim(&claim.state);
                }
                let task = self.claim(&claim.state);
                shown(task, None)
            }
            Request::Act(act) => self.act(act),
            Request::Get { uuid } => shown(self.get(uuid), None),
            Request::List { .. } => {
                let tasks = self.tasks.values().map(|task| task.seen.clone());
                Outcome::Ok(Answer::List {
                    tasks: tasks.collect(),
                })
            }
            Request::States { .. } => {
                let states = self.live.iter().filter(|(_, number)| **number > 0);
                let states: BTreeMap<String, i64> = states
                    .map(|(state, number)| (state.clone(), *number))
                    .collect();
                let count = states.values().sum();
                Outcome::Ok(Answer::States { count, states })
            }
            Request::Totals { .. } | Request::Status => Outcome::Fail("not simulated".into()),
        }
    }

    fn submit(&mut self, task: &Submitted) -> Seen {
        if let Some(known) = self.tasks.get(&task.uuid) {
            return known.seen.clone();
        }
        let seen = Seen {
            uuid: task.uuid.clone(),
            queue: task.queue.clone(),
            payload: task.payload.clone(),
            state: "submitted".into(),
            auto_target_state: "submitted-working".into(),
            attempt: 0,
            priority: task.priority,
            submit_time_ns: self.now_ns,
            update_time_ns: self.now_ns,
            timeout_s: 0,
            is_archived: false,
        };
        self.changes += 1;
        if self.has(Bug::LosesSubmits) && self.changes.is_multiple_of(20) {
            return seen;
        }
        self.put(Task {
            place: (Reverse(task.priority), self.now_ns, self.changes),
            seen: seen.clone(),
            lease_s: task.lease_s,
            is_held: false,
        });
        seen
    }

    fn claim(&mut self, state: &str) -> Option<Seen> {
        let (_, uuid) = self.lines.get(state)?.first()?.clone();
        let mut task = self.tasks.get(&uuid)?.clone();
        task.is_held = true;
        let seen = &mut task.seen;
        std::mem::swap(&mut seen.state, &mut seen.auto_target_state);
        seen.attempt += 1;
        seen.timeout_s = task.lease_s;
        seen.update_time_ns = self.now_ns;
        self.changes += 1;
        if self.has(Bug::SetsClockBack) && self.changes.is_multiple_of(20) {
            seen.update_time_ns -= NS_PER_S;
        }
        let shown = seen.clone();
        if !(self.has(Bug::GivesTwice) && self.changes.is_multiple_of(20)) {
            self.put(task);
        }
        Some(shown)
    }

    fn act(&mut self, act: &Act) -> Outcome {
        let live = self.tasks.get(&act.uuid);
        let Some(mut task) = live.filter(|task| !task.seen.is_archived).cloned() else {
            return shown(None, None);
        };
        if task.seen.attempt != act.attempt && !self.has(Bug::ForgetsFencing) {
            return Outcome::Fenced("another attempt".into());
        }
        if task.seen.state != act.state || act.deed == Deed::Fail && !task.is_held {
            return shown(None, None);
        }
        task.seen.update_time_ns = self.now_ns;
        let mut next = None;
        match &act.deed {
            Deed::Update { new_state, .. } => {
                task.is_held = false;
                task.seen.auto_target_state = format!("{new_state}-working");
                task.seen.state.clone_from(new_state);
                task.seen.timeout_s = 0;
            }
            Deed::Fail => task = given_back(task, self.now_ns),
            Deed::Extend => {}
            Deed::Complete { next: submitted } => {
                end(&mut task, "completed");
                next = submitted.as_ref();
            }
            Deed::Cancel => end(&mut task, "canceled"),
        }
        let seen = task.seen.clone();
        self.put(task);
        let next = next.map(|task| {
            let next = self.submit(task);
            if self.has(Bug::ForgetsNext) && self.changes.is_multiple_of(5) {
                self.forget(&next.uuid);
            }
            next
        });
        shown(Some(seen), next)
    }

    fn get(&self, uuid: &str) -> Option<Seen> {
        let now = || self.tasks.get(uuid).map(|task| task.seen.clone());
        if !self.has(Bug::ReadsStale) {
            return now();
        }
        let mut before = self.before.iter();
        match before.find(|(changed, _)| changed == uuid) {
            Some((_, task)) => task.as_ref().map(|task| task.seen.clone()),
            None => now(),
        }
    }

    fn forget(&mut self, uuid: &str) {
        if let Some(task) = self.tasks.remove(uuid) {
            self.index(&task, false);
        }
    }

    /// Puts a task in the place of what it was.
    fn put(&mut self, mut task: Task) {
        let uuid = task.seen.uuid.clone();
        if self.has(Bug::OrdersByUpdateTime) {
            task.place.1 = task.seen.update_time_ns;
        }
        let before = self.tasks.get(&uuid).cloned();
        if let Some(before) = &before {
            self.index(before, false);
        }
        self.index(&task, true);
        self.tasks.insert(uuid.clone(), task);
        self.before.push_back((uuid, before));
        if self.before.len() > BEHIND {
            self.before.pop_front();
        }
    }

    fn index(&mut self, task: &Task, is_there: bool) {
        let seen = &task.seen;
        let is_live = !seen.is_archived;
        let entry = (task.place, seen.uuid.clone());
        let line = self.lines.entry(seen.state.clone()).or_default();
        let lease_ns = match self.bug {
            Some(Bug::EndsLeasesEarly) => NS_PER_S / 10,
            _ => NS_PER_S,
        };
        let due = (
            seen.update_time_ns + seen.timeout_s * lease_ns,
            seen.uuid.clone(),
        );
        let number = self.live.entry(seen.state.clone()).or_default();
        let counts = is_live || self.bug == Some(Bug::CountsEnded);
        match is_there {
            true => {
                *number += i64::from(counts);
                if is_live && !task.is_held {
                    line.insert(entry);
                }
                if is_live && seen.timeout_s > 0 {
                    self.due.insert(due);
                }
            }
            false => {
                *number -= i64::from(counts);
                line.remove(&entry);
                self.due.remove(&due);
            }
        }
    }
}

fn given_back(mut task: Task, now_ns: i64) -> Task {
    let seen = &mut task.seen;
    std::mem::swap(&mut seen.state, &mut seen.auto_target_state);
    seen.timeout_s = 0;
    seen.update_time_ns = now_ns;
    task.is_held = false;
    task
}

fn end(task: &mut Task, state: &str) {
    state.clone_into(&mut task.seen.state);
    state.clone_into(&mut task.seen.auto_target_state);
    task.seen.payload.clear();
    task.seen.is_archived = true;
}

fn shown(task: Option<Seen>, next: Option<Seen>) -> Outcome {
    let [task, next] = [task, next].map(|task| task.map(Box::new));
    Outcome::Ok(Answer::Task { task, next })
}
