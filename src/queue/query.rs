//! What is asked without a change. The counts answer for themselves: [`crate::store::counts::Counts`].

use uuid::Uuid;

use super::{Row, claim, limits};
use crate::proto::durable::Claim;
use crate::store::{StoreError, View};

/// Whether a claim that comes at `now_ns` (since 1970) may find a task in that queue and state.
fn may_claim(
    view: &(impl View + ?Sized),
    queue: &str,
    state: &str,
    now_ns: i64,
) -> Result<bool, StoreError> {
    if limits::claims_left(view, queue, now_ns) == 0 {
        return Ok(false);
    }
    if view.open(queue, state) > 0 {
        return Ok(true);
    }
    if view.counts().line(queue, state).delayed == 0 {
        return Ok(false);
    }
    // The entry that brings the claim begins with what is due by then.
    let next = view.next_delayed(None)?;
    Ok(next.is_some_and(|(ripening, _)| ripening.at_ns <= now_ns))
}

/// What claims may find in a queue and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimable {
    /// So many tasks at most.
    pub tasks: u64,
    /// So many claims its queue lets through, whatever their states are; none if it has no limit.
    pub claims: Option<u64>,
    /// When it lets more through, nanoseconds since 1970, because time has passed; none if that is no matter of time.
    pub next_claim_ns: Option<i64>,
}

/// What claims that come at `now_ns` (since 1970) may find in that queue and state.
pub fn claimable(view: &(impl View + ?Sized), queue: &str, state: &str, now_ns: i64) -> Claimable {
    let claims = limits::claims_left(view, queue, now_ns);
    Claimable {
        tasks: view.open(queue, state),
        claims: (claims < u64::MAX).then_some(claims),
        next_claim_ns: limits::next_claim_ns(view, queue, now_ns),
    }
}

/// The task of that uuid, live or archived.
///
/// # Errors
/// If the view can't answer.
pub fn task(view: &(impl View + ?Sized), uuid: Uuid) -> Result<Option<Row>, StoreError> {
    match view.live(uuid)? {
        Some(task) => Ok(Some(Row::Live(task))),
        None => Ok(view.archived(uuid)?.map(Row::Archived)),
    }
}

/// Whether a claim that comes at `now_ns` (since 1970) finds nothing where it looks.
///
/// # Errors
/// If the view can't answer.
pub fn finds_nothing(
    view: &(impl View + ?Sized),
    claim: &Claim,
    now_ns: i64,
) -> Result<bool, StoreError> {
    for queue in claim::queues(claim) {
        if may_claim(view, queue, &claim.current_state, now_ns)? {
            return Ok(false);
        }
    }
    Ok(true)
}
