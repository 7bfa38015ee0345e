//! The end of a round: all that is live is taken out through each node, then everything is counted and looked at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use parking_lot::Mutex;

use crate::Failed;
use crate::history::{Answer, Claim, Deed, Operation, Outcome, Request, Seen, When};
use crate::session::Session;
use crate::workload::{WAITING, act};

/// How long a healthy cluster may take until it is empty, or to answer one call.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);

/// Claims and completes whatever is live, until nothing is, or patience is at an end: then the totals tell that something is left.
pub async fn drain(sessions: &mut [Session], queues: &[String]) -> Result<(), Failed> {
    let began = Instant::now();
    loop {
        let took = join_all(sessions.iter_mut().map(|session| empty(session, queues))).await;
        let is_idle = took.iter().all(|took| *took == 0);
        if is_idle && live(sessions, When::Meanwhile).await? == 0 || began.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(AGAIN).await;
    }
    live(sessions, When::End).await?;
    Ok(())
}

/// One client's part; how many tasks it took. Held tasks come back when their leases are over.
async fn empty(session: &mut Session, queues: &[String]) -> u64 {
    let mut took = 0;
    for queue in queues {
        for state in WAITING {
            loop {
                let claim = Request::Claim(Claim {
                    queue: queue.clone(),
                    state: state.to_owned(),
                    worker: session.name.to_string(),
                    wait_ms: 0,
                });
                let outcome = session.call(claim).await;
                let Some(task) = outcome.task() else { break };
                took += 1;
                session.call(act(task, Deed::Complete { next: None })).await;
                session.turn();
            }
        }
    }
    took
}

/// How many tasks are live, as the node of one client says; where they are the last totals, all are asked.
async fn live(sessions: &mut [Session], when: When) -> Result<i64, Failed> {
    let mut live = 0;
    let asked = if when == When::End { sessions.len() } else { 1 };
    for session in sessions.iter_mut().take(asked) {
        if let Answer::Totals(totals) = certain(session, Request::Totals { when }).await? {
            live = totals.live;
        }
        session.turn();
    }
    Ok(live)
}

/// Reads the totals that a round begins with.
pub async fn base(session: &mut Session) -> Result<(), Failed> {
    certain(session, Request::Totals { when: When::Begin }).await?;
    Ok(())
}

/// Lists the queues and looks at every task by itself.
pub async fn look(
    sessions: &mut [Session],
    queues: &[String],
    uuids: BTreeSet<String>,
) -> Result<(), Failed> {
    let lists = queues.iter().map(|queue| Request::List {
        queue: queue.clone(),
    });
    let gets = uuids.into_iter().map(|uuid| Request::Get { uuid });
    let requests: Vec<Request> = lists.chain(gets).collect();
    let requests = Arc::new(Mutex::new(requests.into_iter()));
    let looks = sessions.iter_mut().map(async |session| {
        loop {
            let next = requests.lock().next();
            let Some(request) = next else {
                return Ok::<_, Failed>(());
            };
            certain(session, request).await?;
            session.turn();
        }
    });
    try_join_all(looks).await?;
    Ok(())
}

/// Waits until all nodes that can be reached have applied the same entries, so that their hashes can be compared.
pub async fn settle(session: &mut Session) -> Result<(), Failed> {
    let began = Instant::now();
    loop {
        if let Answer::Status(view) = certain(session, Request::Status).await? {
            let applied: BTreeSet<u64> = view.nodes.iter().map(|node| node.applied).collect();
            if applied.len() == 1 {
                return Ok(());
            }
        }
        if began.elapsed() > PATIENCE {
            return Err("the nodes don't come to the same log entry".into());
        }
        session.turn();
        tokio::time::sleep(AGAIN).await;
    }
}

/// Asks until there is an answer.
async fn certain(session: &mut Session, request: Request) -> Result<Answer, Failed> {
    let began = Instant::now();
    loop {
        match session.call(request.clone()).await {
            Outcome::Ok(answer) => return Ok(answer),
            Outcome::Fenced(why) | Outcome::Fail(why) | Outcome::Unknown(why) => {
                if began.elapsed() > PATIENCE {
                    return Err(format!("no answer to {request:?}: {why}").into());
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// All tasks that clients have chosen a uuid for, or have been told of.
pub fn uuids(operations: &[Operation]) -> BTreeSet<String> {
    let mut uuids = BTreeSet::new();
    for operation in operations {
        let submitted = match &operation.request {
            Request::Submit(task) => Some(task),
            request => request.next(),
        };
        let asked = submitted.map(|task| &task.uuid);
        let shown = answered(operation).map(|task| &task.uuid);
        uuids.extend(asked.into_iter().chain(shown).cloned());
    }
    uuids.remove("");
    uuids
}

/// The uuids and payloads of all tasks that answers show.
pub fn shown(operations: &[Operation]) -> BTreeSet<String> {
    let tasks = operations.iter().flat_map(answered);
    let names = tasks.flat_map(|task| [&task.uuid, &task.payload]);
    let mut shown: BTreeSet<String> = names.cloned().collect();
    shown.remove("");
    shown
}

fn answered(operation: &Operation) -> impl Iterator<Item = &Seen> {
    let outcome = &operation.outcome;
    let listed = match outcome {
        Outcome::Ok(Answer::List { tasks }) => tasks.as_slice(),
        _ => &[],
    };
    let own = outcome.task().into_iter().chain(outcome.next());
    own.chain(listed)
}
