//! Fail: a worker gives its lease back, and says why.

use std::sync::Arc;

use super::give_back::{Retry, given_back, with_error};
use super::step::{Step, refused};
use super::target::{Found, find};
use super::{Outcome, Row};
use crate::proto::durable::Fail;
use crate::store::history::TransitionKind;
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, fail: Fail) -> Result<Step, StoreError> {
    let before = match find(view, fail.target.as_ref())? {
        Found::Live(task) if task.is_in_flight() => task,
        Found::Live(_) | Found::Nothing => return Ok((Outcome::Task(None), Vec::new())),
        Found::Refused(refusal) => return Ok(refused(refusal)),
    };
    let retry = match fail.retry_after_s {
        0 => Retry::ByBackoff,
        seconds if seconds > 0 => Retry::AfterSeconds(seconds),
        _ => Retry::Never,
    };
    let after = given_back(now_ns, &before, TransitionKind::Failed, &retry);
    let after = with_error(after, &fail.message);
    let after = Arc::new(after);
    let outcome = Outcome::Task(Some(Row::Live(after.clone())));
    Ok((outcome, vec![Change::Fail { before, after }]))
}
