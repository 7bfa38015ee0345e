//! What is asked without a change. The counts answer for themselves: [`crate::store::counts::Counts`].

use uuid::Uuid;

use super::{Row, claim};
use crate::proto::durable::Claim;
use crate::store::{StoreError, View};

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

/// Whether no task stands where a claim looks.
pub fn finds_nothing(view: &(impl View + ?Sized), claim: &Claim) -> bool {
    let state = &claim.current_state;
    claim::queues(claim).all(|queue| view.counts().of(queue, state) == 0)
}
