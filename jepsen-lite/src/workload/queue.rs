//! The workload `queue`: tasks by priority, in chains, through two states; claims that wait.

use super::{Desk, act, be_sure, give_on};
use crate::history::{Claim, Deed, Request, Seen};
use crate::session::Session;

/// Long enough for a holder that hurries, and short enough that what is abandoned comes back within the run.
const LEASE_S: i64 = 2;
/// A call is followed by a rest of up to that long: the history stays small enough to be read.
const REST_MS: u64 = 20;
/// The longest wait of a claim.
const WAIT_MS: u64 = 1_000;

/// Works until the desk closes.
pub async fn work(mut session: Session, desk: Desk) {
    while desk.is_open() {
        if session.chance(5) {
            session.turn();
        }
        match session.random.below(100) {
            0..35 => {
                let task = desk.task(&mut session, LEASE_S);
                be_sure(&mut session, Request::Submit(task)).await;
            }
            35..85 => claim(&mut session, &desk).await,
            85..98 => desk.look(&mut session).await,
            _ => desk.count(&mut session).await,
        }
        session.rest(REST_MS).await;
    }
}

async fn claim(session: &mut Session, desk: &Desk) {
    let claim = desk.claim(session);
    let wait_ms = match session.chance(20) {
        true => i64::try_from(session.random.below(WAIT_MS)).unwrap_or_default(),
        false => 0,
    };
    let claim = Request::Claim(Claim { wait_ms, ..claim });
    let outcome = session.call(claim).await;
    let Some(task) = outcome.task() else {
        return;
    };
    let deed = match session.random.below(100) {
        // Never acted on: it comes back by its timeout.
        0..4 => return,
        4..30 => give_on(task),
        30..38 => Deed::Cancel,
        38..46 => Deed::Fail,
        _ => complete(session, desk, task),
    };
    be_sure(session, act(task, deed)).await;
}

/// Some completions submit another task: some chains stay in their queue for long.
fn complete(session: &mut Session, desk: &Desk, task: &Seen) -> Deed {
    let next = session.chance(33).then(|| {
        let mut next = desk.task(session, LEASE_S);
        next.priority = task.priority;
        next
    });
    Deed::Complete { next }
}
