//! Random logs: the machine must answer as the model does, and twice the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::figures::assert_same_figures;
use super::model::{Answer, Model, Moment, Row};
use super::{assert_in_step, bytes_of, request_key, uuid_of};
use crate::proto::durable::{
    Backoff, Bulk, BulkCursor, Cancel, CancelAll, Change, Claim, ClaimTasks, Command, Complete,
    CompleteTasks, Condition, Deadline, DeleteSchedule, Expire, Extend, Fail, Filter, Forget,
    Group, Number, PutSchedule, Regroup, RequestKey, Requeue, Ripen, RunSchedule, Schedule,
    SetQueue, Submit, SubmitTasks, Target, Tick, TimeOut, Update, bulk, command::Kind,
};
use crate::queue::list::{self, Scope};
use crate::queue::{apply, query, schedule, transition};
use crate::store::record::Position;
use crate::store::{MemoryStore, View};

const NS_PER_S: i64 = 1_000_000_000;
const QUEUES: [&str; 2] = ["q", "r"];
const STATES: [&str; 4] = ["a", "b", "c", "dead"];

/// One act, before it is known which tasks there are to act on.
#[derive(Clone, Debug)]
enum Act {
    Submit(Draft),
    Claim(Claim),
    Update(Aim, Update),
    Complete(Aim, Option<Draft>),
    Cancel(Aim),
    Extend(Aim, i64),
    Fail(Aim, i64, &'static str),
    SubmitTasks(Vec<Draft>),
    ClaimTasks(ClaimTasks),
    CompleteTasks(Vec<(Aim, Option<Draft>)>),
    TimeOut {
        at_s: i64,
        queue: String,
        resume: bool,
        limit: u32,
        already: u64,
    },
    Expire {
        age_s: i64,
        limit: u32,
        queue: String,
    },
    Ripen,
    /// Whether it goes on where the last one stopped.
    Bulk(Bulk, bool),
    PutSchedule(u8, Draft, u8, bool),
    DeleteSchedule(u8),
    /// Mostly the one that is due; else how far it is off.
    Tick {
        schedule: u8,
        off: i64,
        stale: bool,
        next_s: i64,
        is_skipped: bool,
    },
    RunSchedule(u8),
    Forget {
        limit: u32,
    },
    Set(SetQueue),
    Regroup(Regroup),
}

/// An act that may be remembered.
type Keyed = (Act, Option<RequestKey>);

/// A submit; `client` picks one of a few uuids, so that they meet again.
#[derive(Clone, Debug)]
struct Draft {
    client: Option<u8>,
    /// How long it is delayed, in seconds from now.
    delay_s: Option<i64>,
    submit: Submit,
}

/// Picks a task of those that there are, and how well the rest of the target fits.
#[derive(Clone, Debug)]
struct Aim {
    pick: prop::sample::Index,
    queue: Option<String>,
    state: Option<String>,
    /// None: not given. Else what is added to the task's own.
    attempt: Option<i64>,
}

fn name(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(names).prop_map(String::from)
}

fn timeout() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => Just(0i64),
        6 => 1..6i64,
        1 => Just(-3i64),
        1 => prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(9_223_372_000i64)],
    ]
}

fn payload() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec!["", "x", "yy"]).prop_map(|text| Bytes::from_static(text.as_bytes()))
}

