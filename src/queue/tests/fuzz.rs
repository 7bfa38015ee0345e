//! Log entries and remembered answers that nobody wrote: refused, and nothing changes, or an outcome, the same each time.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use super::{request_key, submit, uuid_of};
use crate::fuzz::{Input, Output, fuzz_target};
use crate::proto::durable::{
    self, Backoff, Bulk, CancelAll, Claim, ClaimTasks, Command, Complete, CompleteTasks, Expire,
    Extend, Fail, Forget, Group, PutSchedule, Regroup, Ripen, RunSchedule, Schedule, SetQueue,
    SubmitTasks, Target, Tick, TimeOut, Update, bulk::Act, command::Kind,
};
use crate::queue::durable::{outcome_from_bytes, outcome_to_bytes};
use crate::queue::{Outcome, Refusal, Row, apply, schedule};
use crate::store::record::Position;
use crate::store::testing::{full_task, newest_task};
use crate::store::{MemoryStore, View};

fuzz_target!(
    /// Commands, whatever is in them.
    log_commands, 4000, command_seeds, commands_run
);
fuzz_target!(
    /// Outcomes as they are remembered, and schedules as they are kept.
    remembered_outcome, 10_000, outcome_seeds, outcome_run
);

const S: i64 = 1_000_000_000;
const START_NS: i64 = 1_700_000_000 * S;

/// Each command in an entry of its own, some time after the one before.
fn commands_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut now_ns = START_NS;
    let mut store = MemoryStore::new();
    let mut index = 0;
    while !input.is_empty() {
        now_ns = match input.byte() {
            255 => input.number(),
            seconds => now_ns.saturating_add(i64::from(seconds) * S),
        };
        let Ok(mut command) = Command::decode(input.chunk()) else {
            continue;
        };
        index += 1;
        make_uuids_new(&mut command, index);
        let group = Group {
            now_ns,
            commands: vec![command],
            ..Group::default()
        };
        let position = Position {
            index,
            ..Position::default()
        };
        // What is due comes before the command, and happens all the same where that is refused.
        let mut alone = store.clone();
        let mut again = store.clone();
        let empty = Group {
            commands: Vec::new(),
            ..group.clone()
        };
        apply(&mut alone, empty, position.clone()).unwrap();
        let outcomes = apply(&mut store, group.clone(), position.clone()).unwrap();
        assert_eq!(apply(&mut again, group, position).unwrap(), outcomes);
        assert!(again == store, "the same entry comes to another state");
        if matches!(outcomes[..], [Outcome::Refused(_)]) && !is_skipped_tick(&outcomes) {
            assert_eq!(store.header().totals, alone.header().totals);
            assert!(store.live_tasks().eq(alone.live_tasks()));
        }
        if matches!(outcomes[..], [Outcome::Refused(Refusal::Malformed { .. })]) {
            assert!(store == alone, "a refused command changed something");
        }
        if let Some(bytes) = outcomes.first().and_then(outcome_to_bytes) {
            outcome_from_bytes(&bytes).unwrap();
        }
    }
}

/// The uuids that a server makes are new, as those of the clock are: that is not looked up.
fn make_uuids_new(command: &mut Command, index: u64) {
    let submits: Vec<&mut durable::Submit> = match &mut command.kind {
        Some(Kind::Submit(submit)) => vec![submit],
        Some(Kind::SubmitTasks(batch)) => batch.tasks.iter_mut().collect(),
        Some(Kind::Complete(complete)) => complete.next_task.iter_mut().collect(),
        Some(Kind::CompleteTasks(batch)) => {
            let tasks = batch.tasks.iter_mut();
            tasks.flat_map(|complete| &mut complete.next_task).collect()
        }
        _ => Vec::new(),
    };
    for (submit, number) in submits.into_iter().zip(0..) {
        if !submit.client_uuid && submit.uuid.len() == 16 {
            let uuid = uuid::Uuid::from_u64_pair(index, number);
            submit.uuid = super::bytes_of(uuid);
        }
    }
}

/// A tick that can't submit its task is refused, and the schedule goes on.
fn is_skipped_tick(outcomes: &[Outcome]) -> bool {
    matches!(outcomes, [Outcome::Refused(Refusal::UuidTaken { .. })])
}

fn outcome_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let is_schedule = input.byte() == 1;
    let bytes = Bytes::copy_from_slice(input.rest());
    if is_schedule {
        if let Ok(read) = schedule::decode(&bytes) {
            let again = schedule::decode(&read.encode_to_vec().into()).unwrap();
            assert_eq!(again, read);
        }
        return;
    }
    let Ok(outcome) = outcome_from_bytes(&bytes) else {
        return;
    };
    // Its tasks have no history there.
    let again = outcome_to_bytes(&outcome).unwrap();
    let read = outcome_from_bytes(&again).unwrap();
    assert_eq!(outcome_to_bytes(&read).unwrap(), again);
    if !matches!(outcome, Outcome::Task(_) | Outcome::Tasks(_)) {
        return;
    }
    assert_eq!(outcome.is_empty(), read.is_empty());
}

