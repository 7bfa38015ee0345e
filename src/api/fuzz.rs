//! Requests that no client would send: refused in few words, or commands within the limits, whose answers are sound.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};
use uuid::Uuid;

use super::convert::{self, Defaults, Translator};
use super::validate::Checked;
use super::{batch, bulk, call, figures, idempotency, looking, page, queues, schedules, validate};
use crate::fuzz::{Input, fuzz_target};
use crate::proto::durable::{self, Command, Group, RequestKey, bulk::Act, command::Kind};
use crate::proto::v1alpha1 as api;
use crate::queue::tests::assert_in_step;
use crate::queue::{Cursor, Outcome, Refusal, Row, apply, list, size};
use crate::store::record::Position;
use crate::store::{MemoryStore, View};

mod seeds;

fuzz_target!(
    /// Requests of all calls, one after the other, to a state that they change.
    requests, 4000, seeds::requests, run
);
fuzz_target!(
    /// Tokens of pages, and the metadata that retries and deadlines come in.
    page_and_metadata, 20_000, seeds::metadata, metadata_run
);

const S: i64 = 1_000_000_000;
const START_NS: i64 = 1_700_000_000 * S;
const MAX_PAYLOAD: usize = 64;
/// The longest answer to a wrong request: it repeats no long input.
const MAX_REFUSAL_BYTES: usize = 400;

fn translator() -> Translator {
    Translator {
        defaults: Defaults {
            queue: "default".into(),
            current_state: "submitted".into(),
            timeout_s: 3,
        },
        max_payload_bytes: MAX_PAYLOAD,
    }
}

/// A server of one thread.
struct Server {
    store: MemoryStore,
    now_ns: i64,
    index: u64,
}

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut server = Server {
        store: MemoryStore::new(),
        now_ns: START_NS,
        index: 0,
    };
    while !input.is_empty() {
        let (method, seconds, request) = (input.byte(), input.byte(), input.chunk());
        server.now_ns += i64::from(seconds) * S;
        server.call(method, request);
    }
    assert_in_step(&server.store);
}

impl Server {
    fn call(&mut self, method: u8, request: &[u8]) {
        let kind = kind_of(method, request, self.index);
        match kind {
            Some(Ok(kind)) => self.execute(kind, method),
            Some(Err(invalid)) => assert_short(&invalid.into()),
            None => self.look(method, request),
        }
    }

    /// Does a command, and does it again as a retry of the same request.
    fn execute(&mut self, kind: Kind, method: u8) {
        assert_within_limits(&kind);
        let key = RequestKey {
            key: format!("key {}", self.index),
            request_digest: Bytes::from(vec![method; 16]),
            window_ns: 600 * S,
            skips_empty: false,
        };
        let command = Command {
            kind: Some(kind),
            key: Some(key.clone()),
        };
        assert!(Command::decode(&command.encode_to_vec()[..]).unwrap() == command);
        let outcome = self.apply(command.clone());
        let malformed = matches!(outcome, Outcome::Refused(Refusal::Malformed { .. }));
        assert!(!malformed, "{command:?} came to {outcome:?}");
        let answer = answer(outcome);
        let is_remembered = |(name, _): (&crate::store::record::Name, _)| **name == *key.key;
        if self.store.remembered().any(is_remembered) {
            let totals = self.store.header().totals;
            let retried = self.apply(command);
            assert_eq!(self::answer(retried), answer, "a retry has another answer");
            assert_eq!(self.store.header().totals, totals);
        }
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let group = Group {
            now_ns: self.now_ns,
            commands: vec![command],
            ..Group::default()
        };
        let position = Position {
            index: self.index,
            ..Position::default()
        };
        apply(&mut self.store, group, position).unwrap().remove(0)
    }

    /// Calls that only look.
    fn look(&self, method: u8, request: &[u8]) {
        let view = &self.store;
        match method {
            20 => read(request, |request: api::ListTasksRequest| {
                let given = request.filter.unwrap_or_default();
                let (filter, scope) = looking::filter("filter", &given)?;
                let piece = list::piece(view, &filter, scope, None, 10).unwrap();
                for row in &piece.rows {
                    convert::task(row);
                }
                Ok(())
            }),
            21 => read(request, |request| {
                let figures = figures::queues(request, self.now_ns)?(view).unwrap();
                assert!(figures.window_start <= figures.window_end);
                Ok(())
            }),
            22 => read(request, |request| {
                figures::workers(request, self.now_ns)?(view).unwrap();
                Ok(())
            }),
            23 => read(request, |request| {
                let history = figures::history(request, self.now_ns)?(view).unwrap();
                assert!(history.steps.len() <= 10_000);
                Ok(())
            }),
            24 => read(request, |request: api::GetQueueRequest| {
                queues::queue(&request.queue)?;
                queues::get(view, &request.queue, self.now_ns);
                Ok(())
            }),
            25 => read(request, |request: api::ListQueueSettingsRequest| {
                let limit = queues::listed(&request)?;
                let listed = queues::list(view, &request.after_queue, limit);
                assert!(listed.queues.len() <= limit);
                Ok(())
            }),
            _ => {}
        }
    }
}

