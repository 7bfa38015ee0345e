//! Figures: windows and pages checked, answers as messages.

use super::convert::count;
use super::validate::{self, Checked, invalid};
use crate::proto::v1alpha1::*;
use crate::queue::figures::{self, EventTotals, Line, Worker};
use crate::store::figures::{Cell, Event, Histogram, Kind, Resolution, Window};
use crate::store::{StoreError, View};

const NS_PER_S: i64 = 1_000_000_000;
const NS_PER_MS: i64 = 1_000_000;
/// How long a window is that says no beginning.
const DEFAULT_WINDOW_NS: i64 = 3600 * NS_PER_S;
const DEFAULT_ROWS: usize = 100;
const MAX_ROWS: usize = 1000;

/// A window as it was asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    since_ns: i64,
    until_ns: i64,
    now_ns: i64,
    resolution: Option<Resolution>,
}

impl Asked {
    fn read(since: i64, until: i64, now_ns: i64) -> Checked<Self> {
        validate::not_negative("since", since)?;
        validate::not_negative("until", until)?;
        let until_ns = if until == 0 { now_ns } else { until };
        let since_ns = match since {
            0 => until_ns.saturating_sub(DEFAULT_WINDOW_NS),
            since => since,
        };
        if since_ns >= until_ns {
            return invalid("since", "must lie before until");
        }
        Ok(Self {
            since_ns,
            until_ns,
            now_ns,
            resolution: None,
        })
    }

    /// The window, and the time that it is now.
    fn window(self, view: &dyn View) -> (Window, i64) {
        let now_ns = self.now_ns.max(view.header().clock_ns);
        let figures = view.figures();
        let window = figures.window(self.since_ns, self.until_ns, now_ns, self.resolution);
        (window, now_ns)
    }
}

/// How many rows an answer may have.
fn rows(field: &str, asked: i32) -> Checked<usize> {
    match usize::try_from(asked) {
        Ok(0) => Ok(DEFAULT_ROWS),
        Ok(rows) if rows <= MAX_ROWS => Ok(rows),
        _ => invalid(field, format!("must be from 0 to {MAX_ROWS}, got {asked}")),
    }
}

fn names(names: &[(&str, &str)]) -> Checked {
    let mut names = names.iter();
    names.try_for_each(|(field, name)| validate::name(field, name))
}

/// What is given, if it is.
fn given(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}

/// Answers `GetQueueFigures`.
///
/// # Errors
/// The query: if the view can't answer. Before: if the request is out of bounds.
pub fn queues(
    request: GetQueueFiguresRequest,
    now_ns: i64,
) -> Checked<impl FnOnce(&dyn View) -> Result<GetQueueFiguresResponse, StoreError>> {
    let asked = Asked::read(request.since, request.until, now_ns)?;
    let limit = rows("max_lines", request.max_lines)?;
    names(&[
        ("queue", &request.queue),
        ("after_queue", &request.after_queue),
        ("after_state", &request.after_state),
    ])?;
    Ok(move |view: &dyn View| {
        let (window, now_ns) = asked.window(view);
        let after = (&*request.after_queue, &*request.after_state);
        let after = (after != ("", "")).then_some(after);
        let queue = given(&request.queue);
        let (lines, has_more) = figures::lines(view, window, queue, after, limit)?;
        Ok(GetQueueFiguresResponse {
            lines: lines.iter().map(|line| self::line(line, now_ns)).collect(),
            has_more,
            window_start: window.begin_ns(),
            window_end: window.end_ns(),
            is_complete: view.figures().is_complete(window, Kind::Line),
        })
    })
}

/// Answers `GetWorkers`.
///
/// # Errors
/// If the request is out of bounds.
pub fn workers(
    request: GetWorkersRequest,
    now_ns: i64,
) -> Checked<impl FnOnce(&dyn View) -> Result<GetWorkersResponse, StoreError>> {
    let asked = Asked::read(request.since, request.until, now_ns)?;
    let limit = rows("max_workers", request.max_workers)?;
    names(&[
        ("queue", &request.queue),
        ("after_queue", &request.after_queue),
        ("after_worker", &request.after_worker),
        ("after_state", &request.after_state),
    ])?;
    Ok(move |view: &dyn View| {
        let (window, _) = asked.window(view);
        let after = [
            &*request.after_queue,
            &*request.after_worker,
            &*request.after_state,
        ];
        let [queue, worker, state] = after;
        let after = (after != ["", "", ""]).then_some((queue, worker, state));
        let queue = given(&request.queue);
        let (workers, has_more) = figures::workers(view, window, queue, after, limit);
        Ok(GetWorkersResponse {
            workers: workers.iter().map(worker_figures).collect(),
            has_more,
            window_start: window.begin_ns(),
            window_end: window.end_ns(),
            is_complete: view.figures().is_complete(window, Kind::Worker),
        })
    })
}