fn draft() -> impl Strategy<Value = Draft> {
    let client = prop::option::weighted(0.4, 0..4u8);
    let names = (name(&QUEUES), name(&STATES), name(&STATES));
    // Few values, so that two requests with one uuid are often the same.
    let numbers = (
        timeout(),
        -1..2i64,
        prop_oneof![4 => Just(0i64), 1 => 1..4i64],
    );
    let later = (
        prop::option::weighted(0.3, -2..8i64),
        prop_oneof![3 => Just(0i64), 1 => 1..3i64, 1 => Just(-1i64)],
        prop::sample::select(vec!["", "", "k", "l"]),
        prop::sample::select(vec!["", "", "word", "other"]),
        prop::option::weighted(0.4, backoff()),
        any::<bool>(),
    );
    let fields = (client, names, numbers, payload(), later);
    fields.prop_map(|(client, names, numbers, payload, later)| {
        let metadata = [("key".to_owned(), later.3.to_owned())];
        let metadata = metadata.into_iter().filter(|(_, value)| !value.is_empty());
        let mut submit = Submit {
            client_uuid: client.is_some(),
            queue: names.0,
            current_state: names.1,
            auto_target_state: names.2,
            timeout_s: numbers.0,
            priority: numbers.1,
            claim_timeout_s: numbers.2,
            payload,
            max_attempts: later.1,
            is_default_timeout: later.5,
            unique_key: later.2.into(),
            metadata: metadata.collect(),
            backoff: later.4,
            ..Submit::default()
        };
        if client.is_some() {
            submit.current_state = "a".into();
            submit.auto_target_state = "b".into();
            submit.payload = Bytes::new();
            submit.claim_timeout_s = 0;
            submit.timeout_s = submit.timeout_s.clamp(0, 1);
            submit.priority = 0;
            submit.max_attempts = 0;
        }
        Draft {
            client,
            delay_s: later.0.filter(|_| client.is_none()),
            submit,
        }
    })
}

/// Factors whose powers are whole seconds.
fn backoff() -> impl Strategy<Value = Backoff> {
    let factor = prop::sample::select(vec![100, 200, 300]);
    let jitter = prop::sample::select(vec![0, 0, 50, 100]);
    let numbers = (1..4i64, prop_oneof![Just(0i64), 1..9i64], factor, jitter);
    numbers.prop_map(
        |(initial_s, cap_s, factor_percent, jitter_percent)| Backoff {
            initial_s,
            cap_s,
            factor_percent,
            jitter_percent,
        },
    )
}

fn claim() -> impl Strategy<Value = Claim> {
    const STATES: [&str; 6] = ["", "", "", "a", "b", "c"];
    let overrides = (name(&STATES), name(&STATES));
    let worker = prop::sample::select(vec!["", "w1", "w2"]);
    let timeout = prop_oneof![3 => Just(0i64), 1 => timeout()];
    (queues(), name(&STATES), timeout, overrides, worker).prop_map(
        |(queues, current_state, override_timeout_s, overrides, worker)| Claim {
            queue: queues.0,
            queues: queues.1,
            current_state,
            override_timeout_s,
            override_current_state: overrides.0,
            override_auto_target_state: overrides.1,
            worker: worker.into(),
        },
    )
}

/// Where a claim looks: mostly in one queue.
fn queues() -> impl Strategy<Value = (String, Vec<String>)> {
    const QUEUES_OR_NONE: [&str; 4] = ["", "q", "r", "nowhere"];
    let several = prop::collection::vec(name(&QUEUES_OR_NONE), 1..4);
    prop_oneof![
        2 => (name(&QUEUES), Just(Vec::new())),
        1 => (name(&QUEUES_OR_NONE), several),
    ]
}

fn claim_tasks() -> impl Strategy<Value = ClaimTasks> {
    // About one task, two, three, or all.
    let bytes = prop::sample::select(vec![0, 100, 170, 250, 10_000]);
    (claim(), 0..6u32, bytes).prop_map(|(next, max_tasks, max_bytes)| ClaimTasks {
        next: Some(next),
        max_tasks,
        max_bytes,
    })
}

fn completion() -> impl Strategy<Value = (Aim, Option<Draft>)> {
    (aim(), prop::option::weighted(0.3, draft()))
}

fn aim() -> impl Strategy<Value = Aim> {
    let queue = prop::option::weighted(0.1, name(&QUEUES));
    let state = prop::option::weighted(0.1, name(&STATES));
    let attempt = prop::option::weighted(0.5, prop_oneof![4 => Just(0i64), 1 => -1..2i64]);
    (any::<prop::sample::Index>(), queue, state, attempt).prop_map(
        |(pick, queue, state, attempt)| Aim {
            pick,
            queue,
            state,
            attempt,
        },
    )
}