fn read<M: Message + Default>(bytes: &[u8], look: impl FnOnce(M) -> Checked) {
    if let Ok(request) = M::decode(bytes)
        && let Err(invalid) = look(request)
    {
        assert_short(&invalid.into());
    }
}

/// The command of a call that changes something; none of others, and of bytes that are no request.
fn kind_of(method: u8, request: &[u8], number: u64) -> Option<Checked<Kind>> {
    let translator = translator();
    let new_uuid = || Uuid::from_u128(u128::from(number) << 64 | 0x7000_0000_0000_0000);
    // Uuids of a batch must differ.
    let next = std::cell::Cell::new(0);
    let new_uuids = || {
        next.set(next.get() + 1);
        Uuid::from_u128(new_uuid().as_u128() + next.get())
    };
    fn of<M: Message + Default>(
        bytes: &[u8],
        kind: impl FnOnce(M) -> Checked<Kind>,
    ) -> Option<Checked<Kind>> {
        Some(kind(M::decode(bytes).ok()?))
    }
    match method {
        0 => of(request, |r| {
            translator.submit("", r, new_uuid).map(Kind::Submit)
        }),
        1 => of(request, |r| translator.claim(r).map(Kind::Claim)),
        2 => of(request, |r| translator.update(r).map(Kind::Update)),
        3 => of(request, |r| {
            translator.complete(r, new_uuid).map(Kind::Complete)
        }),
        4 => of(request, |r| translator.cancel(r).map(Kind::Cancel)),
        5 => of(request, clean_up),
        6 => of(request, |r| convert::extend(r).map(Kind::Extend)),
        7 => of(request, |r| {
            translator.submit_tasks(r, new_uuids).map(Kind::SubmitTasks)
        }),
        8 => of(request, |r| translator.claim_tasks(r).map(Kind::ClaimTasks)),
        9 => of(request, |r| {
            translator
                .complete_tasks(r, new_uuids)
                .map(Kind::CompleteTasks)
        }),
        10 => of(request, |r| convert::fail(r).map(Kind::Fail)),
        11 => of(request, |r| queues::set(r).map(Kind::SetQueue)),
        12 => of(request, |r: api::CancelTasksRequest| {
            let act = Act::Cancel(durable::CancelAll {});
            bulk_kind("CancelTasks", r.target, act)
        }),
        13 => of(request, |r: api::RequeueTasksRequest| {
            let act = bulk::requeue(&r)?;
            bulk_kind("RequeueTasks", r.target, act)
        }),
        14 => of(request, |r: api::UpdateTasksRequest| {
            let act = bulk::update(&r)?;
            bulk_kind("UpdateTasks", r.target, act)
        }),
        15 => of(request, |r: api::PutScheduleRequest| {
            put_schedule(&translator, r)
        }),
        _ => None,
    }
}

fn clean_up(request: api::CleanUpTimedOutRequest) -> Checked<Kind> {
    validate::not_negative("at_time", request.at_time)?;
    validate::name("queue", &request.queue)?;
    Ok(Kind::TimeOut(durable::TimeOut {
        at_time_ns: request.at_time,
        queue: request.queue,
        ..durable::TimeOut::default()
    }))
}

fn bulk_kind(method: &str, target: Option<api::BulkTarget>, act: Act) -> Checked<Kind> {
    let bulk = bulk::command(method, target.unwrap_or_default(), act)?;
    Ok(Kind::Bulk(bulk))
}

fn put_schedule(translator: &Translator, request: api::PutScheduleRequest) -> Checked<Kind> {
    let task = schedules::task(translator, request.task.unwrap_or_default())?;
    validate::name("name", &request.name)?;
    Ok(Kind::PutSchedule(durable::PutSchedule {
        name: request.name,
        schedule: Some(durable::Schedule {
            task: Some(task),
            ..durable::Schedule::default()
        }),
    }))
}

fn assert_short(status: &Status) {
    let message = status.message();
    assert!(
        !message.is_empty() && message.len() <= MAX_REFUSAL_BYTES,
        "{message}"
    );
}

fn assert_name(name: &str) {
    assert!(
        name.len() <= 255 && !name.chars().any(char::is_control),
        "{name:?}"
    );
}

fn assert_submit(submit: &durable::Submit) {
    for name in [
        &submit.queue,
        &submit.current_state,
        &submit.auto_target_state,
        &submit.unique_key,
    ] {
        assert_name(name);
    }
    assert!(!submit.queue.is_empty() && !submit.current_state.is_empty());
    assert!(!submit.auto_target_state.is_empty());
    assert!(submit.payload.len() <= MAX_PAYLOAD && submit.metadata.len() <= 64);
    submit.metadata.keys().for_each(|key| assert_name(key));
    let numbers = [
        submit.timeout_s,
        submit.claim_timeout_s,
        submit.not_before_ns,
        submit.max_attempts,
    ];
    assert!(numbers.iter().all(|number| *number >= 0), "{submit:?}");
}

