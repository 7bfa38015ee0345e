//! The workload `retries`: every change has an idempotency key, and is tried again: where its outcome is in doubt, where
//! it isn't, on another node, and on two nodes at once.

use super::{Desk, act, give_on};
use crate::history::{Deed, Outcome, Request, Submitted};
use crate::session::Session;

const LEASE_S: i64 = 2;
const REST_MS: u64 = 30;
/// So often a call in doubt is tried again.
const TRIES: usize = 5;
const BETWEEN_MS: u64 = 200;

/// Works until the desk closes.
pub async fn work(mut session: Session, desk: Desk) {
    while desk.is_open() {
        match session.random.below(100) {
            0..30 => {
                // Without a uuid, only the key tells a second try from a second task.
                let task = desk.unnamed_task(&mut session, LEASE_S);
                submit(&mut session, &desk, task).await;
            }
            30..85 => claim(&mut session, &desk).await,
            85..98 => desk.look(&mut session).await,
            _ => desk.count(&mut session).await,
        }
        session.rest(REST_MS).await;
    }
}

async fn submit(session: &mut Session, desk: &Desk, task: Submitted) {
    let outcome = surely(session, Request::Submit(task)).await;
    if let Some(task) = outcome.task() {
        desk.know(&task.uuid);
    }
}

async fn claim(session: &mut Session, desk: &Desk) {
    let claim = Request::Claim(desk.claim(session));
    let outcome = surely(session, claim).await;
    let Some(task) = outcome.task() else {
        return;
    };
    let deed = match session.random.below(100) {
        0..5 => return,
        5..25 => give_on(task),
        25..35 => Deed::Fail,
        35..45 => Deed::Cancel,
        45..55 => Deed::Extend,
        at => {
            let next = (at < 75).then(|| desk.unnamed_task(session, LEASE_S));
            Deed::Complete { next }
        }
    };
    surely(session, act(task, deed)).await;
}

/// Tries until it is certain, and sometimes once more.
async fn surely(session: &mut Session, request: Request) -> Outcome {
    let key = session.unique_name();
    if session.chance(15) {
        let [first, second] = session.call_twice(&request, &key).await;
        for outcome in [first, second] {
            if outcome.is_certain() && !matches!(outcome, Outcome::Fail(_)) {
                return outcome;
            }
        }
    }
    let mut outcome = session.call_by_key(&request, Some(&key)).await;
    for _ in 0..TRIES {
        if !matches!(outcome, Outcome::Unknown(_)) {
            break;
        }
        session.rest(BETWEEN_MS).await;
        outcome = session.call_by_key(&request, Some(&key)).await;
    }
    if session.chance(25) {
        session.turn();
        session.call_by_key(&request, Some(&key)).await;
    }
    outcome
}