fn update() -> impl Strategy<Value = Update> {
    let names = (name(&STATES), name(&STATES));
    (names, timeout(), -1..2i64, payload()).prop_map(|(names, timeout_s, priority, payload)| {
        Update {
            target: None,
            new_state: names.0,
            auto_target_state: names.1,
            timeout_s,
            priority,
            payload,
        }
    })
}

fn act() -> impl Strategy<Value = Act> {
    let queue = prop::sample::select(vec!["", "", "q", "r"]).prop_map(String::from);
    let clean_up = (-4..8i64, queue, any::<bool>(), 0..4u32, 0..3u64);
    prop_oneof![
        6 => draft().prop_map(Act::Submit),
        6 => claim().prop_map(Act::Claim),
        3 => (aim(), update()).prop_map(|(aim, update)| Act::Update(aim, update)),
        3 => completion().prop_map(|(aim, next)| Act::Complete(aim, next)),
        1 => aim().prop_map(Act::Cancel),
        1 => (aim(), timeout()).prop_map(|(aim, timeout_s)| Act::Extend(aim, timeout_s)),
        3 => (aim(), prop_oneof![4 => Just(0i64), 1 => -2..4i64], prop::sample::select(vec!["", "why"]))
            .prop_map(|(aim, retry_after_s, message)| Act::Fail(aim, retry_after_s, message)),
        2 => prop::collection::vec(draft(), 0..4).prop_map(Act::SubmitTasks),
        2 => claim_tasks().prop_map(Act::ClaimTasks),
        2 => prop::collection::vec(completion(), 0..4).prop_map(Act::CompleteTasks),
        1 => Just(Act::Ripen),
        2 => schedule_act(),
        2 => clean_up.prop_map(|(at_s, queue, resume, limit, already)| Act::TimeOut { at_s, queue, resume, limit, already }),
        1 => (-1..6i64, 0..3u32, prop::sample::select(vec!["", "q", "r"])).prop_map(|(age_s, limit, queue)| Act::Expire { age_s, limit, queue: queue.into() }),
        1 => (0..3u32).prop_map(|limit| Act::Forget { limit }),
        2 => settings().prop_map(Act::Set),
        2 => (name(&QUEUES), 1..9u32).prop_map(|(queue, limit)| Act::Regroup(Regroup { queue, limit })),
        3 => (bulk(), any::<bool>()).prop_map(|(bulk, resume)| Act::Bulk(bulk, resume)),
    ]
}

fn condition() -> impl Strategy<Value = Option<Condition>> {
    prop::option::weighted(0.2, any::<bool>().prop_map(|holds| Condition { holds }))
}

fn filter() -> impl Strategy<Value = Filter> {
    const ANY_QUEUE: [&str; 4] = ["", "", "q", "r"];
    const ANY_STATE: [&str; 6] = ["", "", "a", "b", "dead", "nowhere"];
    let names = (name(&ANY_QUEUE), name(&ANY_STATE));
    let worker = prop::sample::select(vec!["", "", "", "w1"]);
    let word = prop::sample::select(vec!["", "", "", "word"]);
    // The clock starts at 100.
    let time =
        || prop_oneof![4 => Just(0i64), 1 => 98..115i64].prop_map(|time_s| time_s * NS_PER_S);
    let times = (time(), time(), time(), time());
    (names, worker, word, times, condition(), condition()).prop_map(
        |(names, worker, word, times, is_in_flight, is_delayed)| {
            let metadata = [("key".to_owned(), word.to_owned())];
            let metadata = metadata.into_iter().filter(|(_, value)| !value.is_empty());
            Filter {
                queue: names.0,
                current_state: names.1,
                worker: worker.into(),
                metadata: metadata.collect(),
                submitted_from_ns: times.0,
                submitted_before_ns: times.1,
                updated_from_ns: times.2,
                updated_before_ns: times.3,
                is_in_flight,
                is_delayed,
            }
        },
    )
}

