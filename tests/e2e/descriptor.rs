//! The wire, written down a second time: nothing of it may change, and nothing may appear unseen.

use std::collections::{BTreeMap, BTreeSet};

use corndogs::proto::PUBLIC_DESCRIPTORS;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

/// The contract's tables: `message: name number [type], …`, string where no type is given.
const MESSAGES: &str = "
Task: uuid 1, queue 2, current_state 3, auto_target_state 4, submit_time 5 int64, update_time 6 int64, timeout 7 int64, payload 8 bytes, priority 9 int64
SubmitTaskRequest: queue 1, current_state 2, auto_target_state 3, timeout 4 int64, payload 5 bytes, priority 6 int64
GetTaskStateByIDRequest: uuid 1, queue 2
GetNextTaskRequest: queue 1, current_state 2, override_timeout 3 int64, override_current_state 4, override_auto_target_state 5
UpdateTaskRequest: uuid 1, queue 2, current_state 3, auto_target_state 4, timeout 5 int64, new_state 6, payload 7 bytes, priority 8 int64
CompleteTaskRequest: uuid 1, queue 2, current_state 3
CancelTaskRequest: uuid 1, queue 2, current_state 3
CleanUpTimedOutRequest: at_time 1 int64, queue 2
SubmitTaskResponse: task 1 Task
GetTaskStateByIDResponse: task 1 Task
GetNextTaskResponse: task 1 Task
UpdateTaskResponse: task 1 Task
CompleteTaskResponse: task 1 Task
CancelTaskResponse: task 1 Task
CleanUpTimedOutResponse: timed_out 1 int64
GetQueuesRequest:
GetQueuesResponse: queues 1 repeated string, total_task_count 2 int64
GetQueueTaskCountsRequest:
GetQueueTaskCountsResponse: queue_counts 1 map string int64, total_task_count 2 int64
GetTaskStateCountsRequest: queue 1
GetTaskStateCountsResponse: queue 1, count 2 int64, state_counts 3 map string int64
QueueAndStateCounts: queue 1, count 2 int64, state_counts 3 map string int64
GetQueueAndStateCountsRequest:
GetQueueAndStateCountsResponse: queue_and_state_counts 1 map string QueueAndStateCounts

Task: attempt 10 int64, worker 11, expires_at 12 int64, not_before 13 int64, metadata 14 map string string, unique_key 15, claim_timeout 16 int64, max_attempts 17 int64
SubmitTaskRequest: uuid 7, not_before 8 int64, unique_key 9, metadata 10 map string string, claim_timeout 11 int64, max_attempts 12 int64
GetNextTaskRequest: worker 6, wait_ms 7 int64, queues 8 repeated string
CompleteTaskRequest: next_task 4 SubmitTaskRequest, attempt 5 int64
CompleteTaskResponse: next_task 2 Task
UpdateTaskRequest: attempt 9 int64
CancelTaskRequest: attempt 4 int64
Task: retry_backoff 18 RetryBackoff, last_error 19
SubmitTaskRequest: retry_backoff 13 RetryBackoff
RetryBackoff: initial 1 int64, cap 2 int64, factor_percent 3 int64, jitter_percent 4 int64
FailTaskRequest: uuid 1, queue 2, current_state 3, attempt 4 int64, retry_after 5 int64, message 6
FailTaskResponse: task 1 Task
ExtendTaskRequest: uuid 1, queue 2, current_state 3, attempt 4 int64, timeout 5 int64
ExtendTaskResponse: task 1 Task
SubmitTasksRequest: tasks 1 repeated SubmitTaskRequest
SubmitTasksResponse: tasks 1 repeated Task
GetNextTasksRequest: next 1 GetNextTaskRequest, max_tasks 2 int32
GetNextTasksResponse: tasks 1 repeated Task
CompleteTasksRequest: tasks 1 repeated CompleteTaskRequest
CompleteTasksResponse: results 1 repeated CompleteTaskResponse
GetTaskRequest: uuid 1
GetTaskResponse: task 1 Task, is_archived 2 bool, is_delayed 3 bool, is_in_flight 4 bool
GetTaskHistoryRequest: uuid 1
GetTaskHistoryResponse: transitions 1 repeated Transition, dropped 2 int64
Transition: time 1 int64, kind 2, from_state 3, to_state 4, worker 5, attempt 6 int64
TaskFilter: queue 1, current_state 2, worker 3, metadata 4 map string string, submitted_from 5 int64, submitted_before 6 int64
TaskFilter: updated_from 7 int64, updated_before 8 int64, is_in_flight 9 optional bool, is_delayed 10 optional bool, is_archived 11 optional bool, or_archived 12 bool
ListTasksRequest: filter 1 TaskFilter, page_size 2 int32, page_token 3, with_payload 4 bool
ListTasksResponse: tasks 1 repeated ListedTask, next_page_token 2
ListedTask: task 1 Task, is_archived 2 bool, is_delayed 3 bool, is_in_flight 4 bool
BulkTarget: filter 1 TaskFilter, include_in_flight 2 bool, max_tasks 3 int64, page_token 4
CancelTasksRequest: target 1 BulkTarget
CancelTasksResponse: matched 1 int64, changed 2 int64, next_page_token 3
RequeueTasksRequest: target 1 BulkTarget, new_state 2, auto_target_state 3
RequeueTasksResponse: matched 1 int64, changed 2 int64, next_page_token 3
UpdateTasksRequest: target 1 BulkTarget, new_state 2, auto_target_state 3, priority 4 optional int64, timeout 5 optional int64
UpdateTasksResponse: matched 1 int64, changed 2 int64, next_page_token 3

