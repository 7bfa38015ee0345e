//! Requests that clients do send.

use std::collections::BTreeMap;

use prost::Message;
use uuid::Uuid;

use crate::api::page;
use crate::fuzz::Output;
use crate::proto::v1alpha1::*;
use crate::queue::Cursor;

const UUIDS: [&str; 3] = [
    "0192f5e0-1234-7abc-8def-0123456789ab",
    "0192f5e0-1234-7abc-8def-0123456789ac",
    "0192f5e0-1234-7abc-8def-0123456789ad",
];

fn submit(uuid: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        uuid: uuid.into(),
        payload: b"payload".as_slice().into(),
        ..SubmitTaskRequest::default()
    }
}

fn full_submit() -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: "default".into(),
        current_state: "submitted".into(),
        auto_target_state: "submitted-working".into(),
        timeout: 5,
        priority: 3,
        not_before: super::START_NS + super::S,
        unique_key: "unique".into(),
        metadata: BTreeMap::from([("customer".into(), "one".into())]),
        claim_timeout: 4,
        max_attempts: 2,
        retry_backoff: Some(RetryBackoff {
            initial: 1,
            cap: 60,
            factor_percent: 200,
            jitter_percent: 10,
        }),
        ..submit("")
    }
}

/// The calls that one task goes through, and those on many.
pub fn requests() -> Vec<Vec<u8>> {
    let (queue, working) = (|| "default".to_owned(), || "submitted-working".to_owned());
    let target = |act: &mut dyn FnMut(String)| act(UUIDS[0].into());
    let mut one = Output::default();
    let mut call = |method: u8, request: &dyn Encoded| {
        one.byte(method).byte(1).chunk(&request.encoded());
    };
    call(0, &submit(UUIDS[0]));
    call(0, &full_submit());
    let next = GetNextTaskRequest {
        worker: "worker".into(),
        ..GetNextTaskRequest::default()
    };
    call(1, &next);
    let mut extend = ExtendTaskRequest {
        queue: queue(),
        current_state: working(),
        attempt: 1,
        timeout: 9,
        ..ExtendTaskRequest::default()
    };
    target(&mut |uuid| extend.uuid = uuid);
    call(6, &extend);
    let fail = FailTaskRequest {
        uuid: UUIDS[0].into(),
        queue: queue(),
        current_state: working(),
        attempt: 1,
        retry_after: 1,
        message: "why".into(),
    };
    call(10, &fail);
    call(1, &next);
    let update = UpdateTaskRequest {
        uuid: UUIDS[0].into(),
        queue: queue(),
        current_state: working(),
        new_state: "submitted".into(),
        ..UpdateTaskRequest::default()
    };
    call(2, &update);
    let complete = CompleteTaskRequest {
        uuid: UUIDS[0].into(),
        queue: queue(),
        current_state: "submitted".into(),
        next_task: Some(submit(UUIDS[1])),
        ..CompleteTaskRequest::default()
    };
    call(3, &complete);
    let cancel = CancelTaskRequest {
        uuid: UUIDS[1].into(),
        queue: queue(),
        current_state: "submitted".into(),
        attempt: 0,
    };
    call(4, &cancel);
    call(5, &CleanUpTimedOutRequest::default());
    vec![one.bytes(), many(), looks()]
}

fn many() -> Vec<u8> {
    let mut many = Output::default();
    let mut call = |method: u8, request: &dyn Encoded| {
        many.byte(method).byte(1).chunk(&request.encoded());
    };
    let set = SetQueueRequest {
        queue: "default".into(),
        group_by: Some("customer".into()),
        max_in_flight_per_group: Some(1),
        max_claims_per_s: Some(10),
        max_waiting: Some(10),
        retention: Some(60),
        ..SetQueueRequest::default()
    };
    call(11, &set);
    let tasks = vec![submit(UUIDS[0]), submit(""), full_submit()];
    call(7, &SubmitTasksRequest { tasks });
    let claim = GetNextTasksRequest {
        next: Some(GetNextTaskRequest::default()),
        max_tasks: 2,
    };
    call(8, &claim);
    let complete = CompleteTaskRequest {
        uuid: UUIDS[0].into(),
        queue: "default".into(),
        current_state: "submitted-working".into(),
        ..CompleteTaskRequest::default()
    };
    let tasks = vec![complete];
    call(9, &CompleteTasksRequest { tasks });
    let target = Some(BulkTarget {
        include_in_flight: true,
        ..BulkTarget::default()
    });
    let update = UpdateTasksRequest {
        target: target.clone(),
        new_state: "other".into(),
        priority: Some(7),
        ..UpdateTasksRequest::default()
    };
    call(14, &update);
    let requeue = RequeueTasksRequest {
        target: target.clone(),
        new_state: "submitted".into(),
        ..RequeueTasksRequest::default()
    };
    call(13, &requeue);
    call(12, &CancelTasksRequest { target });
    let put = PutScheduleRequest {
        name: "nightly".into(),
        cron: "@daily".into(),
        task: Some(SubmitTaskRequest::default()),
        ..PutScheduleRequest::default()
    };
    call(15, &put);
    many.bytes()
}

fn looks() -> Vec<u8> {
    let mut looks = Output::default();
    let mut call = |method: u8, request: &dyn Encoded| {
        looks.byte(method).byte(1).chunk(&request.encoded());
    };
    call(0, &submit(UUIDS[2]));
    let filter = TaskFilter {
        queue: "default".into(),
        is_in_flight: Some(false),
        metadata: BTreeMap::from([("customer".into(), "one".into())]),
        or_archived: true,
        ..TaskFilter::default()
    };
    let list = ListTasksRequest {
        filter: Some(filter),
        ..ListTasksRequest::default()
    };
    call(20, &list);
    let window = (super::START_NS, super::START_NS + 3600 * super::S);
    let queues = GetQueueFiguresRequest {
        since: window.0,
        until: window.1,
        queue: "default".into(),
        ..GetQueueFiguresRequest::default()
    };
    call(21, &queues);
    call(22, &GetWorkersRequest::default());
    let history = GetHistoryRequest {
        step_length_s: 60,
        ..GetHistoryRequest::default()
    };
    call(23, &history);
    let queue = "default".into();
    call(24, &GetQueueRequest { queue });
    call(25, &ListQueueSettingsRequest::default());
    looks.bytes()
}

/// A message of any type.
trait Encoded {
    fn encoded(&self) -> Vec<u8>;
}

impl<M: Message> Encoded for M {
    fn encoded(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

/// Metadata, and tokens.
pub fn metadata() -> Vec<Vec<u8>> {
    let mut keyed = Output::default();
    keyed.byte(0).number(5000);
    keyed.byte(0).chunk(b"a key").byte(1).chunk(b"250m");
    let filter = TaskFilter {
        queue: "default".into(),
        ..TaskFilter::default()
    };
    let cursor = Cursor {
        uuid: Uuid::from_u128(7),
        before_seq: 3,
    };
    let token = page::token("ListTasks", &filter, cursor);
    let mut paged = Output::default();
    paged
        .byte(1)
        .chunk(&filter.encode_to_vec())
        .chunk(token.as_bytes());
    let mut made = Output::default();
    made.byte(2).chunk(&filter.encode_to_vec());
    made.number(1).number(2).number(3);
    vec![keyed.bytes(), paged.bytes(), made.bytes()]
}
