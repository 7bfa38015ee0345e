//! What the command line reads: JSON lines, values of flags. And what it shows of a server's answer, whatever is in it.

use prost::Message;

use super::batch::requests;
use super::fields::{base64_bytes, entry, time};
use super::human;
use crate::fuzz::{Input, Output, fuzz_target};
use crate::proto::v1alpha1::{CompleteTaskRequest, SubmitTaskRequest, Task};

fuzz_target!(
    /// Lines of requests, values of flags, and tasks to be shown.
    cli_input, 50_000, seeds, run
);

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (kind, bytes) = (input.byte(), input.rest());
    let text = String::from_utf8_lossy(bytes);
    match kind {
        0 => {
            let Ok(read) = requests::<SubmitTaskRequest>(bytes) else {
                return;
            };
            let lines: Vec<String> = read
                .iter()
                .map(|request| serde_json::to_string(request).unwrap())
                .collect();
            let again = requests::<SubmitTaskRequest>(lines.join("\n").as_bytes());
            assert!(again.is_ok_and(|again| again == read));
        }
        1 => {
            if let Ok(read) = requests::<CompleteTaskRequest>(bytes) {
                assert!(!read.is_empty());
            }
        }
        2 => {
            if let Ok(at_ns) = time(&text) {
                assert_eq!(time(&at_ns.to_string()), Ok(at_ns));
                human::time(at_ns);
            }
        }
        3 => {
            if let Ok((key, value)) = entry(&text) {
                assert_eq!(format!("{key}={value}"), text);
            }
        }
        4 => {
            if let Ok(bytes) = base64_bytes(&text) {
                assert!(bytes.len() <= text.len());
            }
        }
        _ => {
            if let Ok(mut task) = Task::decode(bytes) {
                let is_sane = |c: char| c == '\n' || !c.is_control();
                // A payload of text is shown as it is, with its tabs.
                let shown = human::task(&task);
                assert!(shown.chars().all(|c| c == '\t' || is_sane(c)), "{shown:?}");
                task.payload.clear();
                let shown = human::task(&task);
                assert!(shown.chars().all(is_sane), "{shown:?}");
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let submit = concat!(
        r#"{"queue": "q", "payload": "cGF5bG9hZA==", "metadata": {"a": "b"}, "timeout": 5}"#,
        "\n\n",
        r#"{"retry_backoff": {"initial": 1}}"#,
    );
    let complete = r#"{"uuid": "u", "next_task": {"queue": "q"}}"#;
    let task = Task {
        uuid: "0192f5e0-1234-7abc-8def-0123456789ab".into(),
        queue: "queue".into(),
        submit_time: 1_700_000_000_000_000_000,
        timeout: 60,
        payload: b"payload".as_slice().into(),
        last_error: "a\nb".into(),
        ..Task::default()
    };
    let inputs: [(u8, &[u8]); 7] = [
        (0, submit.as_bytes()),
        (1, complete.as_bytes()),
        (2, b"2026-01-31T12:00:00Z"),
        (2, b"-7"),
        (3, b"key=value"),
        (4, b"cGF5bG9hZA=="),
        (5, &task.encode_to_vec()),
    ];
    inputs
        .map(|(kind, bytes)| {
            let mut seed = Output::default();
            seed.byte(kind).rest(bytes);
            seed.bytes()
        })
        .into()
}
