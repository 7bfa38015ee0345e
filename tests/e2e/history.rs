//! The checker of histories itself: it must find what is wrong.

use corndogs::proto::v1alpha1::Task;

use crate::common::history::{Event, History, Told};

fn task(id: &str, attempt: i64, worker: &str) -> Task {
    let current_state = if attempt == 0 {
        "submitted"
    } else {
        "submitted-working"
    };
    Task {
        uuid: format!("uuid of {id}"),
        current_state: current_state.into(),
        payload: id.to_owned().into(),
        attempt,
        worker: worker.into(),
        ..Default::default()
    }
}

/// `a` and `b` were submitted, `a` was claimed and completed.
fn history() -> History {
    let mut history = History::default();
    for id in ["a", "b"] {
        let (id, uuid) = (id.to_owned(), Some(format!("uuid of {id}")));
        history.add(&Event::Submit {
            id,
            uuid,
            told: Told::Done,
            client_uuid: false,
        });
    }
    history.add(&Event::Claim {
        task: task("a", 1, "w"),
    });
    history.add(&Event::Complete {
        task: task("a", 1, "w"),
        next: None,
        told: Told::Done,
    });
    history
}

#[test]
fn what_is_right_passes() {
    let done = Task {
        current_state: "completed".into(),
        ..task("a", 1, "w")
    };
    let mut history = history();
    history.check("uuid of a", Some(&done));
    history.check("uuid of b", Some(&task("b", 0, "")));
    history.check_drained(&[task("b", 1, "")]);
    // What is in doubt may be there or not.
    history.add(&Event::Submit {
        id: "c".into(),
        uuid: None,
        told: Told::Unknown,
        client_uuid: false,
    });
    history.check_drained(&[task("b", 1, "")]);
    history.check_drained(&[task("b", 1, ""), task("c", 1, "")]);
}

#[test]
#[should_panic(expected = "b was acknowledged and is lost")]
fn a_lost_task() {
    history().check_drained(&[]);
}

#[test]
#[should_panic(expected = "is lost")]
fn a_lost_task_at_a_look_up() {
    history().check("uuid of b", None);
}

#[test]
#[should_panic(expected = "a was delivered twice")]
fn a_completed_task_that_comes_again() {
    history().check_drained(&[task("a", 2, ""), task("b", 1, "")]);
}

#[test]
#[should_panic(expected = "z was delivered but never submitted")]
fn a_task_from_nowhere() {
    history().check_drained(&[task("z", 1, ""), task("b", 1, "")]);
}

#[test]
#[should_panic(expected = "two workers hold b")]
fn two_leases() {
    let mut history = history();
    history.add(&Event::Claim {
        task: task("b", 1, "w1"),
    });
    history.add(&Event::Claim {
        task: task("b", 1, "w2"),
    });
}

#[test]
#[should_panic(expected = "completed twice")]
fn two_completions() {
    history().add(&Event::Complete {
        task: task("a", 1, "w"),
        next: None,
        told: Told::Done,
    });
}

#[test]
#[should_panic(expected = "a lease was lost")]
fn a_lost_lease() {
    let mut history = history();
    history.add(&Event::Claim {
        task: task("b", 1, "w1"),
    });
    history.check("uuid of b", Some(&task("b", 0, "")));
}

#[test]
#[should_panic(expected = "nobody claimed")]
fn a_claim_by_nobody() {
    history().check("uuid of b", Some(&task("b", 1, "")));
}

#[test]
#[should_panic(expected = "nothing was done")]
fn a_refused_submit_that_was_done() {
    let mut history = history();
    history.add(&Event::Submit {
        id: "c".into(),
        uuid: None,
        told: Told::Refused,
        client_uuid: false,
    });
    history.check_drained(&[task("b", 1, ""), task("c", 1, "")]);
}

#[test]
#[should_panic(expected = "nobody claimed")]
fn a_claim_by_another_than_the_one_in_doubt() {
    let mut history = history();
    history.add(&Event::ClaimUnknown {
        worker: "w1".into(),
    });
    history.check("uuid of b", Some(&task("b", 1, "w2")));
}
