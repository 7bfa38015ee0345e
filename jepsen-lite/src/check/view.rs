//! A history from all sides that checkers look at it from.

use std::collections::{BTreeMap, HashMap};

use crate::history::{Answer, Operation, Request, Seen, Submitted};

use super::op::{Op, ops};
use super::origin::Origin;

/// What a call has to do with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It submits it, by itself or with a completion of another.
    Submit,
    /// It claims it.
    Claim,
    /// It acts on it.
    Act,
    /// It looks at it.
    Look,
}

/// A call that has to do with a task.
#[derive(Debug, Clone, Copy)]
pub struct Touch<'a> {
    pub op: Op<'a>,
    pub role: Role,
    /// The task as the answer shows it.
    pub seen: Option<&'a Seen>,
}

/// All that is known of a task.
#[derive(Debug, Default)]
pub struct TaskView<'a> {
    /// Where it comes from; none where nobody submitted it.
    pub origin: Option<Origin<'a>>,
    /// The calls that have to do with it, in the order in which they began.
    pub touches: Vec<Touch<'a>>,
}

impl<'a> TaskView<'a> {
    /// The claims that gave it, and what they showed.
    pub fn claims(&self) -> impl Iterator<Item = (Op<'a>, &'a Seen)> {
        let claims = self
            .touches
            .iter()
            .filter(|touch| touch.role == Role::Claim);
        claims.filter_map(|touch| Some((touch.op, touch.seen?)))
    }

    /// Its queue.
    pub fn queue(&self) -> Option<&'a str> {
        let submitted = self.origin.map(|origin| origin.submitted.queue.as_str());
        let shown = self.touches.iter().find_map(|touch| touch.seen);
        submitted.or(shown.map(|seen| seen.queue.as_str()))
    }
}

/// A history, by call and by task.
pub struct View<'a> {
    /// The calls as they were made, in the order in which they began.
    pub operations: &'a [Operation],
    /// The acts, tries under one key taken together, in the order in which they began.
    pub ops: Vec<Op<'a>>,
    /// The tasks by uuid.
    pub tasks: BTreeMap<&'a str, TaskView<'a>>,
    /// Submits in doubt whose tasks have no uuid that is known, by payload.
    pub nameless: HashMap<&'a str, Op<'a>>,
}

impl<'a> View<'a> {
    /// Sorts a history.
    pub fn new(operations: &'a [Operation]) -> Self {
        let ops = ops(operations);
        let names = names(&ops);
        let mut view = Self {
            operations,
            ops: Vec::new(),
            tasks: BTreeMap::new(),
            nameless: HashMap::new(),
        };
        for op in &ops {
            view.sort(*op, &names);
        }
        view.ops = ops;
        view
    }

    fn sort(&mut self, op: Op<'a>, names: &HashMap<&'a str, &'a str>) {
        match op.request {
            Request::Submit(task) => self.submit(op, task, op.task(), names),
            Request::Claim(_) => {
                if let Some(seen) = op.task() {
                    self.touch(&seen.uuid, op, Role::Claim, Some(seen));
                }
            }
            Request::Act(act) => {
                self.touch(&act.uuid, op, Role::Act, op.task());
                if let Some(task) = op.request.next() {
                    self.submit(op, task, op.outcome.next(), names);
                }
            }
            Request::Get { uuid } => self.touch(uuid, op, Role::Look, op.task()),
            Request::List { .. } => {
                if let Some(Answer::List { tasks }) = op.answer() {
                    for seen in tasks {
                        self.touch(&seen.uuid, op, Role::Look, Some(seen));
                    }
                }
            }
            Request::States { .. } | Request::Totals { .. } | Request::Status => {}
        }
    }

    fn touch(&mut self, uuid: &'a str, op: Op<'a>, role: Role, seen: Option<&'a Seen>) {
        let task = self.tasks.entry(uuid).or_default();
        task.touches.push(Touch { op, role, seen });
    }

    fn submit(
        &mut self,
        op: Op<'a>,
        task: &'a Submitted,
        seen: Option<&'a Seen>,
        names: &HashMap<&'a str, &'a str>,
    ) {
        let shown = seen.map(|seen| seen.uuid.as_str());
        let asked = (!task.uuid.is_empty()).then_some(task.uuid.as_str());
        let named = || names.get(task.payload.as_str()).copied();
        let Some(uuid) = shown.or(asked).or_else(named) else {
            if op.is_unknown() {
                self.nameless.insert(&task.payload, op);
            }
            return;
        };
        let origin = Origin::of(op, task);
        let known = self.tasks.entry(uuid).or_default();
        match &mut known.origin {
            Some(known) => known.add(origin),
            None => known.origin = Some(origin),
        }
        self.touch(uuid, op, Role::Submit, seen);
    }
}

/// The uuids that the server gave to tasks, by payload, as answers show them.
fn names<'a>(ops: &[Op<'a>]) -> HashMap<&'a str, &'a str> {
    let mut names = HashMap::new();
    for op in ops {
        let listed = match op.answer() {
            Some(Answer::List { tasks }) => tasks.as_slice(),
            _ => &[],
        };
        let shown = [op.task(), op.outcome.next()].into_iter().flatten();
        for seen in shown.chain(listed) {
            if !seen.payload.is_empty() {
                names
                    .entry(seen.payload.as_str())
                    .or_insert(seen.uuid.as_str());
            }
        }
    }
    names
}
