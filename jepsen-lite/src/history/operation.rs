//! A call with both its ends.

use std::sync::Arc;

use super::{Answer, Request, Seen};

/// The end of a call that may still be done.
pub const UNKNOWN: usize = usize::MAX;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Answered.
    Ok(Answer),
    /// Refused: the live task has another attempt. Nothing was done.
    Fenced(String),
    /// Nothing was done.
    Fail(String),
    /// It may have been done, may be done later, or never.
    Unknown(String),
}

impl Outcome {
    /// The task of an answer that has one.
    pub fn task(&self) -> Option<&Seen> {
        match self {
            Self::Ok(Answer::Task { task, .. }) => task.as_deref(),
            _ => None,
        }
    }

    /// The task that was submitted along with a completion.
    pub fn next(&self) -> Option<&Seen> {
        match self {
            Self::Ok(Answer::Task { next, .. }) => next.as_deref(),
            _ => None,
        }
    }

    /// Whether it is certain what the call did.
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}

/// One call of a client to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its number, unique in a run.
    pub call: u64,
    /// Who called.
    pub client: Arc<str>,
    /// The node that was asked.
    pub node: u64,
    /// The idempotency key; calls that share one are tries of the same act.
    pub key: Option<String>,
    /// When it began, microseconds since the run began.
    pub at_us: u64,
    /// When it ended, by the same clock; `at_us` where it did not.
    pub end_us: u64,
    /// The place of its beginning among all beginnings and ends of the run.
    pub invoked: usize,
    /// The place of its end; [`UNKNOWN`] where it may still be done.
    pub returned: usize,
    /// What was asked.
    pub request: Request,
    /// How it ended.
    pub outcome: Outcome,
}

impl Operation {
    /// The same call as if its answer had been lost.
    pub fn weakened(mut self) -> Self {
        self.returned = UNKNOWN;
        self.outcome = Outcome::Unknown("not looked at".into());
        self
    }
}
