//! Cancel: a live task is called off and goes to the archive.

use std::sync::Arc;

use super::archive::ended;
use super::step::{Step, refused};
use super::target::{Found, find};
use super::{Outcome, Row, names};
use crate::proto::durable::Cancel;
use crate::store::history::TransitionKind;
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, cancel: Cancel) -> Result<Step, StoreError> {
    let before = match find(view, cancel.target.as_ref())? {
        Found::Live(task) => task,
        Found::Nothing => return Ok((Outcome::Task(None), Vec::new())),
        Found::Refused(refusal) => return Ok(refused(refusal)),
    };
    let ended = ended(now_ns, &before, TransitionKind::Canceled, names::canceled());
    let after = Arc::new(ended);
    let outcome = Outcome::Task(Some(Row::Archived(after.clone())));
    Ok((outcome, vec![Change::Cancel { before, after }]))
}
