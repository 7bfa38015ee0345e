//! Commands and outcomes as the log and the state do hold them.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use super::{S, START_NS};
use crate::fuzz::Output;
use crate::proto::durable::{
    self, Backoff, Bulk, CancelAll, Claim, ClaimTasks, Command, Complete, CompleteTasks, Expire,
    Extend, Fail, Forget, PutSchedule, Regroup, Ripen, RunSchedule, Schedule, SetQueue,
    SubmitTasks, Target, Tick, TimeOut, Update, bulk::Act, command::Kind,
};
use crate::queue::durable::outcome_to_bytes;
use crate::queue::tests::{request_key, submit, uuid_of};
use crate::queue::{Outcome, Refusal, Row};
use crate::store::testing::{full_task, newest_task};

/// Remembered answers of all kinds, and a schedule.
pub fn outcomes() -> Vec<Vec<u8>> {
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

fn claim() -> Claim {
    Claim {
        queue: "default".into(),
        current_state: "submitted".into(),
        worker: "worker".into(),
        ..Claim::default()
    }
}

fn full_submit() -> durable::Submit {
    durable::Submit {
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
    }
}

/// What tasks go through.
fn tasks() -> Vec<Kind> {
    let working = "submitted-working";
    vec![
        Kind::Submit(full_submit()),
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
    ]
}

fn bulk(act: Act) -> Bulk {
    Bulk {
        filter: Some(Default::default()),
        include_in_flight: true,
        act: Some(act),
        ..Bulk::default()
    }
}

/// Limits and groups, schedules, acts on many.
fn settings_and_schedules() -> Vec<Kind> {
    vec![
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
    ]
}

/// Commands of every kind, in an order in which most of them change something.
pub fn commands() -> Vec<Vec<u8>> {
    [tasks(), settings_and_schedules()]
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
