//! `ScheduleService`, call by call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::call::Call;
use super::convert::{self, Translator, count};
use super::idempotency;
use super::service::task_in;
use super::status::unexpected;
use super::validate::{self, Checked, invalid};
use crate::node::Node;
use crate::node::schedules::calendar::{Calendar, NoCalendar, rfc3339};
use crate::node::schedules::next_ticks;
use crate::proto::durable::{self, RequestKey, command::Kind};
use crate::proto::v1alpha1::schedule_service_server::ScheduleService;
use crate::proto::v1alpha1::*;
use crate::queue::{Outcome, schedule};
use crate::store::StoreError;

/// The longest template, encoded: all schedules are in memory.
const MAX_TASK_BYTES: usize = 32 << 10;
/// The most entries of a template's metadata: a tick adds two.
const MAX_METADATA_ENTRIES: usize = 62;
/// The most ticks that are shown.
const MAX_TICKS: i32 = 100;
/// The most schedules of a page, and how many where the request does not say.
const MAX_PAGE: i32 = 1000;
const DEFAULT_PAGE: usize = 100;
/// The most bytes of a page: what gRPC clients take by default.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// Serves schedules from a node.
#[derive(Clone)]
pub struct Schedules {
    node: Node,
    translator: Arc<Translator>,
    idempotency_window: Duration,
    calls: Arc<Calls>,
}

/// The figures of each call.
struct Calls {
    put: Call,
    get: Call,
    list: Call,
    delete: Call,
    run: Call,
}

impl Schedules {
    /// Serves from that node. Answers to calls with an idempotency key are remembered for that long.
    pub fn new(node: Node, translator: Translator, idempotency_window: Duration) -> Self {
        let calls = Calls {
            put: Call::new("PutSchedule"),
            get: Call::new("GetSchedule"),
            list: Call::new("ListSchedules"),
            delete: Call::new("DeleteSchedule"),
            run: Call::new("RunSchedule"),
        };
        Self {
            node,
            translator: Arc::new(translator),
            idempotency_window,
            calls: Arc::new(calls),
        }
    }

    fn key(
        &self,
        call: &Call,
        metadata: &MetadataMap,
        request: &impl Message,
    ) -> Checked<Option<RequestKey>> {
        idempotency::key(metadata, call.method(), request, self.idempotency_window)
    }

    /// Proposes what answers with a schedule or without one.
    async fn schedule_of(
        &self,
        kind: Kind,
        key: Option<RequestKey>,
    ) -> Result<Option<durable::Schedule>, Status> {
        match self.node.execute(kind, key).await? {
            Outcome::Schedule(None) => Ok(None),
            Outcome::Schedule(Some(value)) => Ok(Some(decoded(&value)?)),
            Outcome::Refused(refusal) => Err(refusal.into()),
            _ => Err(unexpected()),
        }
    }

    /// The schedule that a request asks for. Its next tick is computed apart: some calendars take a while.
    async fn read(&self, request: PutScheduleRequest) -> Result<durable::Schedule, Status> {
        let missed = request.missed();
        let task = task(&self.translator, request.task.unwrap_or_default())?;
        named("name", &request.name)?;
        named("cron", &request.cron)?;
        validate::name("time_zone", &request.time_zone)?;
        if request.missed != i32::from(missed) {
            return Err(refusal("missed", "must be one of its values"));
        }
        let now_ns = self.node.clock().now_ns();
        let (cron, time_zone) = (request.cron.clone(), request.time_zone.clone());
        let next = self.node.compute(move || {
            let calendar = Calendar::read(&cron, &time_zone)?;
            Ok(calendar.after(now_ns))
        });
        let next_ns = match next.await? {
            Ok(Some(next_ns)) => next_ns,
            Ok(None) => return Err(refusal("cron", "no tick of it ever comes")),
            Err(NoCalendar::Cron(why)) => return Err(refusal("cron", &why)),
            Err(NoCalendar::TimeZone) => {
                return Err(refusal(
                    "time_zone",
                    "must be an IANA name, as Europe/Berlin",
                ));
            }
        };
        Ok(durable::Schedule {
            next_ns: if request.paused { 0 } else { next_ns },
            cron: request.cron,
            time_zone: request.time_zone,
            is_paused: request.paused,
            missed: missed.into(),
            task: Some(task),
            ..durable::Schedule::default()
        })
    }
}

/// The template of a schedule.
///
/// # Errors
/// If a field breaks a limit.
pub(super) fn task(
    translator: &Translator,
    request: SubmitTaskRequest,
) -> Checked<durable::Submit> {
    if !request.uuid.is_empty() {
        return invalid("task.uuid", "must be empty: each tick gives its task one");
    }
    if request.not_before != 0 {
        return invalid(
            "task.not_before",
            "must be 0: a tick is when its task begins",
        );
    }
    let entries = request.metadata.len();
    if entries > MAX_METADATA_ENTRIES {
        let limit = format!("at most {MAX_METADATA_ENTRIES} entries, got {entries}");
        return invalid("task.metadata", limit);
    }
    let submit = translator.submit("task.", request, Uuid::nil)?;
    let submit = durable::Submit {
        uuid: Bytes::new(),
        ..submit
    };
    let bytes = submit.encoded_len();
    if bytes > MAX_TASK_BYTES {
        return invalid(
            "task",
            format!("at most {MAX_TASK_BYTES} bytes, got {bytes}"),
        );
    }
    Ok(submit)
}

