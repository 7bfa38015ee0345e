//! Each checker against a server that breaks the promise: bug planted → checker that caught it, by the fewest calls.

use super::check;
use crate::history::{Answer, Counts, Event, Request, Seen, Submitted, What};

/// Writes histories as they would be recorded.
#[derive(Default)]
struct Script(Vec<Event>);

impl Script {
    fn note(&mut self, call: u64, what: What) {
        let at_us = self.0.len() as u64;
        self.0.push(Event {
            at_us,
            call,
            client: "client".into(),
            node: 1,
            what,
        });
    }

    fn invoke(&mut self, call: u64, request: Request) {
        self.note(call, What::Invoke { request });
    }

    /// A call that nothing came between.
    fn done(&mut self, call: u64, request: Request, task: Option<Seen>) {
        self.invoke(call, request);
        self.note(
            call,
            What::Ok {
                answer: Answer::Task(task),
            },
        );
    }

    fn fails(&mut self, call: u64, request: Request) {
        self.invoke(call, request);
        self.note(
            call,
            What::Fail {
                why: "nothing was done".into(),
            },
        );
    }

    fn unknown(&mut self, call: u64, request: Request) {
        self.invoke(call, request);
        self.note(
            call,
            What::Unknown {
                why: "too late".into(),
            },
        );
    }

    fn counts(&mut self, call: u64, live: i64, submitted: i64, archived: i64) {
        self.invoke(call, Request::Counts);
        let counts = Counts {
            live,
            submitted,
            archived,
        };
        self.note(
            call,
            What::Ok {
                answer: Answer::Counts(counts),
            },
        );
    }
}

fn submitted(name: &str) -> Submitted {
    Submitted {
        uuid: name.into(),
        payload: format!("payload of {name}"),
    }
}

fn submit(name: &str) -> Request {
    Request::Submit(submitted(name))
}

fn claim() -> Request {
    Request::Claim {
        worker: "client".into(),
        state: "submitted".into(),
    }
}

fn complete(name: &str, attempt: i64, next: Option<&str>) -> Request {
    Request::Complete {
        uuid: name.into(),
        attempt,
        state: "submitted-working".into(),
        next: next.map(submitted),
    }
}

fn get(name: &str) -> Request {
    Request::Get { uuid: name.into() }
}

/// The task after so many claims, changed at that moment.
fn at(name: &str, attempt: i64, update_time_ns: i64) -> Option<Seen> {
    Some(Seen {
        uuid: name.into(),
        payload: format!("payload of {name}"),
        state: if attempt == 0 {
            "submitted"
        } else {
            "submitted-working"
        }
        .into(),
        attempt,
        update_time_ns,
        is_archived: false,
    })
}

fn ended(name: &str, attempt: i64, update_time_ns: i64) -> Option<Seen> {
    at(name, attempt, update_time_ns).map(|task| Seen {
        payload: String::new(),
        state: "completed".into(),
        is_archived: true,
        ..task
    })
}

/// Two tasks, one of them by a completion, with a lease that ran out in between, and calls without an answer.
fn correct() -> Script {
    let mut script = Script::default();
    script.done(1, submit("a"), at("a", 0, 1));
    script.unknown(2, submit("b"));
    script.done(3, claim(), at("a", 1, 2));
    script.done(4, claim(), at("a", 2, 5));
    script.fails(5, complete("a", 1, Some("never")));
    script.unknown(6, claim());
    script.done(7, complete("a", 2, Some("c")), ended("a", 2, 6));
    script.done(8, complete("a", 2, Some("neither")), None);
    script.done(9, get("b"), at("b", 1, 4));
    script.done(10, claim(), at("c", 1, 7));
    script.unknown(11, complete("c", 1, None));
    script.done(12, claim(), at("b", 2, 8));
    script.done(13, complete("b", 2, None), ended("b", 2, 9));
    script.counts(14, 0, 3, 3);
    for (call, name, attempt, moment) in [(15, "a", 2, 6), (16, "b", 2, 9), (17, "c", 1, 8)] {
        script.done(call, get(name), ended(name, attempt, moment));
    }
    script
}

type Plant = fn(&mut Script);