fn bulk() -> impl Strategy<Value = Bulk> {
    const OR_NONE: [&str; 4] = ["", "", "a", "b"];
    let number = |range: std::ops::Range<i64>| {
        let number = range.prop_map(|value| Number { value });
        prop::option::of(number)
    };
    let states = || (name(&OR_NONE), name(&STATES));
    let requeue = states().prop_map(|(new_state, auto)| Requeue {
        auto_target_state: if new_state.is_empty() {
            String::new()
        } else {
            auto
        },
        new_state,
    });
    let change = (states(), number(-1..2), number(-1..4));
    let change = change.prop_map(|(states, priority, timeout_s)| Change {
        new_state: states.0,
        auto_target_state: states.1,
        priority,
        timeout_s,
    });
    let act = prop_oneof![
        1 => Just(bulk::Act::Cancel(CancelAll {})),
        3 => requeue.prop_map(bulk::Act::Requeue),
        2 => change.prop_map(bulk::Act::Change),
    ];
    (filter(), any::<bool>(), act, 0..4u32, 0..3u64).prop_map(
        |(filter, include_in_flight, act, limit, max_tasks)| Bulk {
            filter: Some(filter),
            include_in_flight,
            act: Some(act),
            limit,
            max_tasks,
            ..Bulk::default()
        },
    )
}

/// Few schedules, whose ticks are mostly the ones that are due.
fn schedule_act() -> impl Strategy<Value = Act> {
    let off = prop_oneof![4 => Just(0i64), 1 => -1..2i64];
    let tick = (
        0..2u8,
        off,
        prop::bool::weighted(0.1),
        0..4i64,
        prop::bool::weighted(0.2),
    );
    let tick = tick.prop_map(|(schedule, off, stale, next_s, is_skipped)| Act::Tick {
        schedule,
        off,
        stale,
        next_s,
        is_skipped,
    });
    let put = (0..2u8, draft(), 0..2u8, prop::bool::weighted(0.2));
    prop_oneof![
        2 => put.prop_map(|(name, draft, cron, is_paused)| Act::PutSchedule(name, draft, cron, is_paused)),
        5 => tick,
        1 => (0..2u8).prop_map(Act::RunSchedule),
        1 => (0..2u8).prop_map(Act::DeleteSchedule),
    ]
}

/// Mostly one setting at once; limits that are often reached, and often taken away.
fn settings() -> impl Strategy<Value = SetQueue> {
    let number = || prop::option::weighted(0.3, prop_oneof![1 => Just(0u64), 2 => 1..5u64]);
    let seconds = || prop::option::weighted(0.2, 0..4i64);
    let paused = prop::option::weighted(0.3, prop::bool::weighted(0.3));
    let groups = (
        prop::option::weighted(0.3, prop::sample::select(vec!["", "key", "key", "nothing"])),
        prop::option::weighted(0.3, prop_oneof![1 => Just(0u64), 3 => 1..3u64]),
        prop::option::weighted(0.3, 0..2i64),
    );
    let fields = (
        name(&QUEUES),
        groups,
        paused,
        number(),
        number(),
        number(),
        seconds(),
        seconds(),
    );
    fields.prop_map(
        |(queue, groups, is_paused, in_flight, claims, waiting, timeout, claim)| SetQueue {
            queue,
            is_paused,
            group_by: groups.0.map(Into::into),
            max_in_flight_per_group: groups.1,
            retention_s: groups.2,
            max_in_flight: in_flight,
            max_claims_per_s: claims,
            max_waiting: waiting,
            default_timeout_s: timeout,
            default_claim_timeout_s: claim,
        },
    )
}

/// Few keys, so that they meet again, by the same request or another one.
fn key() -> impl Strategy<Value = Option<RequestKey>> {
    let key = (0..4u8, 0..4u8, 0..8i64, any::<bool>());
    let key = key.prop_map(|(key, request, window_s, skips_empty)| RequestKey {
        skips_empty,
        ..request_key(&format!("k{key}"), request / 3, window_s * NS_PER_S)
    });
    prop::option::weighted(0.4, key)
}

/// Entries: how far the leader's clock moved, perhaps back, and what was proposed together.
fn log() -> impl Strategy<Value = Vec<(i64, Vec<Keyed>)>> {
    let entry = (-2..5i64, prop::collection::vec((act(), key()), 0..5));
    prop::collection::vec(entry, 1..40)
}