/// A text that is bounded, printable and not empty.
fn named(field: &str, text: &str) -> Checked {
    if text.is_empty() {
        return invalid(field, "must not be empty");
    }
    validate::name(field, text)
}

fn refusal(field: &str, limit: &str) -> Status {
    Status::invalid_argument(format!("{field}: {limit}"))
}

fn decoded(value: &Bytes) -> Result<durable::Schedule, Status> {
    schedule::decode(value).map_err(|error: StoreError| Status::internal(error.to_string()))
}

/// A schedule as clients see it.
fn message(name: &str, schedule: durable::Schedule) -> Schedule {
    let uuid = Uuid::from_slice(&schedule.last_uuid);
    Schedule {
        name: name.to_owned(),
        missed: schedule.missed,
        next_tick: schedule.next_ns,
        last_tick: schedule.last_ns,
        last_task_uuid: uuid.map_or_else(|_| String::new(), |uuid| uuid.to_string()),
        submitted: count(schedule.submitted),
        skipped: count(schedule.skipped),
        task: schedule.task.map(convert::template),
        cron: schedule.cron,
        time_zone: schedule.time_zone,
        paused: schedule.is_paused,
        next_ticks: Vec::new(),
    }
}

#[tonic::async_trait]
impl ScheduleService for Schedules {
    async fn put_schedule(
        &self,
        request: Request<PutScheduleRequest>,
    ) -> Result<Response<PutScheduleResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.put, &metadata, &request)?;
            let name = request.name.clone();
            let put = durable::PutSchedule {
                name: name.clone(),
                schedule: Some(self.read(request).await?),
            };
            let schedule = self.schedule_of(Kind::PutSchedule(put), key).await?;
            let schedule = schedule.map(|schedule| message(&name, schedule));
            Ok(PutScheduleResponse { schedule })
        };
        self.calls.put.run(&metadata, work).await
    }

    async fn get_schedule(
        &self,
        request: Request<GetScheduleRequest>,
    ) -> Result<Response<GetScheduleResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            named("name", &request.name)?;
            validate::range("ticks", 0..=MAX_TICKS.into(), request.ticks.into())?;
            let found = self.node.read(|view| schedule::find(view, &request.name));
            let Some(found) = found.await? else {
                return Ok(GetScheduleResponse { schedule: None });
            };
            let mut schedule = message(&request.name, found);
            let next_ns = schedule.next_tick;
            let ticks = usize::try_from(request.ticks).unwrap_or(0);
            if next_ns != 0 && ticks > 0 {
                let (cron, time_zone) = (schedule.cron.clone(), schedule.time_zone.clone());
                let next = self.node.compute(move || {
                    let calendar = Calendar::read(&cron, &time_zone).ok();
                    calendar.map(|calendar| next_ticks(&calendar, next_ns, ticks - 1))
                });
                schedule.next_ticks = vec![next_ns];
                schedule.next_ticks.extend(next.await?.unwrap_or_default());
            }
            let schedule = Some(schedule);
            Ok(GetScheduleResponse { schedule })
        };
        self.calls.get.run(&metadata, work).await
    }

    async fn list_schedules(
        &self,
        request: Request<ListSchedulesRequest>,
    ) -> Result<Response<ListSchedulesResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            validate::name("after", &request.after)?;
            validate::range("limit", 0..=MAX_PAGE.into(), request.limit.into())?;
            let limit = match usize::try_from(request.limit) {
                Ok(limit) if limit > 0 => limit,
                _ => DEFAULT_PAGE,
            };
            let listed = self.node.read(|view| {
                let all = view.documents().of_kind(schedule::KIND);
                let mut rest = all.filter(|(name, _)| ***name > *request.after);
                let (mut page, mut bytes) = (Vec::new(), 0);
                let more = loop {
                    let Some((name, value)) = rest.next() else {
                        break false;
                    };
                    bytes += name.len() + value.len();
                    if page.len() == limit || (bytes > MAX_PAGE_BYTES && !page.is_empty()) {
                        break true;
                    }
                    page.push(message(name, schedule::decode(value)?));
                };
                Ok((page, more))
            });
            let (schedules, more) = listed.await?;
            Ok(ListSchedulesResponse { schedules, more })
        };
        self.calls.list.run(&metadata, work).await
    }

    async fn delete_schedule(
        &self,
        request: Request<DeleteScheduleRequest>,
    ) -> Result<Response<DeleteScheduleResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.delete, &metadata, &request)?;
            let name = request.name;
            named("name", &name)?;
            let delete = durable::DeleteSchedule { name: name.clone() };
            let schedule = self.schedule_of(Kind::DeleteSchedule(delete), key).await?;
            let schedule = schedule.map(|schedule| message(&name, schedule));
            Ok(DeleteScheduleResponse { schedule })
        };
        self.calls.delete.run(&metadata, work).await
    }

    async fn run_schedule(
        &self,
        request: Request<RunScheduleRequest>,
    ) -> Result<Response<RunScheduleResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.run, &metadata, &request)?;
            named("name", &request.name)?;
            let clock = self.node.clock();
            let run_ns = clock.now_ns();
            let run = durable::RunSchedule {
                name: request.name,
                uuid: Bytes::copy_from_slice(clock.task_uuid().as_bytes()),
                run_ns,
                run_time: rfc3339(run_ns),
            };
            let task = task_in(self.node.execute(Kind::RunSchedule(run), key).await?)?;
            let task = task.as_ref().map(convert::task);
            Ok(RunScheduleResponse { task })
        };
        self.calls.run.run(&metadata, work).await
    }
}
