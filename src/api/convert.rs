//! Requests to commands, with defaults and limits; tasks to messages.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use super::validate::{self, Checked};
use crate::proto::{durable, v1alpha1 as api};
use crate::queue::Row;
use crate::store::durable::backoff_from_message;
use crate::store::record::{Backoff, Task};

/// The factor of a backoff that names none.
const DOUBLING_PERCENT: i64 = 200;

/// What an empty field of a submit or claim means.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// The queue.
    pub queue: String,
    /// The state.
    pub current_state: String,
    /// The timeout of a submit, in seconds; 0 means none.
    pub timeout_s: i64,
}

/// Translates requests; holds what the operator has set.
#[derive(Debug, Clone)]
pub struct Translator {
    /// What empty fields mean.
    pub defaults: Defaults,
    /// The largest payload.
    pub max_payload_bytes: usize,
}

fn or(text: String, default: &str) -> String {
    if text.is_empty() {
        default.to_owned()
    } else {
        text
    }
}

fn bytes_of(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}

/// A field's path in an error: `prefix` is empty or ends with a dot.
fn at(prefix: &str, field: &str) -> String {
    format!("{prefix}{field}")
}

impl Translator {
    /// A submit; `new_uuid` gives the task its uuid where the client has none.
    ///
    /// # Errors
    /// If a field breaks a limit; it is named behind `prefix`.
    pub fn submit(
        &self,
        prefix: &str,
        request: api::SubmitTaskRequest,
        new_uuid: impl FnOnce() -> Uuid,
    ) -> Checked<durable::Submit> {
        self.check_submit(prefix, &request)?;
        let client_uuid = match request.uuid.as_str() {
            "" => None,
            text => Some(validate::uuid(&at(prefix, "uuid"), text)?),
        };
        let current_state = or(request.current_state, &self.defaults.current_state);
        let auto_target_state = match request.auto_target_state.as_str() {
            "" => format!("{current_state}-working"),
            _ => request.auto_target_state,
        };
        // A derived name counts against the limit too.
        validate::name(&at(prefix, "auto_target_state"), &auto_target_state)?;
        let timeout_s = match request.timeout {
            0 => self.defaults.timeout_s,
            timeout_s => timeout_s.max(0),
        };
        Ok(durable::Submit {
            uuid: bytes_of(client_uuid.unwrap_or_else(new_uuid)),
            client_uuid: client_uuid.is_some(),
            queue: or(request.queue, &self.defaults.queue),
            current_state,
            auto_target_state,
            timeout_s,
            priority: request.priority,
            payload: request.payload,
            claim_timeout_s: request.claim_timeout,
            not_before_ns: request.not_before,
            unique_key: request.unique_key,
            metadata: request.metadata,
            max_attempts: request.max_attempts,
            backoff: request.retry_backoff.map(backoff),
            is_default_timeout: request.timeout == 0,
        })
    }

    fn check_submit(&self, prefix: &str, request: &api::SubmitTaskRequest) -> Checked {
        validate::name(&at(prefix, "queue"), &request.queue)?;
        validate::name(&at(prefix, "current_state"), &request.current_state)?;
        validate::name(&at(prefix, "auto_target_state"), &request.auto_target_state)?;
        validate::name(&at(prefix, "unique_key"), &request.unique_key)?;
        validate::payload(
            &at(prefix, "payload"),
            &request.payload,
            self.max_payload_bytes,
        )?;
        validate::not_negative(&at(prefix, "not_before"), request.not_before)?;
        validate::not_negative(&at(prefix, "claim_timeout"), request.claim_timeout)?;
        validate::not_negative(&at(prefix, "max_attempts"), request.max_attempts)?;
        if let Some(backoff) = &request.retry_backoff {
            validate::backoff(&at(prefix, "retry_backoff"), backoff)?;
        }
        validate::metadata(&at(prefix, "metadata"), request.metadata.iter())
    }

    /// A claim.
    ///
    /// # Errors
    /// If a field breaks a limit.
    pub fn claim(&self, request: api::GetNextTaskRequest) -> Checked<durable::Claim> {
        validate::name("queue", &request.queue)?;
        validate::name("current_state", &request.current_state)?;
        validate::name("override_current_state", &request.override_current_state)?;
        validate::name(
            "override_auto_target_state",
            &request.override_auto_target_state,
        )?;
        validate::name("worker", &request.worker)?;
        validate::wait_ms("wait_ms", request.wait_ms)?;
        validate::queues("queues", &request.queues)?;
        let queue = match request.queues.is_empty() {
            true => or(request.queue, &self.defaults.queue),
            false => request.queue,
        };
        Ok(durable::Claim {
            queue,
            current_state: or(request.current_state, &self.defaults.current_state),
            override_timeout_s: request.override_timeout,
            override_current_state: request.override_current_state,
            override_auto_target_state: request.override_auto_target_state,
            worker: request.worker,
            queues: request.queues,
        })
    }

    /// An update.
    ///
    /// # Errors
    /// If a field breaks a limit.
    pub fn update(&self, request: api::UpdateTaskRequest) -> Checked<durable::Update> {
        let current_state = or(request.current_state, "submitted");
        let target = target(request.uuid, request.queue, current_state, request.attempt)?;
        validate::name("new_state", &request.new_state)?;
        validate::payload("payload", &request.payload, self.max_payload_bytes)?;
        let new_state = or(request.new_state, "updated");
        let auto_target_state = match request.auto_target_state.as_str() {
            "" => format!("{new_state}-working"),
            _ => request.auto_target_state,
        };
        validate::name("auto_target_state", &auto_target_state)?;
        Ok(durable::Update {
            target: Some(target),
            new_state,
            auto_target_state,
            timeout_s: request.timeout.max(0),
            priority: request.priority,
            payload: request.payload,
        })
    }

