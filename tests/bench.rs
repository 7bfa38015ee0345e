//! The load generator against servers that hand out tasks well and badly.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod fake;

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> (i32, String, String) {
    let server = fake::start();
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_corndogs"))
        .args(["bench", "--address", &server.to_string()])
        .args(["--seconds", "0.1", "--format", "json"])
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn lines(stdout: &str) -> Vec<Value> {
    let lines = stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn each_phase_and_worker_count_has_a_line() {
    let (code, stdout, stderr) = bench(&["--queue", fake::queues::HONEST, "--workers", "1,4"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let lines = lines(&stdout);
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["phase"].as_str().unwrap(),
                line["workers"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("submit", 1),
        ("drain", 1),
        ("submit", 4),
        ("drain", 4),
        ("lifecycle", 1),
        ("lifecycle", 4),
    ];
    assert_eq!(seen, expected);
    // What was submitted is what was drained.
    assert_eq!(lines[0]["tasks"], lines[1]["tasks"]);
    assert_eq!(lines[1]["operations"]["claim"]["count"], lines[1]["tasks"]);
    assert!(lines.iter().all(|line| line["tasks"].as_u64() > Some(0)));
}

#[test]
fn a_task_that_comes_twice_is_an_error() {
    let (code, stdout, stderr) =
        bench(&["drain", "--queue", fake::queues::TWICE, "--workers", "1"]);
    assert_eq!((code, &lines(&stdout)[0]["duplicates"]), (1, &1.into()));
    assert!(stderr.contains("came twice"), "{stderr}");
    assert!(stderr.contains("127.0.0.1:"), "{stderr}");
}

#[test]
fn a_task_that_never_comes_is_an_error() {
    let (code, stdout, stderr) =
        bench(&["drain", "--queue", fake::queues::LOSING, "--workers", "4"]);
    assert_eq!((code, &lines(&stdout)[0]["missing"]), (1, &1.into()));
    assert!(
        stderr.contains("1 tasks were submitted and never came"),
        "{stderr}"
    );
}

#[test]
fn a_task_of_somebody_else_is_an_error() {
    let arguments = [
        "lifecycle",
        "--queue",
        fake::queues::FOREIGN,
        "--workers",
        "1",
    ];
    let (code, stdout, stderr) = bench(&arguments);
    assert_eq!((code, &lines(&stdout)[0]["unknown"]), (1, &1.into()));
    assert!(stderr.contains("none that this run submitted"), "{stderr}");
}

#[test]
fn a_refusal_ends_the_run() {
    let (code, stdout, stderr) = bench(&["submit", "--queue", "refuse"]);
    assert_eq!((code, &lines(&stdout)[0]["tasks"]), (1, &0.into()));
    assert!(
        stderr.contains("SubmitTask: INVALID_ARGUMENT: "),
        "{stderr}"
    );
}