/// Answers `GetHistory`.
///
/// # Errors
/// If the request is out of bounds.
pub fn history(
    request: GetHistoryRequest,
    now_ns: i64,
) -> Checked<impl FnOnce(&dyn View) -> Result<GetHistoryResponse, StoreError>> {
    let mut asked = Asked::read(request.since, request.until, now_ns)?;
    asked.resolution = resolution("step_length_s", request.step_length_s)?;
    names(&[
        ("queue", &request.queue),
        ("current_state", &request.current_state),
    ])?;
    Ok(move |view: &dyn View| {
        let (window, _) = asked.window(view);
        let (queue, state) = (given(&request.queue), given(&request.current_state));
        let steps = figures::history(view, window, queue, state);
        let steps = steps.iter().map(|(slot, totals)| HistoryStep {
            start: slot.begin_ns(),
            events: Some(events(totals)),
        });
        let kind = match (queue, state) {
            // Nothing is left out of a sum over all but what was dropped.
            (None, None) => Kind::Dropped,
            _ => Kind::Line,
        };
        Ok(GetHistoryResponse {
            steps: steps.collect(),
            step_length_s: window.resolution().length_ns() / NS_PER_S,
            is_complete: view.figures().is_complete(window, kind),
        })
    })
}

fn resolution(field: &str, step_length_s: i64) -> Checked<Option<Resolution>> {
    if step_length_s == 0 {
        return Ok(None);
    }
    let is_meant = |resolution: &Resolution| resolution.length_ns() / NS_PER_S == step_length_s;
    match Resolution::ALL.into_iter().find(is_meant) {
        Some(resolution) => Ok(Some(resolution)),
        None => invalid(
            field,
            format!("must be 0, 60, 3600 or 86400, got {step_length_s}"),
        ),
    }
}

fn line(line: &Line, now_ns: i64) -> LineFigures {
    let counts = line.counts;
    let oldest_ns = line.oldest_submit_ns;
    let age_ns = oldest_ns.map_or(0, |at_ns| now_ns.saturating_sub(at_ns).max(0));
    let waiting = counts
        .live
        .saturating_sub(counts.in_flight + counts.delayed);
    LineFigures {
        queue: line.queue.to_string(),
        state: line.state.to_string(),
        live: count(counts.live),
        waiting: count(waiting),
        in_flight: count(counts.in_flight),
        delayed: count(counts.delayed),
        oldest_submit_time: oldest_ns.unwrap_or(0),
        oldest_age_ms: age_ns / NS_PER_MS,
        is_oldest_exact: line.is_oldest_exact,
        events: Some(events(&EventTotals::of(&line.cell))),
        waited: Some(lengths(line.cell.waited())),
        worked: Some(lengths(line.cell.worked())),
    }
}

fn worker_figures(worker: &Worker) -> WorkerFigures {
    let cell: &Cell = &worker.cell;
    WorkerFigures {
        queue: worker.queue.to_string(),
        worker: worker.worker.to_string(),
        state: worker.state.to_string(),
        last_seen: cell.last_seen_ns(),
        claimed: count(cell.count(Event::Claimed)),
        completed: count(cell.count(Event::Completed)),
        timed_out: count(cell.count(Event::TimedOut)),
        failed: count(cell.count(Event::Failed)),
    }
}

fn events(totals: &EventTotals) -> EventCounts {
    EventCounts {
        submitted: count(totals.submitted),
        claimed: count(totals.claimed),
        completed: count(totals.completed),
        canceled: count(totals.canceled),
        timed_out: count(totals.timed_out),
        dead: count(totals.dead),
        failed: count(totals.failed),
    }
}

fn lengths(histogram: &Histogram) -> Lengths {
    Lengths {
        count: count(histogram.count()),
        mean_us: count(histogram.mean_us()),
        p50_us: count(histogram.quantile_us(50)),
        p90_us: count(histogram.quantile_us(90)),
        p99_us: count(histogram.quantile_us(99)),
        max_us: count(histogram.max_us()),
    }
}