fn assert_within_limits(kind: &Kind) {
    match kind {
        Kind::Submit(submit) => {
            assert_submit(submit);
            assert_eq!(submit.uuid.len(), 16);
        }
        Kind::SubmitTasks(batch) => batch.tasks.iter().for_each(assert_submit),
        Kind::Complete(complete) => complete.next_task.iter().for_each(assert_submit),
        Kind::CompleteTasks(batch) => {
            let next = batch.tasks.iter().flat_map(|complete| &complete.next_task);
            next.for_each(assert_submit);
        }
        Kind::PutSchedule(put) => {
            let schedule = put.schedule.iter();
            schedule
                .flat_map(|schedule| &schedule.task)
                .for_each(assert_submit);
        }
        Kind::Claim(claim) => {
            assert!(claim.queues.len() <= 100);
            claim.queues.iter().for_each(|queue| assert_name(queue));
            assert_name(&claim.override_current_state);
        }
        Kind::ClaimTasks(batch) => assert!((1..=1000).contains(&batch.max_tasks)),
        Kind::Update(update) => {
            assert!(update.payload.len() <= MAX_PAYLOAD && update.timeout_s >= 0);
            assert_name(&update.new_state);
            assert_name(&update.auto_target_state);
        }
        _ => {}
    }
}

/// An outcome as a client sees it; what it takes is known beforehand.
fn answer(outcome: Outcome) -> Result<Vec<u8>, String> {
    let refused = |status: Status| {
        assert_short(&status);
        status.to_string()
    };
    let tasks = match outcome {
        Outcome::Task(row) => row.into_iter().collect(),
        Outcome::Completed { task, next_task } => [task, next_task].into_iter().flatten().collect(),
        Outcome::Completions(completions) => {
            let results = batch::results(Outcome::Completions(completions)).map_err(refused)?;
            let tasks = results;
            return Ok(api::CompleteTasksResponse { results: tasks }.encode_to_vec());
        }
        Outcome::Tasks(rows) => rows,
        Outcome::Refused(refusal) => return Err(refused(refusal.into())),
        Outcome::Queue(settings) => {
            let settings = queues::settings_in("queue", Outcome::Queue(settings));
            return Ok(settings.map_err(refused)?.encode_to_vec());
        }
        other => return Ok(format!("{other:?}").into_bytes()),
    };
    let answers = tasks.iter().map(convert::task).collect();
    let encoded = api::GetNextTasksResponse { tasks: answers }.encode_to_vec();
    if let [Row::Live(task)] = &tasks[..] {
        assert_eq!(size::answer_bytes(task), encoded.len() as u64);
    }
    Ok(encoded)
}

fn metadata_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() {
        0 => {
            let mut metadata = MetadataMap::new();
            let wait_ms = input.number();
            while !input.is_empty() {
                let key = ["idempotency-key", "grpc-timeout"][usize::from(input.byte() & 1)];
                if let Ok(value) = MetadataValue::try_from(input.chunk()) {
                    metadata.append(key, value);
                }
            }
            let wait = call::wait(wait_ms, &metadata);
            assert!(wait <= Duration::from_millis(wait_ms.max(0).unsigned_abs()));
            let request = api::SubmitTaskRequest::default();
            let key = idempotency::key(&metadata, "SubmitTask", &request, Duration::from_secs(2));
            match key {
                Ok(Some(key)) => {
                    assert!((1..=128).contains(&key.key.len()) && key.request_digest.len() == 16);
                    assert!(key.key.chars().all(|c| (' '..='~').contains(&c)));
                }
                Ok(None) => assert!(metadata.get("idempotency-key").is_none()),
                Err(invalid) => assert_short(&invalid.into()),
            }
        }
        1 => {
            let filter = api::TaskFilter::decode(input.chunk()).unwrap_or_default();
            let text = input.text();
            match page::cursor("page_token", "ListTasks", &filter, &text) {
                Ok(Some(cursor)) => assert_eq!(page::token("ListTasks", &filter, cursor), text),
                Ok(None) => assert!(text.is_empty()),
                Err(invalid) => assert_short(&invalid.into()),
            }
        }
        _ => {
            let mut filter = api::TaskFilter::decode(input.chunk()).unwrap_or_default();
            let cursor = Cursor {
                uuid: Uuid::from_u64_pair(input.number() as u64, input.number() as u64),
                before_seq: input.number() as u64,
            };
            let text = page::token("ListTasks", &filter, cursor);
            let read = page::cursor("page_token", "ListTasks", &filter, &text);
            assert_eq!(read, Ok(Some(cursor)));
            filter.queue.push('x');
            assert!(page::cursor("page_token", "ListTasks", &filter, &text).is_err());
        }
    }
}