    /// A completion, and what is submitted with it.
    ///
    /// # Errors
    /// If a field breaks a limit.
    pub fn complete(
        &self,
        request: api::CompleteTaskRequest,
        new_uuid: impl FnOnce() -> Uuid,
    ) -> Checked<durable::Complete> {
        let target = target(
            request.uuid,
            request.queue,
            request.current_state,
            request.attempt,
        )?;
        let next_task = request
            .next_task
            .map(|next| self.submit("next_task.", next, new_uuid))
            .transpose()?;
        Ok(durable::Complete {
            target: Some(target),
            next_task,
        })
    }

    /// A cancellation.
    ///
    /// # Errors
    /// If a field breaks a limit.
    pub fn cancel(&self, request: api::CancelTaskRequest) -> Checked<durable::Cancel> {
        let target = target(
            request.uuid,
            request.queue,
            request.current_state,
            request.attempt,
        )?;
        Ok(durable::Cancel {
            target: Some(target),
        })
    }
}

/// A restart of a task's timeout.
///
/// # Errors
/// If a field breaks a limit.
pub fn extend(request: api::ExtendTaskRequest) -> Checked<durable::Extend> {
    let target = target(
        request.uuid,
        request.queue,
        request.current_state,
        request.attempt,
    )?;
    Ok(durable::Extend {
        target: Some(target),
        timeout_s: request.timeout,
    })
}

/// A lease that is given back.
///
/// # Errors
/// If a field breaks a limit.
pub fn fail(request: api::FailTaskRequest) -> Checked<durable::Fail> {
    let target = target(
        request.uuid,
        request.queue,
        request.current_state,
        request.attempt,
    )?;
    validate::retry_after("retry_after", request.retry_after)?;
    validate::message("message", &request.message)?;
    Ok(durable::Fail {
        target: Some(target),
        retry_after_s: request.retry_after,
        message: request.message,
    })
}

fn backoff(request: api::RetryBackoff) -> durable::Backoff {
    durable::Backoff {
        initial_s: request.initial,
        cap_s: match request.cap {
            0 => validate::MAX_RETRY_S,
            cap_s => cap_s,
        },
        factor_percent: match request.factor_percent {
            0 => DOUBLING_PERCENT,
            factor_percent => factor_percent,
        },
        jitter_percent: request.jitter_percent,
    }
}

fn target(
    uuid: String,
    queue: String,
    current_state: String,
    attempt: i64,
) -> Checked<durable::Target> {
    let uuid = validate::uuid("uuid", &uuid)?;
    validate::name("queue", &queue)?;
    validate::name("current_state", &current_state)?;
    validate::not_negative("attempt", attempt)?;
    Ok(durable::Target {
        uuid: bytes_of(uuid),
        queue,
        current_state,
        attempt,
    })
}

/// A task as clients see it.
pub fn task(row: &Row) -> api::Task {
    let task: &Task = row;
    let expires_at = match row {
        Row::Live(task) => task.deadline().map_or(0, |deadline| deadline.at_ns),
        Row::Archived(_) => 0,
    };
    let extras = task.extras.as_deref();
    api::Task {
        uuid: task.uuid.to_string(),
        queue: task.queue.to_string(),
        current_state: task.current_state.to_string(),
        auto_target_state: task.auto_target_state.to_string(),
        submit_time: task.submit_time_ns,
        update_time: task.update_time_ns,
        timeout: task.timeout_s,
        payload: task.payload.clone(),
        priority: task.priority,
        attempt: task.attempt,
        worker: task.worker.to_string(),
        expires_at,
        not_before: task.not_before_ns,
        metadata: extras.map_or_else(BTreeMap::new, |extras| extras.metadata.clone()),
        unique_key: extras.map_or_else(String::new, |extras| extras.unique_key.to_string()),
        claim_timeout: task.claim_timeout_s,
        max_attempts: task.max_attempts,
        retry_backoff: extras.and_then(|extras| extras.backoff).map(shown_backoff),
        last_error: extras.map_or_else(String::new, |extras| extras.last_error.to_string()),
    }
}

/// A number as clients see it.
pub fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The submit that a schedule keeps as clients see it, so that it may be put again.
pub fn template(submit: durable::Submit) -> api::SubmitTaskRequest {
    let backoff = submit.backoff.as_ref().map(backoff_from_message);
    api::SubmitTaskRequest {
        queue: submit.queue,
        current_state: submit.current_state,
        auto_target_state: submit.auto_target_state,
        timeout: match submit.timeout_s {
            _ if submit.is_default_timeout => 0,
            0 => -1,
            timeout_s => timeout_s,
        },
        payload: submit.payload,
        priority: submit.priority,
        uuid: String::new(),
        not_before: submit.not_before_ns,
        unique_key: submit.unique_key,
        metadata: submit.metadata,
        claim_timeout: submit.claim_timeout_s,
        max_attempts: submit.max_attempts,
        retry_backoff: backoff.map(shown_backoff),
    }
}

fn shown_backoff(backoff: Backoff) -> api::RetryBackoff {
    api::RetryBackoff {
        initial: backoff.initial_s,
        cap: backoff.cap_s,
        factor_percent: backoff.factor_percent,
        jitter_percent: backoff.jitter_percent,
    }
}
