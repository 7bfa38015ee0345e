//! Schedules: tasks that are submitted by the calendar, one for each tick.
//!
//! A schedule is a document that knows its next tick. A tick is done only if it is that one, and by the same step
//! the schedule moves on: so it is done once, however often and by whomever it is proposed.

use bytes::Bytes;
use prost::Message;

use super::step::{Step, read_uuid, refused};
use super::submit::{self, Plan};
use super::{Outcome, Refusal, Row, query};
use crate::proto::durable::{DeleteSchedule, PutSchedule, RunSchedule, Schedule, Submit, Tick};
use crate::store::documents::DocumentKey;
use crate::store::record::Name;
use crate::store::{Change, StoreError, View};

/// The documents that are schedules.
pub const KIND: u8 = 2;
/// The most schedules.
pub const MAX_SCHEDULES: u64 = 10_000;
/// Which schedule a task comes from, in its metadata.
pub const NAME_KEY: &str = "corndogs.schedule";
/// Which tick a task comes from, in its metadata.
pub const TICK_KEY: &str = "corndogs.tick";

/// A schedule from its document.
///
/// # Errors
/// If it is none: the state is damaged, or of a newer version.
pub fn decode(value: &Bytes) -> Result<Schedule, StoreError> {
    let decoded = Schedule::decode(value.clone());
    decoded.map_err(|error| StoreError::damaged("schedules", error.to_string()))
}

/// The schedule of that name.
///
/// # Errors
/// If the document can't be read.
pub fn find(view: &(impl View + ?Sized), name: &str) -> Result<Option<Schedule>, StoreError> {
    let value = view.documents().get(KIND, name);
    value.map(decode).transpose()
}

pub(super) fn put(view: &impl View, now_ns: i64, put: PutSchedule) -> Result<Step, StoreError> {
    let Some(mut schedule) = put.schedule else {
        return Ok(refused(Refusal::Malformed {
            reason: "it holds no schedule",
        }));
    };
    let now = now_ns.max(0).unsigned_abs();
    match find(view, &put.name)? {
        Some(before) => hand_on(before, &mut schedule, now),
        None if view.documents().of_kind(KIND).count() as u64 >= MAX_SCHEDULES => {
            return Ok(refused(Refusal::TooManySchedules {
                limit: MAX_SCHEDULES,
            }));
        }
        None => schedule.generation = now,
    }
    let after = Bytes::from(schedule.encode_to_vec());
    let change = change(view, put.name, Some(after.clone()));
    Ok((Outcome::Schedule(Some(after)), vec![change]))
}

/// What the schedule that is replaced hands on. Its next tick too, where both have the same ticks: a tick that is due
/// already is not lost.
fn hand_on(before: Schedule, schedule: &mut Schedule, now: u64) {
    let has_same_ticks = before.cron == schedule.cron
        && before.time_zone == schedule.time_zone
        && !before.is_paused
        && !schedule.is_paused;
    if has_same_ticks {
        schedule.next_ns = before.next_ns;
    }
    schedule.generation = now.max(before.generation.saturating_add(1));
    schedule.last_ns = before.last_ns;
    schedule.last_uuid = before.last_uuid;
    schedule.submitted = before.submitted;
    schedule.skipped = before.skipped;
}

pub(super) fn delete(view: &impl View, delete: DeleteSchedule) -> Result<Step, StoreError> {
    let Some(value) = view.documents().get(KIND, &delete.name).cloned() else {
        return Ok((Outcome::Schedule(None), Vec::new()));
    };
    let change = change(view, delete.name, None);
    Ok((Outcome::Schedule(Some(value)), vec![change]))
}

pub(super) fn tick(view: &impl View, now_ns: i64, tick: Tick) -> Result<Step, StoreError> {
    let schedule = find(view, &tick.name)?;
    let is_due = |schedule: &Schedule| {
        let is_next = schedule.next_ns != 0 && schedule.next_ns == tick.tick_ns;
        // A node that led before may have had a clock that is ahead of the entry's.
        let has_come = tick.tick_ns <= now_ns;
        is_next && has_come && schedule.generation == tick.generation && !schedule.is_paused
    };
    let Some(mut schedule) = schedule.filter(is_due) else {
        return Ok((Outcome::Task(None), Vec::new()));
    };
    schedule.next_ns = tick.next_ns;
    let plan = match (
        tick.is_skipped,
        submit_of(&tick.name, &schedule, &tick.uuid, tick.tick_time),
    ) {
        (false, Some(submit)) => Some(plan(view, now_ns, submit)?),
        _ => None,
    };
    let (outcome, mut changes) = match plan {
        Some(Plan::New(task)) => {
            schedule.last_ns = tick.tick_ns;
            schedule.last_uuid = tick.uuid;
            schedule.submitted += 1;
            let changes = vec![Change::Submit(task.clone())];
            (Outcome::Task(Some(Row::Live(task))), changes)
        }
        // A tick that can't submit its task holds up no other.
        Some(Plan::Refused(refusal)) => {
            schedule.skipped += 1;
            refused(refusal)
        }
        Some(Plan::Existing(_)) | None => {
            schedule.skipped += 1;
            (Outcome::Task(None), Vec::new())
        }
    };
    let after = Bytes::from(schedule.encode_to_vec());
    changes.push(change(view, tick.name, Some(after)));
    Ok((outcome, changes))
}

pub(super) fn run(view: &impl View, now_ns: i64, run: RunSchedule) -> Result<Step, StoreError> {
    let Some(mut schedule) = find(view, &run.name)? else {
        return Ok((Outcome::Task(None), Vec::new()));
    };
    let Some(submit) = submit_of(&run.name, &schedule, &run.uuid, run.run_time) else {
        return Ok((Outcome::Task(None), Vec::new()));
    };
    Ok(match plan(view, now_ns, submit)? {
        Plan::New(task) => {
            schedule.last_ns = run.run_ns;
            schedule.last_uuid = run.uuid;
            schedule.submitted += 1;
            let after = Bytes::from(schedule.encode_to_vec());
            let changes = vec![
                Change::Submit(task.clone()),
                change(view, run.name, Some(after)),
            ];
            (Outcome::Task(Some(Row::Live(task))), changes)
        }
        Plan::Existing(task) => (Outcome::Task(Some(task)), Vec::new()),
        Plan::Refused(refusal) => refused(refusal),
    })
}

/// What a tick of the schedule submits.
fn submit_of(name: &str, schedule: &Schedule, uuid: &Bytes, time: String) -> Option<Submit> {
    let mut submit = schedule.task.clone()?;
    submit.uuid = uuid.clone();
    submit.metadata.insert(NAME_KEY.into(), name.into());
    submit.metadata.insert(TICK_KEY.into(), time);
    Some(submit)
}

/// A uuid that there is already refuses it: a schedule that was deleted and put in again may come to the same tick.
fn plan(view: &impl View, now_ns: i64, submit: Submit) -> Result<Plan, StoreError> {
    match read_uuid(&submit.uuid) {
        Ok(uuid) if query::task(view, uuid)?.is_some() => {
            Ok(Plan::Refused(Refusal::UuidTaken { uuid }))
        }
        _ => submit::plan(view, now_ns, submit, None),
    }
}

fn change(view: &impl View, name: String, after: Option<Bytes>) -> Change {
    let before = view.documents().get(KIND, &name).cloned();
    let name = Name::from(name);
    let key = DocumentKey { kind: KIND, name };
    Change::Document { key, before, after }
}