/// Makes commands of acts, against what the model holds by then.
#[derive(Default)]
struct Resolver {
    named: u64,
    resume: Option<Deadline>,
    bulk: Option<BulkCursor>,
}

impl Resolver {
    fn resolve(&mut self, model: &Model, act: Act) -> Kind {
        match act {
            Act::Submit(draft) => Kind::Submit(self.submit(model, draft)),
            Act::Claim(claim) => Kind::Claim(claim),
            Act::Update(aim, update) => {
                let target = Some(target(model, aim));
                Kind::Update(Update { target, ..update })
            }
            Act::Complete(aim, next) => Kind::Complete(self.complete(model, aim, next)),
            Act::Extend(aim, timeout_s) => {
                let target = Some(target(model, aim));
                Kind::Extend(Extend { target, timeout_s })
            }
            Act::Fail(aim, retry_after_s, message) => Kind::Fail(Fail {
                target: Some(target(model, aim)),
                retry_after_s,
                message: message.into(),
            }),
            Act::SubmitTasks(drafts) => {
                let tasks = drafts.into_iter().map(|draft| self.submit(model, draft));
                let tasks = tasks.collect();
                Kind::SubmitTasks(SubmitTasks { tasks })
            }
            Act::ClaimTasks(batch) => Kind::ClaimTasks(batch),
            Act::CompleteTasks(items) => {
                let items = items.into_iter();
                let tasks = items.map(|(aim, next)| self.complete(model, aim, next));
                let tasks = tasks.collect();
                Kind::CompleteTasks(CompleteTasks { tasks })
            }
            Act::Cancel(aim) => {
                let target = Some(target(model, aim));
                Kind::Cancel(Cancel { target })
            }
            Act::TimeOut {
                at_s,
                queue,
                resume,
                limit,
                already,
            } => Kind::TimeOut(TimeOut {
                at_time_ns: at_time_ns(model.clock, at_s),
                queue,
                after: self.resume.filter(|_| resume),
                limit,
                already,
            }),
            Act::Expire {
                age_s,
                limit,
                queue,
            } => {
                let before_ns = model.clock - age_s * NS_PER_S;
                Kind::Expire(Expire {
                    before_ns,
                    limit,
                    queue,
                })
            }
            Act::Ripen => Kind::Ripen(Ripen { limit: 1 }),
            Act::Forget { limit } => Kind::Forget(Forget { limit }),
            Act::Bulk(bulk, resume) => Kind::Bulk(Bulk {
                after: self.bulk.clone().filter(|_| resume),
                ..bulk
            }),
            Act::Set(set) => Kind::SetQueue(set),
            Act::Regroup(regroup) => Kind::Regroup(regroup),
            act => self.resolve_schedule(model, act),
        }
    }

    fn resolve_schedule(&mut self, model: &Model, act: Act) -> Kind {
        match act {
            Act::PutSchedule(name, draft, cron, is_paused) => {
                self.put_schedule(model, name, draft, cron, is_paused)
            }
            Act::DeleteSchedule(name) => Kind::DeleteSchedule(DeleteSchedule {
                name: schedule_name(name),
            }),
            Act::Tick {
                schedule,
                off,
                stale,
                next_s,
                is_skipped,
            } => {
                let name = schedule_name(schedule);
                let known = model.schedules.get(&name).cloned().unwrap_or_default();
                let tick_ns = known.next_ns + off;
                Kind::Tick(Tick {
                    // Two schedules may come to one uuid.
                    uuid: bytes_of(uuid_of(&format!("{tick_ns}"))),
                    name,
                    generation: known.generation - u64::from(stale && known.generation > 0),
                    tick_ns,
                    next_ns: model.clock + next_s * NS_PER_S,
                    tick_time: tick_ns.to_string(),
                    is_skipped,
                })
            }
            Act::RunSchedule(name) => {
                self.named += 1;
                Kind::RunSchedule(RunSchedule {
                    name: schedule_name(name),
                    uuid: bytes_of(uuid_of(&format!("run {}", self.named))),
                    run_ns: model.clock,
                    run_time: "now".into(),
                })
            }
            act => panic!("{act:?} is about no schedule"),
        }
    }

