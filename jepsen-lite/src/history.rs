//! What clients asked and were told, in the order in which they did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One line of a history: a call begins, or its answer is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since the run began.
    pub at_us: u64,
    /// The call's number; its two events share it.
    pub call: u64,
    /// Who called.
    pub client: String,
    /// The node that was asked.
    pub node: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// The two ends of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum What {
    /// It is about to be sent.
    Invoke {
        /// What is asked.
        request: Request,
    },
    /// It was answered.
    Ok {
        /// What was answered.
        answer: Answer,
    },
    /// It is certain that nothing was done.
    Fail {
        /// The server's words.
        why: String,
    },
    /// It may have been done, may be done later, or never.
    Unknown {
        /// What the client saw of it.
        why: String,
    },
}

/// A task that is to be submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The client's choice.
    pub uuid: String,
    /// Unique in the history.
    pub payload: String,
}

/// What a client asks. Acts carry the attempt of the lease that they rely on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// `SubmitTask`.
    Submit(Submitted),
    /// `GetNextTask` from that state.
    Claim {
        /// Who claims.
        worker: String,
        /// The state of the tasks that it wants.
        state: String,
    },
    /// `UpdateTask` of a leased task: it is given on in another state.
    Update {
        /// The task.
        uuid: String,
        /// The lease.
        attempt: i64,
        /// The state that it should be in.
        state: String,
        /// The state that it goes to.
        new_state: String,
    },
    /// `CompleteTask` of a leased task.
    Complete {
        /// The task.
        uuid: String,
        /// The lease.
        attempt: i64,
        /// The state that it should be in.
        state: String,
        /// Submitted in the same step.
        next: Option<Submitted>,
    },
    /// `GetTask`.
    Get {
        /// The task.
        uuid: String,
    },
    /// The totals: live tasks by `GetQueues`, the rest from the metrics.
    Counts,
}

/// A task as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its uuid.
    pub uuid: String,
    /// Its payload; the archive keeps none.
    pub payload: String,
    /// Its current state.
    pub state: String,
    /// How often it was claimed.
    pub attempt: i64,
    /// When it last changed, nanoseconds since 1970 by the server's clock.
    pub update_time_ns: i64,
    /// Whether it has ended.
    pub is_archived: bool,
}

/// The totals of a cluster that holds the history's tasks alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tasks that have not ended.
    pub live: i64,
    /// Tasks that were ever submitted.
    pub submitted: i64,
    /// Tasks that have ended.
    pub archived: i64,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The task that was changed or found; none where nothing matched.
    Task(Option<Seen>),
    /// The totals.
    Counts(Counts),
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Answered.
    Ok(Answer),
    /// Nothing was done.
    Fail(String),
    /// Not known.
    Unknown(String),
}

impl Outcome {
    /// The task of an answer that has one.
    pub fn task(&self) -> Option<&Seen> {
        match self {
            Self::Ok(Answer::Task(task)) => task.as_ref(),
            _ => None,
        }
    }
}

/// A call with both its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub call: u64,
    /// The place of its beginning in the history.
    pub invoked: usize,
    /// The place of its end; the largest number where it is unknown, since it may still be done.
    pub returned: usize,
    /// What was asked.
    pub request: Request,
    /// How it ended.
    pub outcome: Outcome,
}

impl Operation {
    /// The task of an answer that has one.
    pub fn task(&self) -> Option<&Seen> {
        self.outcome.task()
    }

    /// Whether it was over before the other began.
    pub fn is_before(&self, other: &Self) -> bool {
        self.returned < other.invoked
    }
}

/// The calls of a history, in the order in which they began. A call without an end is unknown.
pub fn operations(events: &[Event]) -> Vec<Operation> {
    let mut calls: BTreeMap<u64, usize> = BTreeMap::new();
    let mut operations: Vec<Operation> = Vec::new();
    for (place, event) in events.iter().enumerate() {
        let (returned, outcome) = match &event.what {
            What::Invoke { request } => {
                calls.insert(event.call, operations.len());
                operations.push(Operation {
                    call: event.call,
                    invoked: place,
                    returned: usize::MAX,
                    request: request.clone(),
                    outcome: Outcome::Unknown("no answer".into()),
                });
                continue;
            }
            What::Ok { answer } => (place, Outcome::Ok(answer.clone())),
            What::Fail { why } => (place, Outcome::Fail(why.clone())),
            What::Unknown { why } => (usize::MAX, Outcome::Unknown(why.clone())),
        };
        let began = calls.get(&event.call);
        if let Some(operation) = began.and_then(|at| operations.get_mut(*at)) {
            operation.returned = returned;
            operation.outcome = outcome;
        }
    }
    operations
}

/// The part of a history that those calls are.
pub fn part(events: &[Event], calls: &[u64]) -> Vec<Event> {
    let chosen = events.iter().filter(|event| calls.contains(&event.call));
    chosen.cloned().collect()
}
