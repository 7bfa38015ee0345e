//! Requests with one thing too much each, with the field and a word of the limit.

use std::collections::BTreeMap;

use corndogs::proto::v1alpha1::*;

pub const MIB: usize = 1 << 20;

/// A request, the field that the error must name, and a word of the limit.
pub type Bad<R> = (R, &'static str, &'static str);

/// A field that takes a name, and how to set it.
type NameField<R> = (&'static str, fn(&mut R, String));

const NAMES_OF_A_SUBMIT: [NameField<SubmitTaskRequest>; 5] = [
    ("queue", |request, name| request.queue = name),
    ("current_state", |request, name| {
        request.current_state = name
    }),
    ("auto_target_state", |request, name| {
        request.auto_target_state = name
    }),
    ("unique_key", |request, name| request.unique_key = name),
    ("metadata", |request, name| {
        request.metadata = [(name, String::new())].into()
    }),
];

const NAMES_OF_A_CLAIM: [NameField<GetNextTaskRequest>; 6] = [
    ("queue", |request, name| request.queue = name),
    ("current_state", |request, name| {
        request.current_state = name
    }),
    ("override_current_state", |request, name| {
        request.override_current_state = name
    }),
    ("override_auto_target_state", |request, name| {
        request.override_auto_target_state = name
    }),
    ("worker", |request, name| request.worker = name),
    ("queues", |request, name| {
        request.queues = vec!["q".into(), name]
    }),
];

const NAMES_OF_AN_UPDATE: [NameField<UpdateTaskRequest>; 3] = [
    ("current_state", |request, name| {
        request.current_state = name
    }),
    ("new_state", |request, name| request.new_state = name),
    ("auto_target_state", |request, name| {
        request.auto_target_state = name
    }),
];

/// Names that no field takes.
pub fn bad_names() -> Vec<(String, &'static str)> {
    let control = ["\0", "a\nb", "\u{1b}[31m", "\u{7f}", "\u{85}", "\u{9f}"];
    let mut bad: Vec<_> = control
        .iter()
        .map(|name| ((*name).to_owned(), "control"))
        .collect();
    bad.extend([
        ("x".repeat(256), "255"),
        ("ü".repeat(128), "255"),
        ("x".repeat(100_000), "255"),
    ]);
    bad
}

pub fn bad_uuids() -> Vec<String> {
    let long = "0".repeat(100_000);
    let short = "0192f5e0-1234-7abc-8def-0123456789a";
    [
        "",
        "x",
        short,
        "0192f5e0-1234-7abc-8def-0123456789abc",
        &long,
    ]
    .map(str::to_owned)
    .into()
}

/// The request with each of its names bad.
fn with_bad_names<R: Clone>(good: &R, fields: &[NameField<R>]) -> Vec<Bad<R>> {
    let mut bad = Vec::new();
    for (field, set) in fields {
        for (name, limit) in bad_names() {
            let mut request = good.clone();
            set(&mut request, name);
            bad.push((request, *field, limit));
        }
    }
    bad
}

fn changed<R: Clone>(good: &R, change: impl FnOnce(&mut R)) -> R {
    let mut request = good.clone();
    change(&mut request);
    request
}

pub fn submit() -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: "q".into(),
        ..Default::default()
    }
}

fn entries(count: usize, bytes: usize) -> BTreeMap<String, String> {
    (0..count)
        .map(|number| (format!("key-{number}"), "v".repeat(bytes)))
        .collect()
}

pub fn bad_submits() -> Vec<Bad<SubmitTaskRequest>> {
    let good = submit();
    let mut bad = with_bad_names(&good, &NAMES_OF_A_SUBMIT);
    let too_much = |change: fn(&mut SubmitTaskRequest)| changed(&good, change);
    bad.extend([
        // The derived state counts against the limit too.
        (
            too_much(|r| r.current_state = "s".repeat(250)),
            "auto_target_state",
            "255",
        ),
        (
            too_much(|r| r.payload = vec![0; MIB + 1].into()),
            "payload",
            "1048576",
        ),
        (too_much(|r| r.metadata = entries(65, 1)), "metadata", "64"),
        (
            too_much(|r| r.metadata = entries(2, 8 << 10)),
            "metadata",
            "16384",
        ),
        (too_much(|r| r.not_before = -1), "not_before", "negative"),
        (
            too_much(|r| r.claim_timeout = -1),
            "claim_timeout",
            "negative",
        ),
        (
            too_much(|r| r.max_attempts = i64::MIN),
            "max_attempts",
            "negative",
        ),
    ]);
    // Without one, the server makes it.
    for text in bad_uuids().into_iter().filter(|text| !text.is_empty()) {
        bad.push((changed(&good, |r| r.uuid = text), "uuid", "uuid"));
    }
    bad
}

pub fn bad_claims() -> Vec<Bad<GetNextTaskRequest>> {
    let good = GetNextTaskRequest::default();
    let mut bad = with_bad_names(&good, &NAMES_OF_A_CLAIM);
    bad.extend([
        (
            changed(&good, |r| r.queues = vec!["q".into(); 101]),
            "queues",
            "100",
        ),
        (changed(&good, |r| r.wait_ms = -1), "wait_ms", "60000"),
        (changed(&good, |r| r.wait_ms = 60_001), "wait_ms", "60000"),
    ]);
    bad
}

/// Updates of that task.
pub fn bad_updates(task: &Task) -> Vec<Bad<UpdateTaskRequest>> {
    let good = UpdateTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue.clone(),
        current_state: task.current_state.clone(),
        ..Default::default()
    };
    let mut bad = with_bad_names(&good, &NAMES_OF_AN_UPDATE);
    bad.extend([
        (
            changed(&good, |r| r.new_state = "s".repeat(250)),
            "auto_target_state",
            "255",
        ),
        (
            changed(&good, |r| r.payload = vec![0; MIB + 1].into()),
            "payload",
            "1048576",
        ),
    ]);
    bad
}