    fn put_schedule(
        &mut self,
        model: &Model,
        name: u8,
        draft: Draft,
        cron: u8,
        is_paused: bool,
    ) -> Kind {
        let task = Submit {
            client_uuid: false,
            ..self.submit(model, draft)
        };
        let schedule = Schedule {
            next_ns: model.clock,
            cron: format!("cron {cron}"),
            is_paused,
            task: Some(task),
            ..Schedule::default()
        };
        Kind::PutSchedule(PutSchedule {
            name: schedule_name(name),
            schedule: Some(schedule),
        })
    }

    fn complete(&mut self, model: &Model, aim: Aim, next: Option<Draft>) -> Complete {
        Complete {
            target: Some(target(model, aim)),
            next_task: next.map(|next| self.submit(model, next)),
        }
    }

    fn submit(&mut self, model: &Model, draft: Draft) -> Submit {
        let name = match draft.client {
            Some(client) => format!("client {client}"),
            None => {
                self.named += 1;
                format!("server {}", self.named)
            }
        };
        let uuid = bytes_of(uuid_of(&name));
        let not_before_ns = draft
            .delay_s
            .map_or(0, |delay_s| model.clock + delay_s * NS_PER_S);
        Submit {
            uuid,
            not_before_ns,
            ..draft.submit
        }
    }
}

fn schedule_name(number: u8) -> String {
    format!("schedule {number}")
}

/// A clean-up that is `at_s` seconds off names its time; one that is not goes by the entry's clock.
fn at_time_ns(clock_ns: i64, at_s: i64) -> i64 {
    match at_s {
        0 => 0,
        at_s => clock_ns + at_s * NS_PER_S,
    }
}

fn target(model: &Model, aim: Aim) -> Target {
    let Some(row) = (!model.tasks.is_empty()).then(|| &aim.pick.get(&model.tasks).row) else {
        let uuid = bytes_of(uuid_of("nobody"));
        return Target {
            uuid,
            ..Target::default()
        };
    };
    Target {
        uuid: bytes_of(row.uuid),
        queue: aim.queue.unwrap_or_else(|| row.queue.clone()),
        current_state: aim.state.unwrap_or_else(|| row.state.clone()),
        attempt: aim.attempt.map_or(0, |shift| row.attempt + shift),
    }
}

fn position(index: u64) -> Position {
    Position {
        index,
        ..Position::default()
    }
}

fn assert_same_state(store: &MemoryStore, model: &Model) {
    for queue in QUEUES {
        for state in STATES {
            let order = model.order(queue, state);
            let expected: Vec<Row> = order
                .iter()
                .map(|at| model.tasks[*at].row.clone())
                .collect();
            let tasks = store.ready_tasks(queue, state);
            let found: Vec<Row> = tasks.map(|task| Row::from(&**task)).collect();
            assert_eq!(found, expected, "order of {queue} {state}");
            assert_eq!(store.claimable(queue, state), expected.len() as u64);
            let live = model.live(queue, state) as u64;
            assert_eq!(store.counts().of(queue, state), live);
        }
    }
    let mut delayed = Vec::new();
    let mut after = None;
    while let Some((ripening, uuid)) = store.next_delayed(after).unwrap() {
        delayed.push((ripening.at_ns, uuid));
        after = Some(ripening);
    }
    assert_eq!(delayed, model.delayed(), "delayed");
    let mut expected: Vec<Row> = Vec::new();
    for entry in model.tasks.iter().filter(|entry| entry.archived.is_some()) {
        expected.push(entry.row.clone());
    }
    expected.sort_by_key(|row| row.uuid);
    let found: Vec<Row> = store
        .archived_tasks()
        .map(|task| Row::from(&**task))
        .collect();
    assert_eq!(found, expected, "archive");
    let mut expected: Vec<(&str, i64)> = Vec::new();
    for one in &model.remembered {
        expected.push((&one.key, one.expires));
    }
    expected.sort();
    let remembered = store.remembered();
    let found: Vec<(&str, i64)> = remembered
        .map(|(key, answer)| (&**key, answer.expires_ns))
        .collect();
    assert_eq!(found, expected, "remembered answers");
    let schedules = store.documents().of_kind(schedule::KIND);
    let schedules = schedules.map(|(name, value)| (name.to_string(), schedule::decode(value)));
    let found: BTreeMap<String, Schedule> = schedules
        .map(|(name, value)| (name, value.unwrap()))
        .collect();
    assert_eq!(found, model.schedules, "schedules");
    let totals = store.header().totals;
    let found = (
        totals.submitted,
        totals.completed,
        totals.canceled,
        totals.timed_out,
        totals.failed,
    );
    let expected = (
        model.submitted,
        model.completed,
        model.canceled,
        model.timed_out,
        model.failed,
    );
    assert_eq!(found, expected, "totals");
    assert_eq!(store.header().clock_ns, model.clock, "clock");
}

