//! Update: a live task gets the states, priority, timeout and perhaps payload that the request says.

use std::sync::Arc;

use super::step::{Step, refused};
use super::target::{Found, find};
use super::{Outcome, Row, names, transition};
use crate::proto::durable::Update;
use crate::store::history::TransitionKind;
use crate::store::record::Task;
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, update: Update) -> Result<Step, StoreError> {
    let before = match find(view, update.target.as_ref())? {
        Found::Live(task) => task,
        Found::Nothing => return Ok((Outcome::Task(None), Vec::new())),
        Found::Refused(refusal) => return Ok(refused(refusal)),
    };
    let after = Arc::new(updated(view, now_ns, update, &before));
    let outcome = Outcome::Task(Some(Row::Live(after.clone())));
    Ok((outcome, vec![Change::Replace { before, after }]))
}

fn updated(view: &impl View, now_ns: i64, update: Update, before: &Task) -> Task {
    let known = [&before.current_state, &before.auto_target_state];
    let state = |name: &str| names::state(view.counts(), &before.queue, &known, name);
    let payload = match update.payload.is_empty() {
        true => before.payload.clone(),
        false => update.payload,
    };
    let is_held = *before.current_state == *update.new_state;
    Task {
        current_state: state(&update.new_state),
        auto_target_state: state(&update.auto_target_state),
        timeout_s: update.timeout_s.max(0),
        priority: update.priority,
        payload,
        update_time_ns: now_ns,
        claimed_ns: if is_held { before.claimed_ns } else { 0 },
        queue: before.queue.clone(),
        history: transition::noted(before, TransitionKind::Updated, now_ns),
        extras: before.extras.clone(),
        worker: before.worker.clone(),
        ..*before
    }
}
