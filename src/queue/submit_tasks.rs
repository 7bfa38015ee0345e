//! Submit tasks: all of a batch or none.

use super::planned::Planned;
use super::step::{Step, refused};
use super::submit::{self, Plan};
use super::{Outcome, Row};
use crate::proto::durable::SubmitTasks;
use crate::store::{StoreError, View};

/// Plans all before anything is recorded. Each is planned as if those before it were done: one
/// request twice is one task, and two requests with one uuid refuse the batch.
pub(super) fn step(view: &impl View, now_ns: i64, batch: SubmitTasks) -> Result<Step, StoreError> {
    let mut planned = Planned::over(view);
    let mut rows = Vec::with_capacity(batch.tasks.len());
    for submit in batch.tasks {
        rows.push(match submit::plan(&planned, now_ns, submit, None)? {
            Plan::New(task) => Row::Live(planned.submit(task)),
            Plan::Existing(task) => task,
            Plan::Refused(refusal) => return Ok(refused(refusal)),
        });
    }
    Ok((Outcome::Tasks(rows), planned.into_changes()))
}
