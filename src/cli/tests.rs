#![allow(clippy::unwrap_used)]

use clap::{CommandFactory, Parser};
use serde::Serialize;

use super::Cli;
use super::fields::from_json;
use crate::proto::v1alpha1::*;

const EMPTY_TASK: &str = concat!(
    r#"{"uuid":"","queue":"","current_state":"","auto_target_state":"","submit_time":0,"#,
    r#""update_time":0,"timeout":0,"payload":"","priority":0,"attempt":0,"worker":"","#,
    r#""expires_at":0,"not_before":0,"metadata":{},"unique_key":"","claim_timeout":0,"max_attempts":0,"#,
    r#""retry_backoff":null,"last_error":""}"#
);

fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap()
}

#[test]
fn responses_in_json_have_every_field() {
    let task = || Some(Task::default());
    let with_task = format!(r#"{{"task":{EMPTY_TASK}}}"#);
    for shown in [
        json(&SubmitTaskResponse { task: task() }),
        json(&GetTaskStateByIdResponse { task: task() }),
        json(&GetNextTaskResponse { task: task() }),
        json(&UpdateTaskResponse { task: task() }),
        json(&CancelTaskResponse { task: task() }),
        json(&ExtendTaskResponse { task: task() }),
        json(&FailTaskResponse { task: task() }),
    ] {
        assert_eq!(shown, with_task);
    }
    assert_eq!(json(&GetNextTaskResponse::default()), r#"{"task":null}"#);
    let none = r#"{"task":null,"next_task":null}"#;
    assert_eq!(json(&CompleteTaskResponse::default()), none);
    let results = vec![CompleteTaskResponse::default()];
    assert_eq!(
        json(&CompleteTasksResponse { results }),
        format!(r#"{{"results":[{none}]}}"#)
    );
    let tasks = || vec![Task::default()];
    let with_tasks = format!(r#"{{"tasks":[{EMPTY_TASK}]}}"#);
    assert_eq!(json(&SubmitTasksResponse { tasks: tasks() }), with_tasks);
    assert_eq!(json(&GetNextTasksResponse { tasks: tasks() }), with_tasks);
    assert_eq!(
        json(&CleanUpTimedOutResponse::default()),
        r#"{"timed_out":0}"#
    );
}

#[test]
fn counts_in_json() {
    assert_eq!(
        json(&GetQueuesResponse::default()),
        r#"{"queues":[],"total_task_count":0}"#
    );
    let response = GetQueueTaskCountsResponse {
        queue_counts: [("q".to_owned(), i64::MAX)].into(),
        total_task_count: i64::MAX,
    };
    let shown =
        r#"{"queue_counts":{"q":9223372036854775807},"total_task_count":9223372036854775807}"#;
    assert_eq!(json(&response), shown);
    let queue = r#"{"queue":"","count":0,"state_counts":{}}"#;
    assert_eq!(json(&GetTaskStateCountsResponse::default()), queue);
    let response = GetQueueAndStateCountsResponse {
        queue_and_state_counts: [("q".to_owned(), QueueAndStateCounts::default())].into(),
    };
    assert_eq!(
        json(&response),
        format!(r#"{{"queue_and_state_counts":{{"q":{queue}}}}}"#)
    );
}

#[test]
fn requests_are_read_from_json() {
    let text = r#"{"queue":"q","payload":"AP8=","metadata":{"k":"v"},"priority":-1}"#;
    let read: SubmitTaskRequest = from_json(text).unwrap();
    let expected = SubmitTaskRequest {
        queue: "q".into(),
        payload: vec![0, 255].into(),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        priority: -1,
        ..SubmitTaskRequest::default()
    };
    assert_eq!(read, expected);
    let text = r#"{"uuid":"u","next_task":{"queue":"q"},"attempt":2}"#;
    let read: CompleteTaskRequest = from_json(text).unwrap();
    assert_eq!(
        (read.attempt, read.next_task.unwrap().queue.as_str()),
        (2, "q")
    );
    for wrong in [
        r#"{"Queue":"q"}"#,
        r#"{"payload":"*"}"#,
        r#"{"priority":1.5}"#,
        "[]",
    ] {
        assert!(from_json::<SubmitTaskRequest>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
#[allow(clippy::too_many_lines)] // A table.
fn command_lines() {
    for (line, fine) in [
        ("run", true),
        (
            "run --listen 1 --max-payload 1MiB --config f --members 1=a:1",
            true,
        ),
        ("run --default-timeout -1", true),
        ("run --max-payload 1 --max-payload 2", false),
        ("run --max-payload", false),
        ("run --address a", false),
        ("submit-task", true),
        (
            "submit-task -q x -a h -p 1 --priority -5 --timeout -1 --metadata a=b --metadata c=d=e",
            true,
        ),
        (
            "submit-task --timeout 10m --claim-timeout 5 --not-before 2026-01-31T12:00:00Z",
            true,
        ),
        ("submit-task --payload a --payload-file b", false),
        ("submit-task --payload a --payload-base64 Yg==", false),
        ("submit-task --payload-base64 *", false),
        ("submit-task --metadata a", false),
        ("submit-task --not-before tomorrow", false),
        ("submit-task --timeout 500ms", false),
        ("submit-task --priority high", false),
        ("submit-task -p 0", false),
        ("submit-task --deadline 0s", false),
        ("submit-task --idempotency-key k", true),
        ("submit-task stray", false),
        ("get-task --uuid u --format json", true),
        ("get-task --uuid u --format xml", false),
        ("get-task --uuid u --idempotency-key k", false),
        ("get-task", false),
        (
            "next-task --queues a --queues b --wait-ms 100 --worker w --override-timeout -1",
            true,
        ),
        ("update-task --uuid u -q q --new-state s --attempt 1", true),
        (
            "complete-task --uuid u -q q --current-state s --next-task {}",
            true,
        ),
        (
            "complete-task --uuid u -q q --current-state s --next-task {\"x\":1}",
            false,
        ),
        ("complete-task --uuid u -q q", false),
        ("cancel-task --uuid u -q q --current-state s", true),
        (
            "extend-task --uuid u -q q --current-state s --timeout -1",
            true,
        ),
        (
            "fail-task --uuid u -q q --current-state s --retry-after -1 --message m",
            true,
        ),
        (
            "fail-task --uuid u -q q --current-state s --retry-after 10m",
            true,
        ),
        ("fail-task --uuid u -q q", false),
        (
            "submit-task --retry-initial 10s --retry-cap 1h --retry-jitter-percent 20",
            true,
        ),
        ("submit-task --retry-cap 1h", false),
        ("timeout --at 1970-01-01T00:00:01Z -q q", true),
        ("timeout --at 1000000000", true),
        ("timeout --at-time -1", true),
        ("get-queues", true),
        ("get-queue-task-counts --format json", true),
        ("get-task-state-counts --queue q", true),
        ("get-queue-and-state-counts", true),
        ("submit-tasks", true),
        ("next-tasks --max-tasks 10 --queues a", true),
        ("next-tasks", false),
        ("complete-tasks --idempotency-key k", true),
        ("get-task-history --uuid u", true),
        ("get-task-history", false),
        (
            "list-tasks -q q --submitted-from 2026-01-31T12:00:00Z --in-flight=false --all",
            true,
        ),
        ("list-tasks --archived --or-archived", false),
        ("list-tasks --in-flight maybe", false),
        ("cancel-tasks -q q --max-tasks 5 --idempotency-key k", true),
        ("requeue-tasks -q q --new-state s --include-in-flight", true),
        ("update-tasks -q q --priority -5 --timeout 10m", true),
        ("update-tasks -q q --priority high", false),
        ("dead list -q q --with-payload", true),
        ("dead requeue --max-tasks 5", true),
        ("dead purge -q q", true),
        ("dead", false),
        (
            "schedule put n --cron @daily -q q --time-zone Europe/Berlin --missed all --payload x",
            true,
        ),
        ("schedule put n -q q", false),
        ("schedule put n --cron @daily --missed some", false),
        ("schedule get n --ticks 3 --format json", true),
        ("schedule list", true),
        ("schedule delete n --idempotency-key k", true),
        ("schedule run n", true),
        ("schedule run", false),
        ("cluster status --address a:1 --format json", true),
        ("cluster add-node 4=host:5090 -a a:1", true),
        ("cluster add-node 4", false),
        ("cluster replace-node 3 4=host:5090", true),
        ("cluster replace-node 3", true),
        ("cluster remove-node 3", true),
        ("cluster transfer-leader", true),
        ("cluster", false),
        ("backup --address a --out f", true),
        ("backup --address a", false),
        ("unknown", false),
    ] {
        let parsed = Cli::try_parse_from(format!("corndogs {line}").split(' '));
        assert_eq!(
            parsed.is_ok(),
            fine,
            "{line}: {:?}",
            parsed.err().map(|e| e.to_string())
        );
    }
}
