//! The limits of the contract, looked at where a request has become a command.

use super::MAX_PAYLOAD;
use crate::proto::durable::{self, command::Kind};

fn assert_name(name: &str) {
    assert!(
        name.len() <= 255 && !name.chars().any(char::is_control),
        "{name:?}"
    );
}

fn assert_submit(submit: &durable::Submit) {
    for name in [
        &submit.queue,
        &submit.current_state,
        &submit.auto_target_state,
        &submit.unique_key,
    ] {
        assert_name(name);
    }
    assert!(!submit.queue.is_empty() && !submit.current_state.is_empty());
    assert!(!submit.auto_target_state.is_empty());
    assert!(submit.payload.len() <= MAX_PAYLOAD && submit.metadata.len() <= 64);
    submit.metadata.keys().for_each(|key| assert_name(key));
    let numbers = [
        submit.timeout_s,
        submit.claim_timeout_s,
        submit.not_before_ns,
        submit.max_attempts,
    ];
    assert!(numbers.iter().all(|number| *number >= 0), "{submit:?}");
}

/// Whatever the request was, its command keeps to the contract.
pub fn assert_within(kind: &Kind) {
    match kind {
        Kind::Submit(submit) => {
            assert_submit(submit);
            assert_eq!(submit.uuid.len(), 16);
        }
        Kind::SubmitTasks(batch) => batch.tasks.iter().for_each(assert_submit),
        Kind::Complete(complete) => complete.next_task.iter().for_each(assert_submit),
        Kind::CompleteTasks(batch) => {
            let next = batch.tasks.iter().flat_map(|complete| &complete.next_task);
            next.for_each(assert_submit);
        }
        Kind::PutSchedule(put) => {
            let schedule = put.schedule.iter();
            schedule
                .flat_map(|schedule| &schedule.task)
                .for_each(assert_submit);
        }
        Kind::Claim(claim) => {
            assert!(claim.queues.len() <= 100);
            claim.queues.iter().for_each(|queue| assert_name(queue));
            assert_name(&claim.override_current_state);
        }
        Kind::ClaimTasks(batch) => assert!((1..=1000).contains(&batch.max_tasks)),
        Kind::Update(update) => {
            assert!(update.payload.len() <= MAX_PAYLOAD && update.timeout_s >= 0);
            assert_name(&update.new_state);
            assert_name(&update.auto_target_state);
        }
        _ => {}
    }
}
