//! When a task certainly was in a state.
//!
//! A task that was seen in a state at some attempt, and later again, was there all the time between: only a claim brings it to a
//! working state, with an attempt of its own, and only a claim takes it out of a state where it waits. Acts that name a state
//! where a task waits would break that, so what such acts touch is left out.

use std::collections::BTreeMap;

use crate::history::{Deed, Request, Seen};

use super::op::Op;
use super::view::{Role, TaskView, Touch, View};

/// A time in which a task certainly was in a state.
#[derive(Debug, Clone, Copy)]
pub struct Stint<'a> {
    pub uuid: &'a str,
    pub queue: &'a str,
    pub state: &'a str,
    /// The answer that shows that it had begun.
    pub first: Op<'a>,
    /// The answer that shows that it had not ended.
    pub last: Op<'a>,
    /// The task in the state or right after it.
    pub seen: &'a Seen,
    /// The place where its submit was over.
    pub submitted: usize,
}

impl Stint<'_> {
    /// From that place on it certainly lasts.
    pub fn from(&self) -> usize {
        self.first.returned
    }

    /// Until that place.
    pub fn to(&self) -> usize {
        self.last.invoked
    }
}

/// What an answer says of a state: that the task was in it at some moment of the call.
#[derive(Debug, Clone, Copy)]
struct Sign<'a> {
    op: Op<'a>,
    state: &'a str,
    attempt: i64,
    seen: &'a Seen,
}

/// All of them.
pub fn stints<'a>(view: &View<'a>) -> Vec<Stint<'a>> {
    let mut stints = Vec::new();
    for (uuid, task) in &view.tasks {
        let Some(origin) = &task.origin else { continue };
        let mut signs: BTreeMap<(&str, i64), (Sign, Sign)> = BTreeMap::new();
        for sign in task.touches.iter().flat_map(signs_of) {
            let known = signs
                .entry((sign.state, sign.attempt))
                .or_insert((sign, sign));
            if sign.op.returned < known.0.op.returned {
                known.0 = sign;
            }
            if sign.op.invoked > known.1.op.invoked {
                known.1 = sign;
            }
        }
        for ((state, attempt), (first, last)) in signs {
            let is_long = first.op.returned < last.op.invoked;
            if is_long && !may_come_again(task, state, attempt) {
                stints.push(Stint {
                    uuid,
                    queue: &origin.submitted.queue,
                    state,
                    first: first.op,
                    last: last.op,
                    seen: first.seen,
                    submitted: origin.op.returned,
                });
            }
        }
    }
    stints
}

/// What the answer says of the state before the call, and of the one after it.
fn signs_of<'a>(touch: &Touch<'a>) -> impl Iterator<Item = Sign<'a>> + use<'a> {
    let sign = |state, attempt, seen| Sign {
        op: touch.op,
        state,
        attempt,
        seen,
    };
    let seen = touch.seen;
    let before = seen.and_then(|seen| match touch.op.request {
        Request::Claim(claim) => Some(sign(&claim.state, seen.attempt - 1, seen)),
        Request::Act(act) if touch.role == Role::Act => {
            Some(sign(act.state.as_str(), act.attempt, seen))
        }
        _ => None,
    });
    let live = seen.filter(|seen| !seen.is_archived);
    let after = live.map(|seen| sign(&seen.state, seen.attempt, seen));
    before.into_iter().chain(after)
}

/// Whether the task may have left the state and come back at the same attempt.
fn may_come_again(task: &TaskView, state: &str, attempt: i64) -> bool {
    let is_claimed_into = task
        .claims()
        .any(|(_, seen)| seen.state == state && seen.attempt == attempt);
    task.touches.iter().any(|touch| match touch.op.request {
        Request::Act(act) if touch.role == Role::Act && act.attempt == attempt => {
            let comes_back =
                matches!(&act.deed, Deed::Update { new_state, .. } if new_state == state);
            let leaves = act.state == state && act.deed != Deed::Extend;
            match is_claimed_into {
                true => comes_back,
                false => leaves,
            }
        }
        _ => false,
    })
}
