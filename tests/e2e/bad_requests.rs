//! Requests with one thing too much each, with the field and a word of the limit.

use std::collections::BTreeMap;

use corndogs::proto::v1alpha1::*;

pub const MIB: usize = 1 << 20;

pub fn submit() -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: "q".into(),
        ..Default::default()
    }
}

fn strings(count: usize, bytes: usize) -> BTreeMap<String, String> {
    (0..count)
        .map(|number| (format!("key-{number}"), "v".repeat(bytes)))
        .collect()
}

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

pub fn bad_submits() -> Vec<(SubmitTaskRequest, &'static str, &'static str)> {
    let mut bad = Vec::new();
    for (name, limit) in bad_names() {
        bad.push((
            SubmitTaskRequest {
                queue: name.clone(),
                ..submit()
            },
            "queue",
            limit,
        ));
        bad.push((
            SubmitTaskRequest {
                current_state: name.clone(),
                ..submit()
            },
            "current_state",
            limit,
        ));
        bad.push((
            SubmitTaskRequest {
                auto_target_state: name.clone(),
                ..submit()
            },
            "auto_target_state",
            limit,
        ));
        bad.push((
            SubmitTaskRequest {
                unique_key: name.clone(),
                ..submit()
            },
            "unique_key",
            limit,
        ));
        let metadata = [(name, String::new())].into();
        bad.push((
            SubmitTaskRequest {
                metadata,
                ..submit()
            },
            "metadata",
            limit,
        ));
    }
    // The derived state counts against the limit too.
    let derived = SubmitTaskRequest {
        current_state: "s".repeat(250),
        ..submit()
    };
    bad.push((derived, "auto_target_state", "255"));
    bad.push((
        SubmitTaskRequest {
            payload: vec![0; MIB + 1].into(),
            ..submit()
        },
        "payload",
        "1048576",
    ));
    bad.push((
        SubmitTaskRequest {
            metadata: strings(65, 1),
            ..submit()
        },
        "metadata",
        "64",
    ));
    bad.push((
        SubmitTaskRequest {
            metadata: strings(2, 8 << 10),
            ..submit()
        },
        "metadata",
        "16384",
    ));
    bad.push((
        SubmitTaskRequest {
            not_before: -1,
            ..submit()
        },
        "not_before",
        "negative",
    ));
    bad.push((
        SubmitTaskRequest {
            claim_timeout: -1,
            ..submit()
        },
        "claim_timeout",
        "negative",
    ));
    bad.push((
        SubmitTaskRequest {
            max_attempts: i64::MIN,
            ..submit()
        },
        "max_attempts",
        "negative",
    ));
    // Without one, the server makes it.
    for text in bad_uuids().into_iter().filter(|text| !text.is_empty()) {
        bad.push((
            SubmitTaskRequest {
                uuid: text,
                ..submit()
            },
            "uuid",
            "uuid",
        ));
    }
    bad
}

pub fn bad_uuids() -> Vec<String> {
    let long = "0".repeat(100_000);
    let bad = [
        "",
        "x",
        "0192f5e0-1234-7abc-8def-0123456789a",
        "0192f5e0-1234-7abc-8def-0123456789abc",
        &long,
    ];
    bad.map(str::to_owned).into()
}

pub fn bad_claims() -> Vec<(GetNextTaskRequest, &'static str, &'static str)> {
    let mut bad = Vec::new();
    let claim = GetNextTaskRequest::default;
    for (name, limit) in bad_names() {
        bad.push((
            GetNextTaskRequest {
                queue: name.clone(),
                ..claim()
            },
            "queue",
            limit,
        ));
        bad.push((
            GetNextTaskRequest {
                current_state: name.clone(),
                ..claim()
            },
            "current_state",
            limit,
        ));
        let request = GetNextTaskRequest {
            override_current_state: name.clone(),
            ..claim()
        };
        bad.push((request, "override_current_state", limit));
        let request = GetNextTaskRequest {
            override_auto_target_state: name.clone(),
            ..claim()
        };
        bad.push((request, "override_auto_target_state", limit));
        bad.push((
            GetNextTaskRequest {
                worker: name.clone(),
                ..claim()
            },
            "worker",
            limit,
        ));
        bad.push((
            GetNextTaskRequest {
                queues: vec!["q".into(), name],
                ..claim()
            },
            "queues",
            limit,
        ));
    }
    bad.push((
        GetNextTaskRequest {
            queues: vec!["q".into(); 101],
            ..claim()
        },
        "queues",
        "100",
    ));
    bad.push((
        GetNextTaskRequest {
            wait_ms: -1,
            ..claim()
        },
        "wait_ms",
        "60000",
    ));
    bad.push((
        GetNextTaskRequest {
            wait_ms: 60_001,
            ..claim()
        },
        "wait_ms",
        "60000",
    ));
    bad
}