/// The bug, what it adds to a correct history, who must catch it, and by which calls.
const PLANTED: [(&str, Plant, &str, &[u64]); 14] = [
    (
        "an acknowledged submit is forgotten",
        |script| {
            script.done(20, submit("d"), at("d", 0, 20));
            script.done(21, get("d"), None);
        },
        "lost",
        &[20, 21],
    ),
    (
        "the next task of a completion is forgotten",
        |script| {
            script.done(20, submit("d"), at("d", 0, 20));
            script.done(21, complete("d", 1, Some("e")), ended("d", 1, 21));
            script.done(22, get("e"), None);
        },
        "lost",
        &[21, 22],
    ),
    (
        "a task comes from nowhere",
        |script| script.done(20, claim(), at("d", 1, 20)),
        "phantom",
        &[20],
    ),
    (
        "a refused submit was done all the same",
        |script| {
            script.fails(20, submit("d"));
            script.done(21, claim(), at("d", 1, 21));
        },
        "phantom",
        &[20, 21],
    ),
    (
        "a completion that changed nothing submits its next task",
        |script| script.done(20, get("neither"), at("neither", 0, 20)),
        "phantom",
        &[8, 20],
    ),
    (
        "a payload is mixed up",
        |script| {
            script.done(20, submit("d"), at("d", 0, 20));
            script.done(
                21,
                claim(),
                at("d", 1, 21).map(|task| Seen {
                    payload: "payload of a".into(),
                    ..task
                }),
            );
        },
        "phantom",
        &[20, 21],
    ),
    (
        "two claims get one lease",
        |script| {
            script.done(20, submit("d"), at("d", 0, 20));
            script.done(21, claim(), at("d", 1, 21));
            script.done(22, claim(), at("d", 1, 21));
        },
        "double lease",
        &[21, 22],
    ),
    (
        "a stale holder updates",
        |script| {
            script.done(20, submit("d"), at("d", 0, 20));
            script.done(21, claim(), at("d", 1, 21));
            script.done(22, claim(), at("d", 2, 22));
            let update = Request::Update {
                uuid: "d".into(),
                attempt: 1,
                state: "submitted-working".into(),
                new_state: "second".into(),
            };
            script.done(23, update, at("d", 2, 23));
        },
        "acted after fencing",
        &[22, 23],
    ),
    (
        "a task is completed again after it ended",
        |script| script.done(20, complete("a", 2, None), ended("a", 2, 20)),
        "completed twice",
        &[7, 20],
    ),
    (
        "a total counts a submit twice",
        |script| script.counts(20, 0, 4, 3),
        "conservation",
        &[20],
    ),
    (
        "a total misses completions",
        |script| script.counts(20, 2, 3, 1),
        "conservation",
        &[7, 13, 20],
    ),
    (
        "a task is live that no total counts",
        |script| script.done(20, get("c"), at("c", 1, 8)),
        "conservation",
        &[14, 20],
    ),
    (
        "a read behind the leader's back shows what was",
        |script| {
            script.done(20, submit("d"), at("d", 0, 20));
            script.done(21, claim(), at("d", 1, 21));
            script.done(22, get("d"), at("d", 0, 20));
        },
        "reads go backwards",
        &[21, 22],
    ),
    (
        "an ended task comes back to life",
        |script| {
            script.done(20, get("a"), ended("a", 2, 6));
            script.done(21, get("a"), at("a", 2, 6));
        },
        "reads go backwards",
        &[7, 21],
    ),
];

#[test]
fn a_correct_history_passes() {
    assert_eq!(check(&correct().0), []);
}

#[test]
fn each_planted_bug_is_caught_by_its_checker_with_the_fewest_calls() {
    for (bug, plant, checker, calls) in PLANTED {
        let mut script = correct();
        plant(&mut script);
        let found = check(&script.0);
        let caught = found
            .iter()
            .any(|one| one.checker == checker && one.calls == calls);
        assert!(
            caught,
            "{bug}: {checker} should find {calls:?}, found is {found:#?}"
        );
        println!("{bug} -> {checker} {calls:?}");
    }
}

#[test]
fn every_checker_has_a_bug_that_it_caught() {
    for name in super::names() {
        assert!(
            PLANTED.iter().any(|(_, _, checker, _)| *checker == name),
            "{name}"
        );
    }
}

#[test]
fn what_overlaps_may_go_either_way() {
    let mut script = correct();
    script.done(20, submit("d"), at("d", 0, 20));
    script.done(21, claim(), at("d", 1, 21));
    script.invoke(22, complete("d", 1, None));
    script.invoke(23, get("d"));
    script.done(24, get("d"), at("d", 1, 21));
    script.note(
        23,
        What::Ok {
            answer: Answer::Task(ended("d", 1, 22)),
        },
    );
    script.note(
        22,
        What::Ok {
            answer: Answer::Task(ended("d", 1, 22)),
        },
    );
    script.counts(25, 0, 4, 4);
    assert_eq!(check(&script.0), []);
}

#[test]
fn a_completion_that_was_done_before_its_retry_submits_its_next_task() {
    let mut script = correct();
    script.done(20, submit("d"), at("d", 0, 20));
    script.done(21, claim(), at("d", 1, 21));
    script.unknown(22, complete("d", 1, Some("e")));
    script.done(23, complete("d", 1, Some("e")), None);
    script.done(24, claim(), at("e", 1, 24));
    assert_eq!(check(&script.0), []);
}

#[test]
fn a_history_is_read_as_it_was_written() {
    for event in correct().0 {
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }
}