GetQueueFiguresRequest: queue 1, since 2 int64, until 3 int64, max_lines 4 int32, after_queue 5, after_state 6
GetQueueFiguresResponse: lines 1 repeated LineFigures, has_more 2 bool, window_start 3 int64, window_end 4 int64, is_complete 5 bool
LineFigures: queue 1, state 2, live 3 int64, waiting 4 int64, in_flight 5 int64, delayed 6 int64, oldest_submit_time 7 int64, oldest_age_ms 8 int64, is_oldest_exact 9 bool, events 10 EventCounts, waited 11 Lengths, worked 12 Lengths
EventCounts: submitted 1 int64, claimed 2 int64, completed 3 int64, canceled 4 int64, timed_out 5 int64, dead 6 int64, failed 7 int64
Lengths: count 1 int64, mean_us 2 int64, p50_us 3 int64, p90_us 4 int64, p99_us 5 int64, max_us 6 int64
GetWorkersRequest: queue 1, since 2 int64, until 3 int64, max_workers 4 int32, after_queue 5, after_worker 6, after_state 7
GetWorkersResponse: workers 1 repeated WorkerFigures, has_more 2 bool, window_start 3 int64, window_end 4 int64, is_complete 5 bool
WorkerFigures: queue 1, worker 2, state 3, last_seen 4 int64, claimed 5 int64, completed 6 int64, timed_out 7 int64, failed 8 int64
GetHistoryRequest: queue 1, current_state 2, since 3 int64, until 4 int64, step_length_s 5 int64
GetHistoryResponse: steps 1 repeated HistoryStep, step_length_s 2 int64, is_complete 3 bool
HistoryStep: start 1 int64, events 2 EventCounts

PutScheduleRequest: name 1, cron 2, time_zone 3, paused 4 bool, missed 5 MissedTicks, task 6 SubmitTaskRequest
PutScheduleResponse: schedule 1 Schedule
Schedule: name 1, cron 2, time_zone 3, paused 4 bool, missed 5 MissedTicks, task 6 SubmitTaskRequest, next_tick 7 int64, last_tick 8 int64, last_task_uuid 9, submitted 10 int64, skipped 11 int64, next_ticks 12 repeated int64
GetScheduleRequest: name 1, ticks 2 int32
GetScheduleResponse: schedule 1 Schedule
ListSchedulesRequest: after 1, limit 2 int32
ListSchedulesResponse: schedules 1 repeated Schedule, more 2 bool
DeleteScheduleRequest: name 1
DeleteScheduleResponse: schedule 1 Schedule
RunScheduleRequest: name 1
RunScheduleResponse: task 1 Task
";

/// Those of `queues.proto`.
const QUEUE_MESSAGES: &str = "
QueueSettings: queue 1, paused 2 bool, max_in_flight 3 int64, group_by 4, max_in_flight_per_group 5 int64, max_claims_per_s 6 int64, max_waiting 7 int64, default_timeout 8 int64, default_claim_timeout 9 int64, retention 10 int64
SetQueueRequest: queue 1, paused 2 optional bool, max_in_flight 3 optional int64, group_by 4 optional string, max_in_flight_per_group 5 optional int64, max_claims_per_s 6 optional int64, max_waiting 7 optional int64, default_timeout 8 optional int64, default_claim_timeout 9 optional int64, retention 10 optional int64
SetQueueResponse: settings 1 QueueSettings
GetQueueRequest: queue 1
GetQueueResponse: settings 1 QueueSettings, figures 2 QueueFigures
QueueFigures: waiting 1 int64, in_flight 2 int64, delayed 3 int64, claims_used 4 int64, paused_since 5 int64, regrouping 6 bool
ListQueueSettingsRequest: after_queue 1, limit 2 int64
ListQueueSettingsResponse: queues 1 repeated QueueSettings, more 2 bool
";

const CALLS: &str = "SubmitTask GetTaskStateByID GetNextTask UpdateTask CompleteTask CancelTask CleanUpTimedOut \
                     GetQueues GetQueueTaskCounts GetTaskStateCounts GetQueueAndStateCounts \
                     ExtendTask SubmitTasks GetNextTasks CompleteTasks FailTask \
                     GetTask GetTaskHistory ListTasks CancelTasks RequeueTasks UpdateTasks \
                     GetQueueFigures GetWorkers GetHistory \
                     SetQueue GetQueue ListQueueSettings";

