//! Acts on many tasks: requests to commands, outcomes to figures.

use bytes::Bytes;
use tonic::Status;

use super::convert::count;
use super::status::unexpected;
use super::validate::{self, Checked, invalid};
use super::{looking, page};
use crate::node::Node;
use crate::proto::durable::{self, Number, RequestKey, bulk::Act};
use crate::proto::v1alpha1 as api;
use crate::queue::Outcome;
use crate::queue::list::Scope;

/// What an act came to.
pub struct Done {
    /// How many tasks the filter fits.
    pub matched: i64,
    /// How many of them were changed.
    pub changed: i64,
    /// Where to go on; empty if all were looked at.
    pub next_page_token: String,
}

/// Each act has an answer of its own, which says the same.
macro_rules! answers {
    ($($answer:ident),*) => {
        $(impl From<Done> for api::$answer {
            fn from(done: Done) -> Self {
                Self {
                    matched: done.matched,
                    changed: done.changed,
                    next_page_token: done.next_page_token,
                }
            }
        })*
    };
}

answers!(
    CancelTasksResponse,
    RequeueTasksResponse,
    UpdateTasksResponse
);

/// Does an act on all tasks that are meant.
///
/// # Errors
/// If a field breaks a limit, or the node can't do it.
pub async fn run(
    node: &Node,
    method: &str,
    target: Option<api::BulkTarget>,
    act: Act,
    key: Option<RequestKey>,
) -> Result<Done, Status> {
    let target = target.unwrap_or_default();
    let given = target.filter.clone().unwrap_or_default();
    let bulk = command(method, target, act)?;
    match node.bulk(bulk, key).await? {
        Outcome::Bulk {
            matched,
            changed,
            after,
            ..
        } => Ok(Done {
            matched: count(matched),
            changed: count(changed),
            next_page_token: after
                .map_or_else(String::new, |after| page::token(method, &given, after)),
        }),
        Outcome::Refused(refusal) => Err(refusal.into()),
        _ => Err(unexpected()),
    }
}

/// An act on all tasks that are meant, as a command.
///
/// # Errors
/// If a field breaks a limit.
pub(super) fn command(method: &str, target: api::BulkTarget, act: Act) -> Checked<durable::Bulk> {
    let given = target.filter.unwrap_or_default();
    let (filter, scope) = looking::filter("target.filter", &given)?;
    if scope != Scope::Live {
        return invalid("target.filter", "only live tasks can be changed");
    }
    validate::not_negative("target.max_tasks", target.max_tasks)?;
    let after = page::cursor("target.page_token", method, &given, &target.page_token)?;
    Ok(durable::Bulk {
        filter: Some(filter),
        include_in_flight: target.include_in_flight,
        act: Some(act),
        after: after.map(|after| durable::BulkCursor {
            uuid: Bytes::copy_from_slice(after.uuid.as_bytes()),
            before_seq: after.before_seq,
        }),
        max_tasks: target.max_tasks.unsigned_abs(),
        ..durable::Bulk::default()
    })
}

/// What a requeue does.
///
/// # Errors
/// If a field breaks a limit.
pub fn requeue(request: &api::RequeueTasksRequest) -> Checked<Act> {
    let (new_state, given) = (&request.new_state, &request.auto_target_state);
    if new_state.is_empty() && !given.is_empty() {
        return invalid("auto_target_state", "needs new_state");
    }
    Ok(Act::Requeue(durable::Requeue {
        new_state: new_state.clone(),
        auto_target_state: auto_target_state(new_state, given)?,
    }))
}

/// What an update does.
///
/// # Errors
/// If a field breaks a limit, or nothing is to be changed.
pub fn update(request: &api::UpdateTasksRequest) -> Checked<Act> {
    let (new_state, given) = (&request.new_state, &request.auto_target_state);
    let auto_target_state = auto_target_state(new_state, given)?;
    let number = |value: Option<i64>| value.map(|value| Number { value });
    if auto_target_state.is_empty() && request.priority.is_none() && request.timeout.is_none() {
        return invalid(
            "new_state",
            "or auto_target_state, priority or timeout must be given",
        );
    }
    Ok(Act::Change(durable::Change {
        new_state: new_state.clone(),
        auto_target_state,
        priority: number(request.priority),
        timeout_s: number(request.timeout),
    }))
}

/// The state that the next claim leads to: derived from the new one where it is not given, and
/// kept where neither is.
fn auto_target_state(new_state: &str, given: &str) -> Checked<String> {
    validate::name("new_state", new_state)?;
    let name = match (new_state, given) {
        ("", given) => given.to_owned(),
        (new_state, "") => format!("{new_state}-working"),
        (_, given) => given.to_owned(),
    };
    // A derived name counts against the limit too.
    validate::name("auto_target_state", &name)?;
    Ok(name)
}
