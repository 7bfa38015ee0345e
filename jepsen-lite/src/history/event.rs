//! Histories as lines: a call begins, or its answer is there.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Answer, Operation, Outcome, Request, UNKNOWN};

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since the run began.
    pub at_us: u64,
    /// The call's number; its two events share it.
    pub call: u64,
    /// Who called.
    pub client: Arc<str>,
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
        /// The idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// It was answered.
    Ok {
        /// What was answered.
        answer: Answer,
    },
    /// The server refused it for its attempt.
    Fenced {
        /// The server's words.
        why: String,
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

impl What {
    /// Its name, as in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Invoke { .. } => "invoke",
            Self::Ok { .. } => "ok",
            Self::Fenced { .. } => "fenced",
            Self::Fail { .. } => "fail",
            Self::Unknown { .. } => "unknown",
        }
    }
}

impl From<Outcome> for What {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok(answer) => Self::Ok { answer },
            Outcome::Fenced(why) => Self::Fenced { why },
            Outcome::Fail(why) => Self::Fail { why },
            Outcome::Unknown(why) => Self::Unknown { why },
        }
    }
}

/// The lines that those calls are, in order. An unknown end stands where its client gave up.
pub fn events<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Vec<Event> {
    let mut placed: Vec<(u64, usize, Event)> = Vec::new();
    for operation in operations {
        let event = |at_us, what| Event {
            at_us,
            call: operation.call,
            client: operation.client.clone(),
            node: operation.node,
            what,
        };
        let invoke = What::Invoke {
            request: operation.request.clone(),
            key: operation.key.clone(),
        };
        let end = operation.outcome.clone().into();
        placed.push((
            operation.at_us,
            operation.invoked,
            event(operation.at_us, invoke),
        ));
        placed.push((
            operation.end_us,
            operation.returned,
            event(operation.end_us, end),
        ));
    }
    placed.sort_by_key(|(at_us, place, _)| (*at_us, *place));
    placed.into_iter().map(|(_, _, event)| event).collect()
}

/// Reads a history's calls, in the order in which they began. A call without an end is unknown.
///
/// # Errors
/// Where a line can't be read, or is none of a history.
pub fn read(lines: impl BufRead) -> io::Result<Vec<Operation>> {
    let mut calls: HashMap<u64, usize> = HashMap::new();
    let mut operations: Vec<Operation> = Vec::new();
    for (place, line) in lines.lines().enumerate() {
        let event: Event = serde_json::from_str(&line?)
            .map_err(|error| io::Error::other(format!("line {}: {error}", place + 1)))?;
        add(event, place, &mut calls, &mut operations);
    }
    Ok(operations)
}

fn add(
    event: Event,
    place: usize,
    calls: &mut HashMap<u64, usize>,
    operations: &mut Vec<Operation>,
) {
    let (returned, outcome) = match event.what {
        What::Invoke { request, key } => {
            calls.insert(event.call, operations.len());
            operations.push(Operation {
                call: event.call,
                client: event.client,
                node: event.node,
                key,
                at_us: event.at_us,
                end_us: event.at_us,
                invoked: place,
                returned: UNKNOWN,
                request,
                outcome: Outcome::Unknown("no answer".into()),
            });
            return;
        }
        What::Ok { answer } => (place, Outcome::Ok(answer)),
        What::Fenced { why } => (place, Outcome::Fenced(why)),
        What::Fail { why } => (place, Outcome::Fail(why)),
        What::Unknown { why } => (UNKNOWN, Outcome::Unknown(why)),
    };
    let began = calls.get(&event.call);
    if let Some(operation) = began.and_then(|at| operations.get_mut(*at)) {
        operation.end_us = event.at_us;
        operation.returned = returned;
        operation.outcome = outcome;
    }
}
