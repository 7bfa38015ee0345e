//! What a client wanted once: one call, or all its tries under one idempotency key.

use std::collections::HashMap;

use crate::history::{Answer, Operation, Outcome, Request, Seen, UNKNOWN};

/// An act of a client, with the time in which it was done, if it was.
#[derive(Debug, Clone, Copy)]
pub struct Op<'a> {
    /// The number of the call that was answered; of the first try where none was.
    pub call: u64,
    /// The place where its first try began.
    pub invoked: usize,
    /// The place where its first answer came; [`UNKNOWN`] where it may still be done.
    pub returned: usize,
    /// The moment where its first try began, microseconds since the run began.
    pub at_us: u64,
    /// The moment where its first answer came.
    pub end_us: u64,
    /// What was asked.
    pub request: &'a Request,
    /// How it ended.
    pub outcome: &'a Outcome,
}

impl<'a> Op<'a> {
    fn of(operation: &'a Operation) -> Self {
        Self {
            call: operation.call,
            invoked: operation.invoked,
            returned: operation.returned,
            at_us: operation.at_us,
            end_us: operation.end_us,
            request: &operation.request,
            outcome: &operation.outcome,
        }
    }

    /// The task of an answer that has one.
    pub fn task(&self) -> Option<&'a Seen> {
        self.outcome.task()
    }

    /// The answer.
    pub fn answer(&self) -> Option<&'a Answer> {
        match self.outcome {
            Outcome::Ok(answer) => Some(answer),
            _ => None,
        }
    }

    /// Whether it may be done, or have been done, and nobody knows.
    pub fn is_unknown(&self) -> bool {
        matches!(self.outcome, Outcome::Unknown(_))
    }

    /// Whether it certainly did nothing.
    pub fn is_nothing(&self) -> bool {
        matches!(self.outcome, Outcome::Fail(_) | Outcome::Fenced(_))
    }

    /// Whether it was over before the other began.
    pub fn is_before(&self, other: &Self) -> bool {
        self.returned < other.invoked
    }

    /// Takes in another try of the same act. What was answered first counts; a try that failed says nothing of the others.
    fn add(&mut self, other: Self) {
        let rank = |op: &Self| match op.outcome {
            Outcome::Ok(_) | Outcome::Fenced(_) => 0,
            Outcome::Unknown(_) => 1,
            Outcome::Fail(_) => 2,
        };
        let is_better = (rank(&other), other.returned) < (rank(self), self.returned);
        let (invoked, at_us) = (self.invoked, self.at_us);
        if is_better {
            *self = Self {
                invoked,
                at_us,
                ..other
            };
        }
        if self.is_unknown() {
            self.returned = UNKNOWN;
        }
    }
}

/// The acts of a history, in the order in which they began.
pub fn ops(operations: &[Operation]) -> Vec<Op<'_>> {
    let mut keys: HashMap<&str, usize> = HashMap::new();
    let mut ops: Vec<Op> = Vec::with_capacity(operations.len());
    for operation in operations {
        let op = Op::of(operation);
        if let Some(key) = &operation.key {
            if let Some(first) = keys.get(key.as_str()).and_then(|at| ops.get_mut(*at)) {
                first.add(op);
                continue;
            }
            keys.insert(key, ops.len());
        }
        ops.push(op);
    }
    ops
}
