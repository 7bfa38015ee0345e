//! What is asked without a change. The counts answer for themselves: [`crate::store::counts::Counts`].

use std::sync::Arc;

use uuid::Uuid;

use crate::store::record::Task;
use crate::store::{StoreError, View};

/// The task of that uuid, live or archived.
///
/// # Errors
/// If the view can't answer.
pub fn task(view: &impl View, uuid: Uuid) -> Result<Option<Arc<Task>>, StoreError> {
    match view.live(uuid)? {
        Some(task) => Ok(Some(task)),
        None => view.archived(uuid),
    }
}