/// What is told of each task is what the model saw.
fn assert_same_histories(store: &MemoryStore, model: &Model) {
    for entry in &model.tasks {
        let task = query::task(store, entry.row.uuid).unwrap().unwrap();
        let (told, dropped) = transition::history(&task);
        let told: Vec<Moment> = told
            .into_iter()
            .map(|one| {
                let [from, to, worker] =
                    [one.from, one.to, one.worker].map(|name| name.to_string());
                (one.at_ns, one.kind, from, to, worker, one.attempt)
            })
            .collect();
        assert_eq!((told, dropped), (entry.history.clone(), 0));
    }
}

/// Lists hold what a scan of all tasks finds, each once, whatever the size of their pieces.
fn assert_same_lists(store: &MemoryStore, model: &Model, filter: &Filter, limit: usize) {
    let uuids = |archived| {
        let fitting = model.fitting(filter, archived).into_iter();
        fitting.map(|at| model.tasks[at].row.uuid)
    };
    for scope in [Scope::Live, Scope::Archived, Scope::Both] {
        let mut expected: Vec<_> = match scope {
            Scope::Live => uuids(false).collect(),
            Scope::Archived => uuids(true).collect(),
            Scope::Both => uuids(false).chain(uuids(true)).collect(),
        };
        expected.sort();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let piece = list::piece(store, filter, scope, after, limit).unwrap();
            found.extend(piece.rows.iter().map(|row| row.uuid));
            after = piece.resume;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{scope:?} {filter:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_answers_as_the_model_does(log in log(), filter in filter(), limit in 1..4usize) {
        let (mut store, mut model) = (MemoryStore::new(), Model::default());
        let (mut resolver, mut groups) = (Resolver::default(), Vec::new());
        let mut now_ns = 100 * NS_PER_S;
        for (step_s, acts) in log {
            now_ns += step_s * NS_PER_S;
            model.begin(now_ns);
            let (mut commands, mut expected) = (Vec::new(), Vec::new());
            for (act, key) in acts {
                let kind = Some(resolver.resolve(&model, act));
                let command = Command { kind, key };
                let answer = model.apply(&command);
                if let Answer::Bulk(_, _, after, _) = &answer {
                    resolver.bulk = after.map(|(uuid, before_seq)| BulkCursor {
                        uuid: bytes_of(uuid),
                        before_seq,
                    });
                }
                if let Answer::TimedOut(_, resume) = answer {
                    resolver.resume = resume.map(|(at_ns, seq)| Deadline { at_ns, seq });
                }
                expected.push(answer);
                commands.push(command);
            }
            let group = Group { now_ns, commands, ..Group::default() };
            groups.push(group.clone());
            let outcomes = apply(&mut store, group, position(model.index)).unwrap();
            let answers: Vec<Answer> = outcomes.iter().map(Answer::from).collect();
            prop_assert_eq!(answers, expected);
            assert_same_state(&store, &model);
            assert_same_histories(&store, &model);
            assert_same_lists(&store, &model, &filter, limit);
            assert_in_step(&store);
        }
        assert_same_figures(&store, &model);

        let mut replayed = MemoryStore::new();
        for (index, group) in (1..).zip(groups) {
            apply(&mut replayed, group, position(index)).unwrap();
        }
        prop_assert_eq!(replayed.header().state_hash, store.header().state_hash);
        prop_assert_eq!(replayed, store);
    }
}