fn outcome_seeds() -> Vec<Vec<u8>> {
    let live = Row::Live(newest_task(7).into());
    let archived = Row::Archived(full_task(8).into());
    let outcomes = [
        Outcome::Task(None),
        Outcome::Task(Some(live.clone())),
        Outcome::Completed {
            task: Some(archived.clone()),
            next_task: Some(live.clone()),
        },
        Outcome::Tasks(vec![live, archived]),
        Outcome::TimedOut {
            tasks: 7,
            resume: None,
        },
        Outcome::Bulk {
            matched: 5,
            changed: 4,
            after: None,
            is_done: true,
        },
        Outcome::Queue(durable::QueueSettings {
            is_paused: true,
            ..Default::default()
        }),
        Outcome::Refused(Refusal::UuidTaken { uuid: uuid_of("a") }),
        Outcome::Refused(Refusal::TooManySchedules { limit: 3 }),
    ];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for outcome in &outcomes {
        let mut seed = Output::default();
        seed.byte(0).rest(&outcome_to_bytes(outcome).unwrap());
        seeds.push(seed.bytes());
    }
    let mut seed = Output::default();
    seed.byte(1).rest(&nightly().encode_to_vec());
    seeds.push(seed.bytes());
    seeds
}

fn nightly() -> Schedule {
    Schedule {
        next_ns: START_NS,
        cron: "@daily".into(),
        task: Some(durable::Submit {
            uuid: Bytes::new(),
            ..submit("")
        }),
        ..Schedule::default()
    }
}

fn target(name: &str, state: &str) -> Option<Target> {
    Some(Target {
        uuid: submit(name).uuid,
        queue: "default".into(),
        current_state: state.into(),
        attempt: 0,
    })
}

/// Commands of every kind, in an order in which most of them change something.
fn command_seeds() -> Vec<Vec<u8>> {
    let claim = || Claim {
        queue: "default".into(),
        current_state: "submitted".into(),
        worker: "worker".into(),
        ..Claim::default()
    };
    let working = "submitted-working";
    let full = durable::Submit {
        timeout_s: 5,
        not_before_ns: START_NS + S,
        unique_key: "unique".into(),
        metadata: BTreeMap::from([("customer".into(), "one".into())]),
        max_attempts: 2,
        backoff: Some(Backoff {
            initial_s: 1,
            cap_s: 60,
            factor_percent: 200,
            jitter_percent: 10,
        }),
        ..submit("a")
    };
    let bulk = |act| Bulk {
        filter: Some(Default::default()),
        include_in_flight: true,
        act: Some(act),
        ..Bulk::default()
    };
    let tasks = vec![
        Kind::Submit(full),
        Kind::SubmitTasks(SubmitTasks {
            tasks: vec![submit("b"), submit("c"), submit("d")],
        }),
        Kind::Claim(claim()),
        Kind::ClaimTasks(ClaimTasks {
            next: Some(claim()),
            max_tasks: 2,
            max_bytes: 1000,
        }),
        Kind::Extend(Extend {
            target: target("b", working),
            timeout_s: 3,
        }),
        Kind::Fail(Fail {
            target: target("b", working),
            retry_after_s: 1,
            message: "why".into(),
        }),
        Kind::Update(Update {
            target: target("c", working),
            new_state: "updated".into(),
            auto_target_state: "updated-working".into(),
            ..Update::default()
        }),
        Kind::CompleteTasks(CompleteTasks {
            tasks: vec![Complete {
                target: target("c", "updated"),
                next_task: Some(submit("e")),
            }],
        }),
        Kind::TimeOut(TimeOut {
            at_time_ns: START_NS + 3600 * S,
            ..TimeOut::default()
        }),
        Kind::Ripen(Ripen { limit: 1 }),
        Kind::Expire(Expire::default()),
        Kind::Forget(Forget { limit: 1 }),
    ];
    let others = vec![
        Kind::Submit(submit("a")),
        Kind::SetQueue(SetQueue {
            queue: "default".into(),
            group_by: Some("customer".into()),
            max_in_flight_per_group: Some(1),
            max_claims_per_s: Some(3),
            max_waiting: Some(9),
            ..SetQueue::default()
        }),
        Kind::Regroup(Regroup::default()),
        Kind::Claim(claim()),
        Kind::PutSchedule(PutSchedule {
            name: "nightly".into(),
            schedule: Some(nightly()),
        }),
        Kind::Tick(Tick {
            name: "nightly".into(),
            generation: START_NS.unsigned_abs() + 4 * S.unsigned_abs(),
            tick_ns: START_NS,
            next_ns: START_NS + S,
            uuid: submit("f").uuid,
            ..Tick::default()
        }),
        Kind::RunSchedule(RunSchedule {
            name: "nightly".into(),
            uuid: submit("g").uuid,
            ..RunSchedule::default()
        }),
        Kind::Bulk(bulk(Act::Change(durable::Change {
            new_state: "other".into(),
            ..Default::default()
        }))),
        Kind::Bulk(bulk(Act::Requeue(Default::default()))),
        Kind::Bulk(bulk(Act::Cancel(CancelAll {}))),
    ];
    [tasks, others]
        .map(|kinds| {
            let mut seed = Output::default();
            for kind in kinds {
                let command = Command {
                    kind: Some(kind),
                    key: None,
                };
                seed.byte(1).chunk(&command.encode_to_vec());
            }
            let keyed = Command {
                kind: Some(Kind::Claim(claim())),
                key: Some(request_key("key", 1, S)),
            };
            for _ in 0..2 {
                seed.byte(0).chunk(&keyed.encode_to_vec());
            }
            seed.bytes()
        })
        .into()
}
