//! The workload `leases`: short leases on few tasks, and holders that sleep over them and act all the same.

use std::time::{Duration, Instant};

use super::{Desk, act, give_on};
use crate::history::{Deed, Request, Seen};
use crate::session::Session;

/// As short as a lease can be.
const LEASE_S: i64 = 1;
const REST_MS: u64 = 30;
/// How long a sleeper sleeps: some leases have run out by then, some have been given to others.
const SLEEP_MS: std::ops::Range<u64> = 600..4_000;

/// Works until the desk closes.
pub async fn work(mut session: Session, desk: Desk) {
    let mut asleep: Vec<(Instant, Seen)> = Vec::new();
    while desk.is_open() {
        let now = Instant::now();
        if let Some(at) = asleep.iter().position(|(moment, _)| *moment <= now) {
            let (_, task) = asleep.swap_remove(at);
            late(&mut session, &task).await;
        }
        if session.chance(10) {
            session.turn();
        }
        match session.random.below(100) {
            0..8 => {
                let task = desk.task(&mut session, LEASE_S);
                session.call(Request::Submit(task)).await;
            }
            8..85 => {
                if let Some(task) = claim(&mut session, &desk).await {
                    let ms = SLEEP_MS.end - SLEEP_MS.start;
                    let ms = SLEEP_MS.start + session.random.below(ms);
                    asleep.push((Instant::now() + Duration::from_millis(ms), task));
                }
            }
            85..98 => desk.look(&mut session).await,
            _ => desk.count(&mut session).await,
        }
        session.rest(REST_MS).await;
    }
}

/// Claims, and acts in time; or returns the task to be slept over.
async fn claim(session: &mut Session, desk: &Desk) -> Option<Seen> {
    let claim = Request::Claim(desk.claim(session));
    let task = session.call(claim).await.task().cloned()?;
    let deed = match session.random.below(100) {
        0..40 => return Some(task),
        40..60 => {
            session.call(act(&task, Deed::Extend)).await;
            return Some(task);
        }
        60..75 => Deed::Fail,
        75..85 => give_on(&task),
        85..90 => Deed::Cancel,
        _ => Deed::Complete { next: None },
    };
    session.call(act(&task, deed)).await;
    None
}

/// Acts by a lease that may be over, as a holder does that was paused and knows nothing of it.
async fn late(session: &mut Session, task: &Seen) {
    let deed = match session.random.below(5) {
        0 => give_on(task),
        1 => Deed::Cancel,
        2 => Deed::Fail,
        3 => Deed::Extend,
        _ => Deed::Complete { next: None },
    };
    session.call(act(task, deed)).await;
}
