//! The end of a run: all that is live is taken out through each node, then everything is counted and looked at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use parking_lot::Mutex;

use crate::Failed;
use crate::api::{Api, Place};
use crate::history::{Answer, Counts, Event, Outcome, Request, What};
use crate::session::Session;

/// How long a healthy cluster may take until it is empty, or to answer one call.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);

/// Claims and completes whatever is live, in any state, until nothing is.
pub async fn drain(sessions: &mut [Session], places: &[Place]) -> Result<(), Failed> {
    let began = Instant::now();
    loop {
        let each = sessions.iter_mut().zip(places.iter().cycle());
        let took = try_join_all(each.map(|(session, place)| empty(session, place))).await?;
        if took.iter().all(|took| *took == 0) && counts(sessions).await?.live == 0 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err("the cluster can't be drained: tasks are live that no claim finds".into());
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// One client's part; how many tasks it took.
async fn empty(session: &mut Session, place: &Place) -> Result<u64, Failed> {
    let mut took = 0;
    for state in Api::new(place)?.states().await? {
        loop {
            let claim = Request::Claim {
                worker: session.name.clone(),
                state: state.clone(),
            };
            let outcome = session.call(claim).await;
            let Some(task) = outcome.task() else { break };
            took += 1;
            let complete = Request::Complete {
                uuid: task.uuid.clone(),
                attempt: task.attempt,
                state: task.state.clone(),
                next: None,
            };
            session.call(complete).await;
            session.turn();
        }
    }
    Ok(took)
}

/// The totals as each client's node shows them; the last of them.
async fn counts(sessions: &mut [Session]) -> Result<Counts, Failed> {
    let mut last = None;
    for session in sessions {
        if let Answer::Counts(counts) = certain(session, Request::Counts).await? {
            last = Some(counts);
        }
        session.turn();
    }
    last.ok_or_else(|| "nobody counts".into())
}

/// Looks at every task that a client has ever tried to submit.
pub async fn look(sessions: &mut [Session], uuids: BTreeSet<String>) -> Result<(), Failed> {
    let uuids = Arc::new(Mutex::new(uuids.into_iter()));
    let looks = sessions.iter_mut().map(async |session| {
        loop {
            let next = uuids.lock().next();
            let Some(uuid) = next else {
                return Ok::<_, Failed>(());
            };
            certain(session, Request::Get { uuid }).await?;
            session.turn();
        }
    });
    try_join_all(looks).await?;
    Ok(())
}

/// Asks until there is an answer.
async fn certain(session: &mut Session, request: Request) -> Result<Answer, Failed> {
    let began = Instant::now();
    loop {
        match session.call(request.clone()).await {
            Outcome::Ok(answer) => return Ok(answer),
            Outcome::Fail(why) | Outcome::Unknown(why) => {
                if began.elapsed() > PATIENCE {
                    return Err(format!("no answer to {request:?}: {why}").into());
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The uuids of all tasks that were to be submitted.
pub fn uuids(events: &[Event]) -> BTreeSet<String> {
    let tasks = events.iter().filter_map(|event| match &event.what {
        What::Invoke {
            request: Request::Submit(task),
        } => Some(task),
        What::Invoke {
            request: Request::Complete { next, .. },
        } => next.as_ref(),
        _ => None,
    });
    tasks.map(|task| task.uuid.clone()).collect()
}
