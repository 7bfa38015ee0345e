//! Rows for tests.

use bytes::Bytes;
use uuid::Uuid;

use super::answer::Answer;
use super::history::{History, Transition, TransitionKind};
use super::record::{Backoff, Extras, Task};

/// Some task, with no field of the first version at its default.
pub(crate) fn task(seq: u64) -> Task {
    Task {
        uuid: Uuid::from_u128(u128::from(seq) << 64 | 0x7000_0000_0000_0000),
        seq,
        queue: "queue".into(),
        current_state: "submitted".into(),
        auto_target_state: "submitted-working".into(),
        submit_time_ns: 1_700_000_000_000_000_000,
        update_time_ns: 1_700_000_000_000_000_001,
        timeout_s: 60,
        priority: -3,
        payload: Bytes::from_static(b"payload"),
        attempt: 2,
        worker: "worker".into(),
        claim_timeout_s: 30,
        request_digest: 1 << 100,
        not_before_ns: 0,
        max_attempts: 0,
        is_delayed: false,
        claimed_ns: 0,
        history: History::default(),
        extras: None,
    }
}

/// The same with no field of the second version at its default.
pub(crate) fn full_task(seq: u64) -> Task {
    let metadata = [("key", "value"), ("leer", "")];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let extras = Extras {
        unique_key: "unique".into(),
        metadata: metadata.into(),
        ..Extras::default()
    };
    Task {
        not_before_ns: 1_800_000_000_000_000_000,
        max_attempts: 5,
        is_delayed: true,
        extras: extras.shared(),
        ..task(seq)
    }
}

/// The same with the fields that came after those.
pub(crate) fn newest_task(seq: u64) -> Task {
    let full = full_task(seq);
    let extras = Extras {
        group: "group".into(),
        backoff: Some(Backoff::from([1, 600, 200, 10])),
        spared_attempts: 3,
        last_error: "error".into(),
        ..full.extras.as_deref().cloned().unwrap_or_default()
    };
    let transition = |kind, later_ns, from: &str, worker: &str| Transition {
        at_ns: full.submit_time_ns + later_ns,
        kind,
        from: from.into(),
        worker: worker.into(),
        attempt: 1,
    };
    let transitions = [
        transition(TransitionKind::Claimed, 1_000_000_000, "submitted", "first"),
        transition(
            TransitionKind::Updated,
            60_000_000_000,
            "submitted-working",
            "",
        ),
    ];
    Task {
        history: History::from_oldest(3, transitions),
        claimed_ns: 1_700_000_000_000_000_002,
        extras: extras.shared(),
        ..full
    }
}

/// Some answer, with no field at its default.
pub(crate) fn answer(number: u64) -> Answer {
    Answer {
        request_digest: 1 << 100 | u128::from(number),
        expires_ns: 1_700_000_000_000_000_000,
        outcome: Bytes::from(format!("outcome {number}")),
    }
}
