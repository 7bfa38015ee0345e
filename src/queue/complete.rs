//! Complete: a live task goes to the archive, and its successor is put in by the same step.

use std::sync::Arc;

use super::archive::ended;
use super::outcome::Completion;
use super::step::{Step, refused};
use super::submit::{self, Plan};
use super::target::{Found, find};
use super::{Outcome, Refusal, Row, names};
use crate::proto::durable::Complete;
use crate::store::history::TransitionKind;
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, complete: Complete) -> Result<Step, StoreError> {
    Ok(match decide(view, now_ns, complete)? {
        Ok((Completion { task, next_task }, changes)) => {
            (Outcome::Completed { task, next_task }, changes)
        }
        Err(refusal) => refused(refusal),
    })
}

/// What a completion comes to, and the changes that make it so; or why it changes nothing.
pub(super) type Decision = Result<(Completion, Vec<Change>), Refusal>;

/// Decides a completion; changes nothing.
pub(super) fn decide(
    view: &impl View,
    now_ns: i64,
    complete: Complete,
) -> Result<Decision, StoreError> {
    let before = match find(view, complete.target.as_ref())? {
        Found::Live(task) => task,
        Found::Nothing => return Ok(Ok((Completion::default(), Vec::new()))),
        Found::Refused(refusal) => return Ok(Err(refusal)),
    };
    let ended = ended(
        now_ns,
        &before,
        TransitionKind::Completed,
        names::completed(),
    );
    let after = Arc::new(ended);
    let uuid = after.uuid;
    let task = Some(Row::Archived(after.clone()));
    let mut changes = vec![Change::Complete {
        before: before.clone(),
        after,
    }];
    // Planned against the state before the completion: it frees the task's unique key,
    // but no uuid, and moves neither clock nor sequence.
    let next_task = match complete.next_task {
        None => None,
        Some(next) => match submit::plan(view, now_ns, next, Some(&before))? {
            Plan::New(next) if next.uuid == uuid => {
                return Ok(Err(Refusal::UuidTaken { uuid }));
            }
            Plan::New(next) => {
                changes.push(Change::Submit(next.clone()));
                Some(Row::Live(next))
            }
            // Its own request again: the task as it is once this step is done.
            Plan::Existing(existing) if existing.uuid == uuid => task.clone(),
            Plan::Existing(existing) => Some(existing),
            Plan::Refused(refusal) => return Ok(Err(refusal)),
        },
    };
    Ok(Ok((Completion { task, next_task }, changes)))
}
