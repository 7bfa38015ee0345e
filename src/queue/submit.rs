//! Submit: a new task, or the one that an earlier try of the same request made.

use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::step::{Step, read_uuid, refused};
use super::{Outcome, Refusal, Row, grouping, limits, names, query};
use crate::proto::durable::{QueueSettings, Submit};
use crate::store::durable::backoff_from_message;
use crate::store::history::History;
use crate::store::record::{Extras, Name, Task};
use crate::store::{Change, StoreError, View};

/// What a submit finds when it looks for its uuid and its unique key.
pub(super) enum Plan {
    /// A task to put in.
    New(Arc<Task>),
    /// The task that the same request made before, or the live one that has the unique key.
    Existing(Row),
    /// Nothing can be put in.
    Refused(Refusal),
}

pub(super) fn step(view: &impl View, now_ns: i64, submit: Submit) -> Result<Step, StoreError> {
    Ok(match plan(view, now_ns, submit, None)? {
        Plan::New(task) => {
            let changes = vec![Change::Submit(task.clone())];
            (Outcome::Task(Some(Row::Live(task))), changes)
        }
        Plan::Existing(task) => (Outcome::Task(Some(task)), Vec::new()),
        Plan::Refused(refusal) => refused(refusal),
    })
}

/// Decides a submit. Only a uuid that the client chose can exist already: no other is looked for.
///
/// `ending` is the live task that the same step archives before: it has no unique key any more.
pub(super) fn plan(
    view: &impl View,
    now_ns: i64,
    submit: Submit,
    ending: Option<&Task>,
) -> Result<Plan, StoreError> {
    let uuid = match read_uuid(&submit.uuid) {
        Ok(uuid) => uuid,
        Err(refusal) => return Ok(Plan::Refused(refusal)),
    };
    let mut submit = submit;
    // An earlier try may have come before there was this field: it is no part of the request.
    let is_default_timeout = std::mem::take(&mut submit.is_default_timeout);
    let holder = holder(view, &submit, ending)?;
    let mut request_digest = 0;
    if submit.client_uuid {
        request_digest = digest(&submit);
        if let Some(task) = query::task(view, uuid)? {
            return Ok(match holder {
                Some(holder) if holder.uuid != uuid => Plan::Refused(Refusal::KeyTaken {
                    uuid,
                    unique_key: submit.unique_key.into(),
                    holder: holder.uuid,
                }),
                _ if task.request_digest == request_digest => Plan::Existing(task),
                _ => Plan::Refused(Refusal::UuidTaken { uuid }),
            });
        }
    }
    if let Some(holder) = holder {
        return Ok(Plan::Existing(Row::Live(holder)));
    }
    let leaves = ending.filter(|task| *task.queue == *submit.queue && !task.is_in_flight());
    if let Err(refusal) = limits::check_room(view, &submit.queue, leaves.is_some().into()) {
        return Ok(Plan::Refused(refusal));
    }
    if let Some(control) = view.controls().of(&submit.queue) {
        fill_defaults(&mut submit, &control.settings, is_default_timeout);
    }
    let task = new_task(view, now_ns, uuid, submit, request_digest);
    Ok(Plan::New(Arc::new(task)))
}

/// The timeouts of a queue go before those of the server, and after those of the request.
fn fill_defaults(submit: &mut Submit, settings: &QueueSettings, is_default_timeout: bool) {
    if is_default_timeout && settings.default_timeout_s > 0 {
        submit.timeout_s = settings.default_timeout_s;
    }
    if submit.claim_timeout_s == 0 {
        submit.claim_timeout_s = settings.default_claim_timeout_s;
    }
}

/// The live task that has the submit's unique key.
fn holder(
    view: &impl View,
    submit: &Submit,
    ending: Option<&Task>,
) -> Result<Option<Arc<Task>>, StoreError> {
    if submit.unique_key.is_empty() {
        return Ok(None);
    }
    let holder = view.unique(&submit.queue, &submit.unique_key)?;
    let Some(uuid) = holder.filter(|uuid| ending.is_none_or(|ending| ending.uuid != *uuid)) else {
        return Ok(None);
    };
    let missing = || StoreError::damaged("unique keys", format!("task {uuid} is no live task"));
    view.live(uuid)?.ok_or_else(missing).map(Some)
}

fn new_task(
    view: &impl View,
    now_ns: i64,
    uuid: Uuid,
    submit: Submit,
    request_digest: u128,
) -> Task {
    let counts = view.counts();
    let queue = names::queue(counts, &submit.queue);
    let current_state = names::state(counts, &queue, &[], &submit.current_state);
    let auto_target_state =
        names::state(counts, &queue, &[&current_state], &submit.auto_target_state);
    let extras = Extras {
        unique_key: submit.unique_key.into(),
        group: grouping::of_new(view, &submit.queue, &submit.metadata),
        metadata: submit.metadata,
        backoff: submit.backoff.as_ref().map(backoff_from_message),
        ..Extras::default()
    };
    Task {
        uuid,
        seq: view.header().next_seq,
        queue,
        current_state,
        auto_target_state,
        submit_time_ns: now_ns,
        update_time_ns: now_ns,
        timeout_s: submit.timeout_s.max(0),
        priority: submit.priority,
        payload: submit.payload,
        attempt: 0,
        worker: Name::default(),
        claim_timeout_s: submit.claim_timeout_s.max(0),
        request_digest,
        not_before_ns: submit.not_before_ns.max(0),
        max_attempts: submit.max_attempts.max(0),
        is_delayed: submit.not_before_ns > now_ns,
        claimed_ns: 0,
        history: History::default(),
        extras: extras.shared(),
    }
}

/// Tells one request from another: the first 16 bytes of the SHA-256 of its encoding.
fn digest(submit: &Submit) -> u128 {
    digest_of(&submit.encode_to_vec())
}

/// The first 16 bytes of a SHA-256.
pub(super) fn digest_of(bytes: &[u8]) -> u128 {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    digest[..16]
        .iter()
        .fold(0, |number, byte| (number << 8) | u128::from(*byte))
}
