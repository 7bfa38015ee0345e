//! The program's commands for several tasks, against a real server.

use std::io::Write;
use std::process::{Command, Stdio};

use corndogs::proto::v1alpha1::SubmitTaskRequest;
use serde_json::{Value, json};

use crate::common::{Server, binary};

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Runs a command; arguments are split at spaces.
async fn run(server: &Server, line: &str, stdin: &str) -> Ran {
    let mut command = Command::new(binary());
    command
        .args(line.split(' '))
        .args(["--format", "json", "-a", &server.grpc.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        // One that does not read its stdin closes it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The line that completes a task, as it was answered.
fn completion(task: &Value, attempt: i64) -> String {
    let target = json!({
        "uuid": task["uuid"],
        "queue": task["queue"],
        "current_state": task["current_state"],
        "attempt": attempt,
    });
    format!("{target}\n")
}

#[tokio::test]
async fn a_batch_from_submit_to_completion() {
    let server = Server::start().await;
    let lines = "{\"queue\":\"a\",\"payload\":\"aGk=\"}\n\n{\"queue\":\"b\",\"priority\":3}\n{\"queue\":\"c\"}\n";
    let submitted = run(&server, "submit-tasks", lines).await.json();
    let queues = submitted["tasks"].as_array().unwrap().iter();
    let queues: Vec<&Value> = queues.map(|task| &task["queue"]).collect();
    assert_eq!(queues, ["a", "b", "c"]);

    let next = "next-tasks -q a --queues b --worker w --override-timeout 60 --max-tasks 10";
    let claimed = run(&server, next, "").await.json();
    let (first, second) = (&claimed["tasks"][0], &claimed["tasks"][1]);
    assert_eq!(
        (&first["queue"], &second["queue"]),
        (&json!("b"), &json!("a"))
    );
    assert_eq!(second["payload"], "aGk=");
    assert_eq!(claimed["tasks"].as_array().unwrap().len(), 2);
    let nothing = run(&server, next, "").await;
    assert_eq!(nothing.json(), json!({"tasks": []}));
    assert!(nothing.stderr.contains("no task"), "{}", nothing.stderr);

    let uuid = first["uuid"].as_str().unwrap();
    let extend = format!("extend-task --uuid {uuid} -q b --current-state submitted-working");
    let extended = run(&server, &format!("{extend} --attempt 1 --timeout 2h"), "")
        .await
        .json();
    assert_eq!(extended["task"]["timeout"], 7200);
    let stale = run(&server, &format!("{extend} --attempt 2"), "").await;
    assert_eq!(stale.code, Some(1));
    assert!(
        stale.stderr.contains("FAILED_PRECONDITION"),
        "{}",
        stale.stderr
    );

    let lines = completion(first, 1) + &completion(second, 9);
    let completed = run(&server, "complete-tasks", &lines).await;
    assert_eq!(completed.code, Some(1));
    let results: Value = serde_json::from_str(&completed.stdout).unwrap();
    assert_eq!(results["results"][0]["task"]["current_state"], "completed");
    assert_eq!(results["results"][1]["task"], Value::Null);
    assert!(completed.stderr.contains("1 of 2"), "{}", completed.stderr);
    let completed = run(&server, "complete-tasks", &completion(second, 1)).await;
    assert_eq!(completed.code, Some(0));
}

#[tokio::test]
async fn refusals_name_the_item() {
    let server = Server::start().await;
    let refused = run(&server, "submit-tasks", "{}\n{\"queue\":\"a\\tb\"}\n").await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(
        refused.stderr.contains("tasks[1].queue"),
        "{}",
        refused.stderr
    );
    let refused = run(&server, "submit-tasks", &"{}\n".repeat(1001)).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("1000"), "{}", refused.stderr);
    let refused = run(&server, "next-tasks --max-tasks 1001", "").await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("max_tasks"), "{}", refused.stderr);
    let mut api = server.api().await;
    assert_eq!(api.queues().await.unwrap().1, 0);
    api.submit(SubmitTaskRequest::default()).await.unwrap();
    let claimed = run(&server, "next-tasks --max-tasks 1000", "").await.json();
    assert_eq!(claimed["tasks"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn figures_are_shown() {
    let server = Server::start().await;
    let mut api = server.api().await;
    api.submit(SubmitTaskRequest {
        queue: "q".into(),
        ..Default::default()
    })
    .await
    .unwrap();
    run(&server, "next-task -q q --worker ada", "").await.json();
    let figures = run(&server, "figures -q q --since 5m", "").await.json();
    let lines = figures["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["state"], "submitted");
    assert_eq!(lines[0]["events"]["claimed"], 1);
    assert_eq!(lines[1]["in_flight"], 1);
    let workers = run(&server, "workers --since 10m", "").await.json();
    assert_eq!(workers["workers"][0]["worker"], "ada");
    assert_eq!(workers["workers"][0]["claimed"], 1);
    let history = "history -q q --current-state submitted --since 24h --step hour";
    let history = run(&server, history, "").await.json();
    let steps = history["steps"].as_array().unwrap();
    assert!((24..=25).contains(&steps.len()), "{}", steps.len());
    let submitted = steps
        .iter()
        .map(|step| step["events"]["submitted"].as_i64().unwrap());
    assert_eq!(submitted.sum::<i64>(), 1);
    for (line, code) in [
        ("figures --since soon", 2),
        ("history --step week", 2),
        ("figures --max 1001", 1),
        ("workers --since 2 --until 1", 1),
    ] {
        let ran = run(&server, line, "").await;
        assert_eq!(ran.code, Some(code), "{line}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{line}");
    }
}
