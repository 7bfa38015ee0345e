//! What a command came to. Refusals are outcomes too: the same on every node.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::proto::durable::QueueSettings;
use crate::store::record::{Deadline, Name, Task};

/// A task in an answer, and where it is: no timeout runs in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// It can be claimed, updated and ended.
    Live(Arc<Task>),
    /// It has ended.
    Archived(Arc<Task>),
}

impl Deref for Row {
    type Target = Task;

    fn deref(&self) -> &Task {
        match self {
            Self::Live(task) | Self::Archived(task) => task,
        }
    }
}

/// What a completion came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The archived task; none where nothing was changed.
    pub task: Option<Row>,
    /// The task that was submitted in the same step.
    pub next_task: Option<Row>,
}

/// How far an act on many tasks has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last task that was looked at.
    pub uuid: Uuid,
    /// Only tasks with smaller numbers are meant.
    pub before_seq: u64,
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Submit, claim, update, extend, fail and cancel: the task as it is now, or nothing to act on.
    Task(Option<Row>),
    /// Complete: the completed task, or nothing to act on, and what was submitted with it.
    Completed {
        /// The archived task.
        task: Option<Row>,
        /// The task that was submitted in the same step.
        next_task: Option<Row>,
    },
    /// A batch of submits: their tasks as they are now, in order. A claim of many: what was claimed.
    Tasks(Vec<Row>),
    /// A batch of completions: what each came to, in order.
    Completions(Vec<Completion>),
    /// Put or delete a schedule: its document as it is now, or was; or none.
    Schedule(Option<Bytes>),
    /// One step of a clean-up.
    TimedOut {
        /// How many tasks it and the steps before it timed out.
        tasks: u64,
        /// Where the next step starts; none when nothing that is due is left.
        resume: Option<Deadline>,
    },
    /// One step of forgetting the archive.
    Expired {
        /// How many tasks it forgot.
        tasks: u64,
        /// Whether older tasks than asked for are left.
        more: bool,
    },
    /// One step of making delayed tasks claimable.
    Ripened {
        /// How many tasks it made claimable.
        tasks: u64,
        /// Whether more are due.
        more: bool,
    },
    /// One step of forgetting remembered answers.
    Forgotten {
        /// How many answers it forgot.
        answers: u64,
        /// Whether more of them are over.
        more: bool,
    },
    /// One step of an act on many tasks.
    Bulk {
        /// How many tasks were meant, by it and the steps before it.
        matched: u64,
        /// How many of them were changed.
        changed: u64,
        /// Where to go on; none when all were looked at.
        after: Option<Cursor>,
        /// Whether it was the last step: all were looked at, or as many changed as was asked for.
        is_done: bool,
    },
    /// One step of moving a queue's tasks to other groups.
    Regrouped {
        /// How many tasks it moved.
        tasks: u64,
        /// Whether others are left to be looked at.
        more: bool,
    },
    /// How the queue is run from now on.
    Queue(QueueSettings),
    /// Nothing was changed, for a reason.
    Refused(Refusal),
}

impl Outcome {
    /// Whether there was nothing to hand out: a claim that waits goes on waiting.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Task(task) => task.is_none(),
            Self::Tasks(tasks) => tasks.is_empty(),
            _ => false,
        }
    }
}

/// Why a command changed nothing, where the contract wants an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The lease is another one by now.
    #[error("task {uuid} is at attempt {attempt}, held by worker {worker:?}: this lease is over")]
    StaleAttempt {
        /// The task.
        uuid: Uuid,
        /// Its attempt now.
        attempt: i64,
        /// Who claimed it last.
        worker: Name,
    },
    /// The uuid was used before, by another request.
    #[error("a task with uuid {uuid} exists already, from another request")]
    UuidTaken {
        /// The uuid.
        uuid: Uuid,
    },
    /// The uuid and the unique key of a submit belong to different tasks.
    #[error(
        "the task with uuid {uuid} is not the one with unique_key {unique_key:?}: that is {holder}"
    )]
    KeyTaken {
        /// The uuid.
        uuid: Uuid,
        /// The key.
        unique_key: Name,
        /// The live task that has the key.
        holder: Uuid,
    },
    /// No schedule may come to those that there are.
    #[error("there are {limit} schedules already, and no more may be put in")]
    TooManySchedules {
        /// How many there may be.
        limit: u64,
    },
    /// As many tasks wait in the queue as may.
    #[error("queue {queue:?} is full: max_waiting is {max_waiting}")]
    QueueFull {
        /// The queue.
        queue: Name,
        /// Its limit.
        max_waiting: u64,
    },
    /// As many queues have settings as may.
    #[error("queue: {limit} queues have settings already, which is the limit")]
    TooManyQueues {
        /// The limit.
        limit: u64,
    },
    /// The request key was used before, by another call or request.
    #[error("idempotency-key: it was given with another call or request before")]
    KeyReused,
    /// A log entry of a newer version, or of a broken one.
    #[error("this command can't be read: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
    },
}
