//! Extend: a live task's timeout starts again.

use std::sync::Arc;

use super::step::{Step, refused};
use super::target::{Found, find};
use super::{Outcome, Row};
use crate::proto::durable::Extend;
use crate::store::record::Task;
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, extend: Extend) -> Result<Step, StoreError> {
    let before = match find(view, extend.target.as_ref())? {
        Found::Live(task) => task,
        Found::Nothing => return Ok((Outcome::Task(None), Vec::new())),
        Found::Refused(refusal) => return Ok(refused(refusal)),
    };
    let after = Arc::new(Task {
        timeout_s: match extend.timeout_s {
            0 => before.timeout_s,
            given => given.max(0),
        },
        update_time_ns: now_ns,
        ..Task::clone(&before)
    });
    let outcome = Outcome::Task(Some(Row::Live(after.clone())));
    Ok((outcome, vec![Change::Replace { before, after }]))
}
