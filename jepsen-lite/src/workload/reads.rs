//! The workload `reads`: tasks that change all the time, and clients that look at them on all nodes, right after changes most of
//! all; counts and lists.

use super::{Desk, act, give_on};
use crate::history::{Deed, Request, When};
use crate::session::Session;

const LEASE_S: i64 = 1;
const REST_MS: u64 = 20;

/// Works until the desk closes.
pub async fn work(mut session: Session, desk: Desk) {
    while desk.is_open() {
        match session.random.below(1_000) {
            0..60 => {
                let task = desk.task(&mut session, LEASE_S);
                let uuid = task.uuid.clone();
                session.call(Request::Submit(task)).await;
                look_elsewhere(&mut session, uuid).await;
            }
            60..300 => change(&mut session, &desk).await,
            300..960 => {
                session.turn();
                desk.look(&mut session).await;
            }
            960..985 => desk.count(&mut session).await,
            985..992 => {
                let when = When::Meanwhile;
                session.call(Request::Totals { when }).await;
            }
            _ => {
                let queue = desk.queue.clone();
                session.call(Request::List { queue }).await;
            }
        }
        session.rest(REST_MS).await;
    }
}

/// Claims a task and acts on it, looking at it on another node after each.
async fn change(session: &mut Session, desk: &Desk) {
    let claim = Request::Claim(desk.claim(session));
    let outcome = session.call(claim).await;
    let Some(task) = outcome.task() else {
        return;
    };
    look_elsewhere(session, task.uuid.clone()).await;
    let deed = match session.random.below(4) {
        0 => give_on(task),
        1 => Deed::Fail,
        2 => Deed::Extend,
        _ => Deed::Complete { next: None },
    };
    session.call(act(task, deed)).await;
    look_elsewhere(session, task.uuid.clone()).await;
}

async fn look_elsewhere(session: &mut Session, uuid: String) {
    session.turn();
    session.call(Request::Get { uuid }).await;
}
