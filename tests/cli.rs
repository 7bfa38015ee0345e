//! The program as scripts see it: exit codes, stdout, stderr, against a server that echoes.
#![allow(clippy::unwrap_used)]

mod fake;

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};

static SERVER: LazyLock<SocketAddr> = LazyLock::new(fake::start);

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(
            self.stdout.lines().count(),
            1,
            "{}{}",
            self.stdout,
            self.stderr
        );
        serde_json::from_str(&self.stdout).unwrap()
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corndogs"));
    command
        .args(arguments)
        .env_clear()
        .env("CORNDOGS_ADDRESS", SERVER.to_string());
    command
}

fn finish(command: &mut Command, stdin: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that does not read its stdin closes it.
    _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Arguments are split at spaces.
fn run(line: &str) -> Ran {
    run_with(line, "")
}

fn run_with(line: &str, stdin: &str) -> Ran {
    let arguments: Vec<&str> = line.split(' ').collect();
    finish(&mut command(&arguments), stdin.as_bytes())
}

#[test]
fn exit_codes() {
    let target = "-q q --current-state s";
    let none = "-q none --current-state s";
    for (line, code) in [
        ("submit-task".to_owned(), 0),
        ("submit-task -q refuse".to_owned(), 1),
        ("submit-task -q hang --deadline 100ms".to_owned(), 1),
        ("submit-task --address 127.0.0.1:1".to_owned(), 1),
        ("submit-task --address a:b".to_owned(), 2),
        ("submit-task --metadata a=1 --metadata a=2".to_owned(), 2),
        ("submit-task --payload-file /nowhere".to_owned(), 2),
        ("get-task --uuid u".to_owned(), 0),
        ("get-task --uuid none".to_owned(), 1),
        ("next-task".to_owned(), 0),
        ("next-task -q none".to_owned(), 0),
        ("update-task --uuid u -q q".to_owned(), 0),
        ("update-task --uuid none -q q".to_owned(), 1),
        (format!("complete-task --uuid u {target}"), 0),
        (format!("complete-task --uuid u {none}"), 1),
        (format!("cancel-task --uuid u {target}"), 0),
        (format!("cancel-task --uuid u {none}"), 1),
        (format!("extend-task --uuid u {target}"), 0),
        (format!("extend-task --uuid u {none}"), 1),
        (format!("fail-task --uuid u {target}"), 0),
        (format!("fail-task --uuid u {none}"), 1),
        ("timeout".to_owned(), 0),
        ("get-queues".to_owned(), 0),
        ("get-queue-task-counts".to_owned(), 0),
        ("get-task-state-counts -q q".to_owned(), 0),
        ("get-queue-and-state-counts".to_owned(), 0),
        ("submit-tasks".to_owned(), 2),
        ("next-tasks --max-tasks 2".to_owned(), 0),
        ("next-tasks --max-tasks 2 -q none".to_owned(), 0),
        ("cluster status".to_owned(), 0),
        ("cluster add-node 4".to_owned(), 2),
        ("cluster add-node 4=a:1".to_owned(), 0),
        ("cluster replace-node 3 4=a:1".to_owned(), 0),
        ("cluster replace-node 3".to_owned(), 0),
        ("cluster remove-node 4".to_owned(), 0),
        ("cluster remove-node 1".to_owned(), 1),
        ("cluster transfer-leader".to_owned(), 0),
        ("--version".to_owned(), 0),
        ("--help".to_owned(), 0),
        ("run --help".to_owned(), 0),
        ("run --max-payload big".to_owned(), 2),
        ("run --node-id 1".to_owned(), 2),
        ("nonsense".to_owned(), 2),
    ] {
        let ran = run(&line);
        assert_eq!(ran.code, code, "{line}: {}{}", ran.stdout, ran.stderr);
        assert!(code == 0 || !ran.stderr.is_empty(), "{line} says nothing");
        assert!(code == 0 || ran.stdout.is_empty(), "{line}: {}", ran.stdout);
    }
    assert_eq!(finish(&mut command(&[]), b"").code, 2);
}

#[test]
fn a_failure_says_where_and_what() {
    let ran = run("submit-task --address 127.0.0.1:1");
    assert!(
        ran.stderr
            .starts_with("corndogs: cannot connect to 127.0.0.1:1: "),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("refused"), "{}", ran.stderr);
    let ran = run("submit-task -q refuse");
    let expected = format!(
        "corndogs: {}: INVALID_ARGUMENT: queue: no\\u{{1b}}[2J\n",
        *SERVER
    );
    assert_eq!(ran.stderr, expected);
    let ran = run("submit-task -q hang --deadline 100ms");
    assert!(ran.stderr.contains(&SERVER.to_string()), "{}", ran.stderr);
    let ran = run("run --max-payload big");
    assert!(
        ran.stderr
            .starts_with("corndogs: --max-payload: bad value \"big\": "),
        "{}",
        ran.stderr
    );
}

#[test]
#[allow(clippy::too_many_lines)] // A table.
fn fields_arrive() {
    let ran = run(
        "submit-task --format json -q q --current-state a --auto-target-state b --timeout 1m \
         --payload hi --priority -2 --uuid u --not-before 1970-01-01T00:00:01.5Z --unique-key k \
         --metadata x=y --claim-timeout 3 --max-attempts 4 --idempotency-key key --retry-initial 1m --retry-cap 1h \
         --retry-factor-percent 150 --retry-jitter-percent 20",
    );
    let mut expected = json!({"task": {
        "uuid": "u", "queue": "q", "current_state": "a", "auto_target_state": "b",
        "submit_time": 0, "update_time": 0, "timeout": 60, "payload": "aGk=", "priority": -2,
        "attempt": 0, "worker": "key", "expires_at": 0, "not_before": 1_500_000_000_i64,
        "metadata": {"x": "y"}, "unique_key": "k", "claim_timeout": 3, "max_attempts": 4,
        "retry_backoff": {"initial": 60, "cap": 3600, "factor_percent": 150, "jitter_percent": 20},
        "last_error": "",
    }});
    assert_eq!(ran.json(), expected);
    expected["task"]["worker"] = json!("");

    let task = run(
        "next-task --format json -q q --queues a --queues b --override-timeout -1 --override-current-state c \
         --override-auto-target-state d --worker w --wait-ms 5",
    )
    .json()["task"]
        .take();
    let told = [
        "queue",
        "unique_key",
        "timeout",
        "current_state",
        "auto_target_state",
        "worker",
        "attempt",
    ];
    let expected = [
        json!("q"),
        json!("a+b"),
        json!(-1),
        json!("c"),
        json!("d"),
        json!("w"),
        json!(5),
    ];
    assert_eq!(told.map(|key| task[key].clone()), expected);

    let task = run(
        "update-task --format json --uuid u -q q --current-state a --new-state b --auto-target-state c \
         --timeout 7 --payload-base64 AP8= --priority 8 --attempt 9",
    )
    .json()["task"]
        .take();
    let told = [
        "worker",
        "current_state",
        "auto_target_state",
        "timeout",
        "payload",
        "priority",
        "attempt",
    ];
    let expected = [
        json!("a"),
        json!("b"),
        json!("c"),
        json!(7),
        json!("AP8="),
        json!(8),
        json!(9),
    ];
    assert_eq!(told.map(|key| task[key].clone()), expected);

    let ran = run(
        "complete-task --format json --uuid u -q q --current-state s --next-task {\"queue\":\"r\"}",
    );
    assert_eq!(ran.json()["next_task"]["queue"], "r");
    let task =
        run("extend-task --format json --uuid u -q q --current-state s --timeout 2h --attempt 3")
            .json();
    assert_eq!(
        (&task["task"]["timeout"], &task["task"]["attempt"]),
        (&json!(7200), &json!(3))
    );
    let line = "fail-task --format json --uuid u -q q --current-state s --retry-after 2h --attempt 3 --message why";
    let task = run(line).json()["task"].clone();
    assert_eq!(
        (&task["timeout"], &task["attempt"], &task["last_error"]),
        (&json!(7200), &json!(3), &json!("why"))
    );
    assert_eq!(
        run("timeout --format json --at 1970-01-01T00:00:01Z").json(),
        json!({"timed_out": 1_000_000_000})
    );
    assert_eq!(run("timeout --format json").json(), json!({"timed_out": 0}));
}

#[test]
fn nothing_in_json_is_null() {
    let ran = run("next-task --format json -q none");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "{\"task\":null}\n"));
    let ran = run("get-task --format json --uuid none");
    let none = json!({
        "task": null, "is_archived": false, "is_delayed": false, "is_in_flight": false,
    });
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, shown), (1, none));
}

