//! Which figures a change is booked to.
//!
//! A line's figures are booked under the state that the task was in before what happened: a claim and
//! the wait before it under the state that it was claimed from, a completion, cancellation or timeout and
//! the work before it under the state that it was worked on in; a submit under the state it put the task in.
//! A worker's figures are all booked under the state that it works on the task in.

use super::cell::Event;
use super::open::{Names, Open};
use crate::store::Change;
use crate::store::record::{Name, Task};

const NS_PER_US: i64 = 1000;

/// Books a change that is made when the replicated clock stands at `now_ns`.
pub(super) fn book(open: &mut Open, change: &Change, now_ns: i64) {
    match change {
        Change::Submit(task) => {
            if let Some(cell) = open.cell(line_of(task)) {
                cell.add(Event::Submitted);
            }
        }
        Change::Replace { before, after } if is_claim(before, after) => {
            claim(open, before, after, now_ns);
        }
        Change::Replace { before, after }
            // A task that is moved to another group is not touched by its worker.
            if before.is_in_flight() && before.group() == after.group() =>
        {
            seen(open, before, &before.worker, now_ns, None);
            if !after.is_in_flight() {
                end(open, before, now_ns, None);
            }
        }
        Change::TimeOut { before, after } => time_out(open, before, after),
        Change::Fail { before, after } => fail(open, before, after, now_ns),
        Change::Complete { before, .. } => {
            end(open, before, now_ns, Some(Event::Completed));
            if before.is_in_flight() {
                seen(open, before, &before.worker, now_ns, Some(Event::Completed));
            }
        }
        Change::Cancel { before, .. } => {
            end(open, before, now_ns, Some(Event::Canceled));
        }
        Change::Replace { .. }
        | Change::Expire { .. }
        | Change::Remember { .. }
        | Change::Forget { .. }
        | Change::Document { .. } => {}
    }
}

/// A claim counts the task's attempts up; nothing else that keeps or gives a lease does.
fn is_claim(before: &Task, after: &Task) -> bool {
    after.attempt > before.attempt && after.is_in_flight()
}

fn claim(open: &mut Open, before: &Task, after: &Task, now_ns: i64) {
    if let Some(cell) = open.cell(line_of(before)) {
        cell.add(Event::Claimed);
        // Where another worker held it, it did not wait.
        if !before.is_in_flight() {
            let since_ns = before.update_time_ns.max(before.not_before_ns);
            cell.waited.record(us_between(since_ns, now_ns));
        }
    }
    seen(open, after, &after.worker, now_ns, Some(Event::Claimed));
}

fn time_out(open: &mut Open, before: &Task, after: &Task) {
    if let Some(cell) = open.cell(line_of(before)) {
        cell.add(Event::TimedOut);
        // A timeout goes back to the state before, but for the last one.
        if after.current_state != before.auto_target_state {
            cell.add(Event::Dead);
        }
    }
    if before.is_in_flight()
        && let Some(names) = worker_of(before, &before.worker)
        && let Some(cell) = open.cell(names)
    {
        cell.add(Event::TimedOut);
    }
}

fn fail(open: &mut Open, before: &Task, after: &Task, now_ns: i64) {
    end(open, before, now_ns, Some(Event::Failed));
    // A failure goes back to the state before, but for the last one.
    if after.current_state != before.auto_target_state
        && let Some(cell) = open.cell(line_of(before))
    {
        cell.add(Event::Dead);
    }
    if before.is_in_flight() {
        seen(open, before, &before.worker, now_ns, Some(Event::Failed));
    }
}

/// A task left its state because somebody said so; if a worker held it, its lease ended.
fn end(open: &mut Open, task: &Task, now_ns: i64, event: Option<Event>) {
    if let Some(cell) = open.cell(line_of(task)) {
        if let Some(event) = event {
            cell.add(event);
        }
        if task.is_in_flight() {
            cell.worked.record(us_between(task.claimed_ns, now_ns));
        }
    }
}

/// A worker was heard of, as one that works on `task`.
fn seen(open: &mut Open, task: &Task, worker: &Name, now_ns: i64, event: Option<Event>) {
    if let Some(names) = worker_of(task, worker)
        && let Some(cell) = open.cell(names)
    {
        cell.last_seen_ns = cell.last_seen_ns.max(now_ns);
        if let Some(event) = event {
            cell.add(event);
        }
    }
}

fn line_of(task: &Task) -> Names<'_> {
    Names {
        queue: &task.queue,
        state: &task.current_state,
        worker: None,
    }
}

/// A claim need not name its worker.
fn worker_of<'a>(task: &'a Task, worker: &'a Name) -> Option<Names<'a>> {
    (!worker.is_empty()).then_some(Names {
        queue: &task.queue,
        state: &task.current_state,
        worker: Some(worker),
    })
}

fn us_between(from_ns: i64, to_ns: i64) -> u64 {
    let us = to_ns.saturating_sub(from_ns) / NS_PER_US;
    u64::try_from(us).unwrap_or(0)
}
