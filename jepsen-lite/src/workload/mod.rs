//! What clients do. One file a workload; each has queues of its own, so that all can run side by side.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use parking_lot::Mutex;

use crate::history::{Act, Claim, Deed, Outcome, Request, Seen, Submitted};
use crate::session::Session;

mod leases;
mod members;
mod queue;
mod reads;
mod retries;

/// The states that tasks wait in: the first, and the one that updates give them on to.
pub const WAITING: [&str; 2] = ["submitted", "second"];
/// So many of a workload's last tasks are looked at again and again.
const REMEMBERED: usize = 100;

/// What clients can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Tasks by priority, in chains, through two states; claims that wait; retries by uuid.
    Queue,
    /// Short leases on few tasks, and holders that act when they are over.
    Leases,
    /// Every change by an idempotency key, tried again on another node and on two at once.
    Retries,
    /// Few tasks that all nodes are asked about all the time; counts and lists.
    Reads,
    /// What the nodes say of the cluster.
    Members,
}

/// All of them.
pub const ALL: [Workload; 5] = [
    Workload::Queue,
    Workload::Leases,
    Workload::Retries,
    Workload::Reads,
    Workload::Members,
];

impl Workload {
    /// Its name, as in `--workload`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Leases => "leases",
            Self::Retries => "retries",
            Self::Reads => "reads",
            Self::Members => "members",
        }
    }

    /// How many clients it has of those that were asked for.
    pub fn clients(self, asked: u64) -> u64 {
        match self {
            // It changes nothing: more would only ask the same.
            Self::Members => 1,
            _ => asked,
        }
    }

    /// Works until the moment of the desk.
    pub async fn work(self, session: Session, desk: Desk) {
        match self {
            Self::Queue => queue::work(session, desk).await,
            Self::Leases => leases::work(session, desk).await,
            Self::Retries => retries::work(session, desk).await,
            Self::Reads => reads::work(session, desk).await,
            Self::Members => members::work(session, desk).await,
        }
    }
}

/// What the clients of one workload share.
#[derive(Clone)]
pub struct Desk {
    /// Their queue.
    pub queue: String,
    /// When they stop.
    pub until: Instant,
    known: Arc<Mutex<VecDeque<String>>>,
}

impl Desk {
    /// For a workload on that queue that goes on until then.
    pub fn new(queue: String, until: Instant) -> Self {
        Self {
            queue,
            until,
            known: Arc::default(),
        }
    }

    /// Whether there is time left.
    fn is_open(&self) -> bool {
        Instant::now() < self.until
    }

    /// Remembers a task, for all to look at.
    fn know(&self, uuid: &str) {
        let mut known = self.known.lock();
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        known.push_back(uuid.to_owned());
    }

    /// A task that somebody has submitted, or tried to.
    fn any(&self, session: &mut Session) -> Option<String> {
        let known = self.known.lock();
        let at = session.random.below(known.len() as u64);
        known.get(usize::try_from(at).ok()?).cloned()
    }

    /// A new task whose uuid is left to the server.
    fn unnamed_task(&self, session: &mut Session, lease_s: i64) -> Submitted {
        Submitted {
            queue: self.queue.clone(),
            uuid: String::new(),
            payload: session.unique_name(),
            priority: i64::try_from(session.random.below(3)).unwrap_or_default(),
            lease_s,
        }
    }

    /// A new task with a uuid of the client's choice.
    fn task(&self, session: &mut Session, lease_s: i64) -> Submitted {
        let uuid = session.random.uuid().to_string();
        self.know(&uuid);
        Submitted {
            uuid,
            ..self.unnamed_task(session, lease_s)
        }
    }

    fn claim(&self, session: &mut Session) -> Claim {
        let state = session.random.one_of(&WAITING).copied();
        Claim {
            queue: self.queue.clone(),
            state: state.unwrap_or_default().to_owned(),
            worker: session.name.to_string(),
            wait_ms: 0,
        }
    }

    /// Looks at one of the tasks.
    async fn look(&self, session: &mut Session) {
        if let Some(uuid) = self.any(session) {
            session.call(Request::Get { uuid }).await;
        }
    }

    /// Counts the queue.
    async fn count(&self, session: &mut Session) {
        let queue = self.queue.clone();
        session.call(Request::States { queue }).await;
    }
}

/// Acts by the lease that the claim showed.
pub fn act(task: &Seen, deed: Deed) -> Request {
    Request::Act(Act {
        queue: task.queue.clone(),
        uuid: task.uuid.clone(),
        attempt: task.attempt,
        state: task.state.clone(),
        deed,
    })
}

/// Gives the task on to the second state.
fn give_on(task: &Seen) -> Deed {
    Deed::Update {
        new_state: WAITING[1].to_owned(),
        priority: task.priority,
    }
}

/// The same call again where its outcome is in doubt, as a client does that wants to be sure.
async fn be_sure(session: &mut Session, request: Request) -> Outcome {
    let outcome = session.call(request.clone()).await;
    match outcome {
        Outcome::Unknown(_) => session.call(request).await,
        _ => outcome,
    }
}