#[test]
fn where_a_task_stands_is_shown() {
    let ran = run("get-task --uuid archived");
    assert!(
        ran.stdout.ends_with("\nis_archived: true\n"),
        "{}",
        ran.stdout
    );
    let ran = run("get-task-history --uuid u");
    let history = "\
time                  kind       from  to         attempt  worker
1970-01-01T00:00:00Z  submitted        a          0        u
1970-01-01T00:00:01Z  claimed    a     a-working  1        u
";
    assert_eq!(ran.stdout, history);
    assert_eq!(run("get-task-history --uuid none").code, 1);
}

#[test]
fn lists_are_shown_page_by_page() {
    let flags = "-q q --current-state s --worker w --metadata k=v --in-flight --delayed=false";
    let ran = run(&format!("list-tasks {flags} --page-size 5 --format json"));
    let page = ran.json();
    let (listed, task) = (&page["tasks"][0], &page["tasks"][0]["task"]);
    assert_eq!(page["next_page_token"], "second");
    assert_eq!(
        (&task["worker"], &task["metadata"]["k"]),
        (&json!("w"), &json!("v"))
    );
    assert_eq!(
        (&task["queue"], &task["priority"]),
        (&json!("q"), &json!(5))
    );
    assert_eq!(listed["is_in_flight"], true);
    assert_eq!(
        (&listed["is_delayed"], &listed["is_archived"]),
        (&json!(false), &json!(false))
    );
    let ran = run("list-tasks --archived --all --format json");
    let lines: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let uuids: Vec<&Value> = lines.iter().map(|line| &line["task"]["uuid"]).collect();
    assert_eq!(uuids, ["", "second"]);
    assert!(lines.iter().all(|line| line["is_archived"] == true));
    let ran = run("list-tasks --in-flight");
    assert!(ran.stdout.contains("in flight") && ran.stderr.contains("--page-token second"));
    let ran = run("dead list --format json");
    assert_eq!(ran.stdout.matches("\"current_state\":\"dead\"").count(), 2);
}