const SCHEDULE_CALLS: &str = "PutSchedule GetSchedule ListSchedules DeleteSchedule RunSchedule";

type Fields = BTreeMap<i32, String>;

fn expected(table: &str) -> BTreeMap<String, Fields> {
    let mut messages: BTreeMap<String, Fields> = BTreeMap::new();
    for line in table.lines().filter(|line| !line.is_empty()) {
        let (message, fields) = line.split_once(':').unwrap();
        let known = messages.entry(message.to_owned()).or_default();
        for field in fields
            .split(',')
            .map(str::trim)
            .filter(|field| !field.is_empty())
        {
            let mut words = field.splitn(3, ' ');
            let (name, number) = (
                words.next().unwrap(),
                words.next().unwrap().parse().unwrap(),
            );
            let twice = known.insert(
                number,
                format!("{name} {}", words.next().unwrap_or("string")),
            );
            assert_eq!(twice, None, "the table has {message}.{name} twice");
        }
    }
    messages
}

fn type_name(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let plain = match field.r#type() {
        Type::String => "string".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Int64 => "int64".to_owned(),
        Type::Int32 => "int32".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Message | Type::Enum => field.type_name().rsplit('.').next().unwrap().to_owned(),
        other => format!("{other:?}"),
    };
    if field.proto3_optional() {
        return format!("optional {plain}");
    }
    if field.label() != Label::Repeated {
        return plain;
    }
    let entry = message
        .nested_type
        .iter()
        .find(|nested| nested.name() == plain);
    match entry.filter(|nested| {
        nested
            .options
            .as_ref()
            .is_some_and(|options| options.map_entry())
    }) {
        Some(entry) => {
            let types: Vec<_> = entry
                .field
                .iter()
                .map(|field| type_name(field, entry))
                .collect();
            format!("map {}", types.join(" "))
        }
        None => format!("repeated {plain}"),
    }
}

fn fields(message: &DescriptorProto) -> Fields {
    let optional = message.field.iter().filter(|field| field.proto3_optional());
    let name = message.name();
    assert_eq!(
        message.oneof_decl.len(),
        optional.count(),
        "{name}: a oneof"
    );
    let fields = message.field.iter();
    fields
        .map(|field| {
            (
                field.number(),
                format!("{} {}", field.name(), type_name(field, message)),
            )
        })
        .collect()
}

/// All of the public package as one file.
fn public_file() -> FileDescriptorProto {
    let files = FileDescriptorSet::decode(PUBLIC_DESCRIPTORS).unwrap().file;
    let public = files
        .into_iter()
        .filter(|file| file.package() == "corndogs.v1alpha1");
    let mut all = FileDescriptorProto::default();
    for file in public {
        assert_eq!(file.syntax(), "proto3");
        all.message_type.extend(file.message_type);
        all.service.extend(file.service);
    }
    all
}

#[test]
fn every_field_has_its_number_and_type() {
    let file = public_file();
    let found: BTreeMap<_, _> = file
        .message_type
        .iter()
        .map(|m| (m.name().to_owned(), fields(m)))
        .collect();
    let mut expected = expected(MESSAGES);
    assert_eq!(expected.len(), 24 + 22 + 16 + 11);
    expected.extend(self::expected(QUEUE_MESSAGES));
    for (message, fields) in &expected {
        let found = found
            .get(message)
            .unwrap_or_else(|| panic!("{message} is gone"));
        assert_eq!(found, fields, "{message}");
    }
    let unseen: BTreeSet<_> = found
        .keys()
        .filter(|message| !expected.contains_key(*message))
        .collect();
    assert!(
        unseen.is_empty(),
        "messages that the table does not list: {unseen:?}"
    );
}

#[test]
fn every_call_has_its_messages() {
    let file = public_file();
    let services: Vec<_> = file.service.iter().map(|service| service.name()).collect();
    assert_eq!(services, ["CorndogsService", "ScheduleService"]);
    let calls = [CALLS, SCHEDULE_CALLS];
    for (service, calls) in file.service.iter().zip(calls) {
        assert_calls(service, calls);
    }
}

fn assert_calls(service: &ServiceDescriptorProto, calls: &str) {
    let expected: BTreeSet<_> = calls
        .split_whitespace()
        .map(|call| {
            let of = |kind| format!(".corndogs.v1alpha1.{call}{kind}");
            (call.to_owned(), of("Request"), of("Response"))
        })
        .collect();
    let found: BTreeSet<_> = service
        .method
        .iter()
        .map(|method| {
            assert!(
                !method.client_streaming() && !method.server_streaming(),
                "{}",
                method.name()
            );
            (
                method.name().to_owned(),
                method.input_type().to_owned(),
                method.output_type().to_owned(),
            )
        })
        .collect();
    assert_eq!(found, expected);
}
