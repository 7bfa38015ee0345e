//! Where tasks come from.

use crate::history::Submitted;

use super::op::Op;

/// Whether a call put a task in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Done {
    No,
    Maybe,
    Yes,
}

/// How a task was submitted: by itself, or with a completion.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The most certain of the calls that did it; of several, the one that was over first.
    pub op: Op<'a>,
    /// What was submitted.
    pub submitted: &'a Submitted,
    /// How certain that is.
    pub done: Done,
    /// The place from which on it may be there.
    pub since: usize,
    /// How many calls wanted it.
    pub calls: usize,
}

impl<'a> Origin<'a> {
    pub fn of(op: Op<'a>, submitted: &'a Submitted) -> Self {
        let done = match op.answer() {
            // A completion that changed nothing submits nothing.
            Some(_) if op.task().is_none() => Done::No,
            Some(_) => Done::Yes,
            None if op.is_unknown() => Done::Maybe,
            None => Done::No,
        };
        let since = if done == Done::No {
            usize::MAX
        } else {
            op.invoked
        };
        Self {
            op,
            submitted,
            done,
            since,
            calls: 1,
        }
    }

    /// Takes in another call that wanted the same task.
    pub fn add(&mut self, other: Self) {
        let since = self.since.min(other.since);
        let calls = self.calls + other.calls;
        let is_better = other.done > self.done
            || other.done == self.done && other.op.returned < self.op.returned;
        if is_better {
            *self = other;
        }
        self.since = since;
        self.calls = calls;
    }

    /// Whether it certainly was there before the other call began.
    pub fn is_surely_before(&self, other: &Op) -> bool {
        self.done == Done::Yes && self.op.is_before(other)
    }
}