#[test]
fn acts_on_many_tell_what_they_did() {
    for command in [
        "cancel-tasks",
        "requeue-tasks",
        "update-tasks --priority -1",
    ] {
        let ran = run(&format!(
            "{command} -q q --current-state s --max-tasks 3 --format json"
        ));
        let figures = json!({"matched": 7, "changed": 3, "next_page_token": "s"});
        assert_eq!(ran.json(), figures, "{command}");
        assert_eq!(run(&format!("{command} -q none")).code, 0);
        let ran = run(command);
        assert_eq!(ran.code, 2, "{command}");
        assert!(ran.stderr.contains("--everything"), "{}", ran.stderr);
        assert_eq!(run(&format!("{command} --everything")).code, 0);
    }
    for command in ["dead requeue", "dead purge"] {
        let ran = run(&format!("{command} --include-in-flight"));
        assert_eq!(ran.stdout, "matched: 7\nchanged: 7\n");
        assert!(ran.stderr.contains("--page-token dead"), "{}", ran.stderr);
    }
}

#[test]
fn payloads_come_from_files_and_stdin() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [0, 255]).unwrap();
    let ran = run(&format!(
        "submit-task --format json --payload-file {}",
        file.path().display()
    ));
    assert_eq!(ran.json()["task"]["payload"], "AP8=");
    let ran = run_with("submit-task --format json --payload-file -", "hi");
    assert_eq!(ran.json()["task"]["payload"], "aGk=");
}

