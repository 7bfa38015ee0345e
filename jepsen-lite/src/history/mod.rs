//! What clients asked and were told.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

mod event;
mod operation;

pub use event::{Event, What, events, read};
pub use operation::{Operation, Outcome, UNKNOWN};

/// A task that is to be submitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// Its queue.
    pub queue: String,
    /// The client's choice; empty leaves it to the server.
    pub uuid: String,
    /// Unique in all histories of a run.
    pub payload: String,
    /// Higher ones are claimed first.
    pub priority: i64,
    /// How long each lease lasts, seconds.
    pub lease_s: i64,
}

/// `GetNextTask`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Where to look.
    pub queue: String,
    /// The state of the tasks that are wanted.
    pub state: String,
    /// Who claims.
    pub worker: String,
    /// How long to wait for a task.
    pub wait_ms: i64,
}

/// What a holder does with a task. It relies on its lease: queue, state and attempt as the claim showed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The task's queue.
    pub queue: String,
    /// The task.
    pub uuid: String,
    /// The lease.
    pub attempt: i64,
    /// The state that the task should be in.
    pub state: String,
    /// What is done.
    #[serde(flatten)]
    pub deed: Deed,
}

/// The kinds of acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum Deed {
    /// `UpdateTask`: it is given on in another state.
    Update {
        /// The state that it goes to.
        new_state: String,
        /// Its priority from then on.
        priority: i64,
    },
    /// `CompleteTask`.
    Complete {
        /// Submitted in the same step.
        next: Option<Submitted>,
    },
    /// `CancelTask`.
    Cancel,
    /// `FailTask`: it goes back.
    Fail,
    /// `ExtendTask`: the lease starts anew.
    Extend,
}

/// When totals are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before a round: what they show belongs to earlier ones.
    Begin,
    /// While tasks come and go.
    Meanwhile,
    /// When all has been taken out.
    End,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// `SubmitTask`.
    Submit(Submitted),
    /// `GetNextTask`.
    Claim(Claim),
    /// Acts on a leased task.
    Act(Act),
    /// `GetTask`.
    Get {
        /// The task.
        uuid: String,
    },
    /// `ListTasks`, all pages, live and archived.
    List {
        /// The queue that is listed.
        queue: String,
    },
    /// `GetTaskStateCounts`.
    States {
        /// The queue that is counted.
        queue: String,
    },
    /// The totals of all queues, from the metrics.
    Totals {
        /// When they are read.
        when: When,
    },
    /// The cluster's status.
    Status,
}

impl Request {
    /// Its name, as reports show it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Submit(_) => "submit",
            Self::Claim(_) => "claim",
            Self::Act(act) => match act.deed {
                Deed::Update { .. } => "update",
                Deed::Complete { .. } => "complete",
                Deed::Cancel => "cancel",
                Deed::Fail => "fail",
                Deed::Extend => "extend",
            },
            Self::Get { .. } => "get",
            Self::List { .. } => "list",
            Self::States { .. } => "states",
            Self::Totals { .. } => "totals",
            Self::Status => "status",
        }
    }

    /// The task that it submits along with a completion.
    pub fn next(&self) -> Option<&Submitted> {
        match self {
            Self::Act(Act {
                deed: Deed::Complete { next },
                ..
            }) => next.as_ref(),
            _ => None,
        }
    }
}

/// A task as an answer shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its uuid.
    pub uuid: String,
    /// Its queue.
    pub queue: String,
    /// Its payload; the archive keeps none.
    pub payload: String,
    /// Its current state.
    pub state: String,
    /// The state that a claim or a timeout brings it to.
    pub auto_target_state: String,
    /// How often it was claimed.
    pub attempt: i64,
    /// Its priority.
    pub priority: i64,
    /// When it was submitted, nanoseconds since 1970 by the server's clock.
    pub submit_time_ns: i64,
    /// When it last changed, by the same clock.
    pub update_time_ns: i64,
    /// Its timeout, seconds; 0 is none.
    pub timeout_s: i64,
    /// Whether it has ended.
    pub is_archived: bool,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in {}, attempt {}, priority {}, changed at {}",
            self.uuid, self.state, self.attempt, self.priority, self.update_time_ns
        )
    }
}

/// The totals of all queues since the cluster began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Tasks that have not ended.
    pub live: i64,
    /// Tasks that were ever submitted.
    pub submitted: i64,
    /// Tasks that have ended.
    pub archived: i64,
}

/// How far a node is, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its id.
    pub id: u64,
    /// The last log entry that it has applied.
    pub applied: u64,
    /// The hash of its state by then; text, since JSON's numbers are too short for it.
    pub hash: String,
}

/// The cluster as one node sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// The leader's id; 0 while there is none.
    pub leader: u64,
    /// The term.
    pub term: u64,
    /// The cluster's id.
    pub cluster_id: String,
    /// The nodes that answered it.
    pub nodes: Vec<NodeView>,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The task that was changed or found; none where nothing matched.
    Task {
        /// The task.
        task: Option<Box<Seen>>,
        /// The one that was submitted along with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Box<Seen>>,
    },
    /// All tasks of a queue.
    List {
        /// In the order of their uuids.
        tasks: Vec<Seen>,
    },
    /// The live tasks of a queue by state.
    States {
        /// All of them.
        count: i64,
        /// Those in each state.
        states: BTreeMap<String, i64>,
    },
    /// The totals.
    Totals(Totals),
    /// The cluster.
    Status(ClusterView),
}
