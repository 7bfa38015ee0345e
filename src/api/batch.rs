//! Calls for many tasks: requests to commands, outcomes to messages.

use tonic::Status;
use uuid::Uuid;

use super::convert::{self, Translator};
use super::status::unexpected;
use super::validate::{self, Checked};
use crate::proto::{durable, v1alpha1 as api};
use crate::queue::{Completion, Outcome};

/// The most bytes of an answer to a claim of many: what gRPC clients take by default.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

impl Translator {
    /// Submits of all or none.
    ///
    /// # Errors
    /// If there are too many or none, or a field of one breaks a limit, as in `tasks[3].queue`.
    pub fn submit_tasks(
        &self,
        request: api::SubmitTasksRequest,
        new_uuid: impl Fn() -> Uuid,
    ) -> Checked<durable::SubmitTasks> {
        let tasks = items(request.tasks, |task| self.submit("", task, &new_uuid))?;
        Ok(durable::SubmitTasks { tasks })
    }

    /// A claim of several tasks.
    ///
    /// # Errors
    /// If a field breaks a limit, as in `next.queue`.
    pub fn claim_tasks(&self, request: api::GetNextTasksRequest) -> Checked<durable::ClaimTasks> {
        validate::batch("max_tasks", request.max_tasks)?;
        let next = self.claim(request.next.unwrap_or_default());
        Ok(durable::ClaimTasks {
            next: Some(next.map_err(|invalid| invalid.within("next"))?),
            max_tasks: request.max_tasks.unsigned_abs(),
            max_bytes: MAX_ANSWER_BYTES,
        })
    }

    /// Completions, each on its own.
    ///
    /// # Errors
    /// If there are too many or none, or a field of one breaks a limit, as in `tasks[3].uuid`.
    pub fn complete_tasks(
        &self,
        request: api::CompleteTasksRequest,
        new_uuid: impl Fn() -> Uuid,
    ) -> Checked<durable::CompleteTasks> {
        let tasks = items(request.tasks, |task| self.complete(task, &new_uuid))?;
        Ok(durable::CompleteTasks { tasks })
    }
}

/// Translates a batch; an error names the item.
fn items<R, C>(requests: Vec<R>, translate: impl Fn(R) -> Checked<C>) -> Checked<Vec<C>> {
    validate::batch("tasks", requests.len())?;
    let items = requests.into_iter().enumerate().map(|(number, request)| {
        translate(request).map_err(|invalid| invalid.within(&format!("tasks[{number}]")))
    });
    items.collect()
}

/// The tasks that an outcome holds.
///
/// # Errors
/// If it was refused.
pub fn tasks(outcome: Outcome) -> Result<Vec<api::Task>, Status> {
    match outcome {
        Outcome::Tasks(rows) => Ok(rows.iter().map(convert::task).collect()),
        Outcome::Refused(refusal) => Err(refusal.into()),
        _ => Err(unexpected()),
    }
}

/// What each completion of an outcome came to.
///
/// # Errors
/// If all were refused.
pub fn results(outcome: Outcome) -> Result<Vec<api::CompleteTaskResponse>, Status> {
    match outcome {
        Outcome::Completions(completions) => Ok(completions.iter().map(result).collect()),
        Outcome::Refused(refusal) => Err(refusal.into()),
        _ => Err(unexpected()),
    }
}

fn result(completion: &Completion) -> api::CompleteTaskResponse {
    api::CompleteTaskResponse {
        task: completion.task.as_ref().map(convert::task),
        next_task: completion.next_task.as_ref().map(convert::task),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use bytes::Bytes;
    use prost::Message;
    use uuid::Uuid;

    use super::*;
    use crate::queue::{Row, size::answer_bytes};
    use crate::store::record::{Backoff, Extras, Task};

    fn assert_size(task: Task) {
        let answered = api::GetNextTasksResponse {
            tasks: vec![convert::task(&Row::Live(Arc::new(task.clone())))],
        };
        assert_eq!(
            answer_bytes(&task),
            answered.encoded_len() as u64,
            "{task:?}"
        );
    }

    /// Entries whose key or value is empty take room, too.
    fn metadata(name: &str) -> BTreeMap<String, String> {
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        [entry("", name), entry(name, ""), entry("key", name)].into()
    }

    /// The limit of an answer rests on it. A field that tasks get must be counted, too.
    #[test]
    fn the_size_of_a_task_in_an_answer_is_known_beforehand() {
        let bare = Task {
            uuid: Uuid::nil(),
            seq: 0,
            queue: "".into(),
            current_state: "".into(),
            auto_target_state: "".into(),
            submit_time_ns: 0,
            update_time_ns: 0,
            timeout_s: 0,
            priority: 0,
            payload: Bytes::new(),
            attempt: 0,
            worker: "".into(),
            claim_timeout_s: 0,
            request_digest: 0,
            not_before_ns: 0,
            max_attempts: 0,
            is_delayed: false,
            claimed_ns: 0,
            history: Default::default(),
            extras: None,
        };
        assert_size(bare.clone());
        for len in [1, 127, 128, 255, 20_000] {
            let name = "n".repeat(len.min(255));
            let number = len as i64;
            let extras = Extras {
                unique_key: name.as_str().into(),
                metadata: metadata(&name),
                backoff: Some(Backoff::from([number, 0, 200, number])),
                last_error: name.as_str().into(),
                ..Extras::default()
            };
            assert_size(Task {
                uuid: Uuid::max(),
                seq: u64::MAX,
                queue: name.as_str().into(),
                current_state: name.as_str().into(),
                auto_target_state: name.as_str().into(),
                submit_time_ns: number,
                update_time_ns: 1 << 60,
                timeout_s: number,
                priority: -number,
                payload: vec![7; len].into(),
                attempt: number,
                worker: name.as_str().into(),
                claim_timeout_s: number,
                request_digest: 1,
                not_before_ns: number,
                max_attempts: number,
                is_delayed: false,
                claimed_ns: 0,
                history: Default::default(),
                extras: extras.shared(),
            });
        }
        // A sum that overflows is no time to expire at.
        assert_size(Task {
            update_time_ns: i64::MAX,
            timeout_s: i64::MAX,
            ..bare
        });
    }
}