#[test]
fn batches_are_lines_on_stdin() {
    let ran = run_with(
        "submit-tasks --format json",
        "{\"queue\":\"a\"}\n\n{\"queue\":\"b\"}",
    );
    assert_eq!(ran.json()["tasks"][1]["queue"], "b");
    let ran = run_with("submit-tasks", "{}\n{\"queue\":1}\n");
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.starts_with("corndogs: stdin: line 2: "),
        "{}",
        ran.stderr
    );
    let ran = run("next-tasks --format json --max-tasks 2");
    assert_eq!(ran.json()["tasks"].as_array().unwrap().len(), 2);
    let lines = "{\"uuid\":\"u\",\"queue\":\"q\"}\n{\"uuid\":\"none\",\"queue\":\"q\"}\n";
    let ran = run_with("complete-tasks --format json", lines);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.json()["results"][1],
        json!({"task": null, "next_task": null})
    );
    assert_eq!(ran.stderr, "corndogs: 1 of 2 did not match: none\n");
    assert_eq!(run_with("complete-tasks", "{\"uuid\":\"u\"}").code, 0);
}

#[test]
fn people_read_lines() {
    let ran = run("get-queue-task-counts");
    assert_eq!(
        ran.stdout,
        "total_task_count: 3\nqueue_counts:\n  a:    1\n  long: 2\n"
    );
    assert_eq!(
        run("get-queues").stdout,
        "total_task_count: 3\nqueues:\n  a\n  b\n"
    );
    let counts = "queue: a\ncount: 1\nstate_counts:\n  submitted: 1\n";
    assert_eq!(run("get-task-state-counts -q a").stdout, counts);
    assert_eq!(run("get-queue-and-state-counts").stdout, counts);
    let ran = run("next-task -q none");
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("", "corndogs: no task is available\n")
    );
}

#[test]
fn counts_in_json() {
    assert_eq!(
        run("get-queues --format json").json(),
        json!({"queues": ["a", "b"], "total_task_count": 3})
    );
    let status = run("cluster status --format json").stdout;
    assert!(
        status.starts_with(r#"{"leader":1,"nodes":[{"id":1,"role":"leader","#),
        "{status}"
    );
}

#[test]
fn an_answer_may_be_long_and_its_reader_short() {
    let ran = run("get-task --uuid big");
    assert!(
        ran.code == 0 && ran.stdout.len() > 20 << 20,
        "{} {}",
        ran.code,
        ran.stderr
    );
    let mut child = command(&["get-task", "--uuid", "big"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[test]
fn a_backup_appears_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup");
    let line = format!("backup --format json --out {}", file.display());
    let ran = run(&line);
    assert_eq!(
        (ran.code, &ran.json()["bytes"]),
        (0, &json!(3)),
        "{}",
        ran.stderr
    );
    let broken = format!("{line} --address {}", fake::start_breaking());
    let ran = run(&broken);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("UNAVAILABLE: shutting down"),
        "{}",
        ran.stderr
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"abc");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    assert_eq!(
        run(&format!("backup --out {}", directory.path().display())).code,
        1
    );
}

#[test]
fn queues_are_set_and_shown() {
    let set = run("queue set q --max-in-flight 3 --group-by tenant --retention 60 --format json");
    assert_eq!(set.code, 0, "{}", set.stderr);
    let settings = &set.json()["settings"];
    assert_eq!(settings["max_in_flight"], json!(3));
    assert_eq!(settings["group_by"], json!("tenant"));
    assert_eq!(settings["retention"], json!(60));
    assert_eq!(settings["max_waiting"], json!(0));
    let paused = run("queue pause q");
    assert_eq!(
        (paused.code, paused.stdout.as_str()),
        (0, "queue:  q\npaused: true\n")
    );
    let resumed = run("queue resume q");
    assert_eq!((resumed.code, resumed.stdout.as_str()), (0, "queue: q\n"));
    let shown = run("queue get q");
    assert_eq!(shown.code, 0);
    for line in [
        "paused: true",
        "waiting:",
        "in_flight:",
        "paused_since: 2023-",
    ] {
        assert!(shown.stdout.contains(line), "{}", shown.stdout);
    }
    let listed = run("queue list --after a --limit 1");
    assert_eq!(listed.stdout, "queue:         a-next\nmax_in_flight: 1\n");
    assert!(
        listed.stderr.contains("--after \"a-next\""),
        "{}",
        listed.stderr
    );
    assert_eq!(run("queue set").code, 2);
    assert_eq!(run("queue set q --max-in-flight many").code, 2);
}
