//! Figures against a list of all that happened, and how scripts print them.

use std::collections::BTreeMap;
use std::fmt::{Result, Write};

use super::model::{Event as What, Happened, Model, Row};
use super::script::print_time;
use crate::queue::figures::{EventTotals, Line, Page, Worker, history, lines, workers};
use crate::store::figures::{Event, Histogram, Kind, Resolution, Window};
use crate::store::{MemoryStore, View};

/// What a scan of all that happened finds of a line: how often, how long, in microseconds.
#[derive(Debug, Default, PartialEq)]
struct Recount {
    totals: EventTotals,
    waited_us: Vec<i64>,
    worked_us: Vec<i64>,
}

impl Recount {
    fn add(&mut self, happened: &Happened) {
        let Happened {
            at,
            what,
            before,
            after,
        } = happened;
        let held = before.held_since > 0;
        match what {
            What::Submitted => self.totals.submitted += 1,
            What::Claimed => {
                self.totals.claimed += 1;
                if !held {
                    let since = before.updated.max(before.not_before);
                    self.waited_us.push((at - since) / 1000);
                }
                return;
            }
            What::Updated => {}
            What::Completed => self.totals.completed += 1,
            What::Canceled => self.totals.canceled += 1,
            What::Failed => {
                self.totals.failed += 1;
                self.totals.dead += u64::from(after.state != before.target);
            }
            What::TimedOut => {
                self.totals.timed_out += 1;
                self.totals.dead += u64::from(after.state != before.target);
                return;
            }
        }
        if held && after.held_since == 0 {
            self.worked_us.push((at - before.held_since) / 1000);
        }
    }
}

/// What a scan finds of a worker: claimed, completed, timed out, failed, last seen.
type WorkerRecount = (u64, u64, u64, u64, i64);

fn recount_workers(happened: &[Happened]) -> BTreeMap<[String; 3], WorkerRecount> {
    let mut workers: BTreeMap<_, WorkerRecount> = BTreeMap::new();
    for one in happened {
        let row: &Row = match one.what {
            What::Claimed => &one.after,
            _ => &one.before,
        };
        let held = one.what == What::Claimed || row.held_since > 0;
        if !held || row.worker.is_empty() {
            continue;
        }
        let seen = match one.what {
            What::Submitted | What::Canceled => continue,
            What::TimedOut => 0,
            _ => one.at,
        };
        let key = [&row.queue, &row.worker, &row.state].map(Clone::clone);
        let worker = workers.entry(key).or_default();
        worker.0 += u64::from(one.what == What::Claimed);
        worker.1 += u64::from(one.what == What::Completed);
        worker.2 += u64::from(one.what == What::TimedOut);
        worker.3 += u64::from(one.what == What::Failed);
        worker.4 = worker.4.max(seen);
    }
    workers
}

/// The figures of all resolutions must be what a scan of all that happened finds, and the oldest
/// tasks what a scan of all tasks finds.
pub fn assert_same_figures(store: &MemoryStore, model: &Model) {
    for resolution in Resolution::ALL {
        let now = model.clock;
        let window = store.figures().window(1, now + 1, now, Some(resolution));
        let mut wanted: BTreeMap<(String, String), Recount> = BTreeMap::new();
        for happened in &model.happened {
            let row = &happened.before;
            let key = (row.queue.clone(), row.state.clone());
            wanted.entry(key).or_default().add(happened);
        }
        let (found, has_more) = lines(store, window, None, None, 1000).unwrap();
        assert!(!has_more);
        for line in found {
            let key = (line.queue.to_string(), line.state.to_string());
            let wanted = wanted.remove(&key).unwrap_or_default();
            assert_eq!(EventTotals::of(&line.cell), wanted.totals, "{key:?}");
            assert_lengths(line.cell.waited(), wanted.waited_us);
            assert_lengths(line.cell.worked(), wanted.worked_us);
            assert_oldest(&line, model);
        }
        wanted.retain(|_, recount| *recount != Recount::default());
        assert!(wanted.is_empty(), "{wanted:?} is missing");
        assert_same_workers(store, window, &model.happened);
        assert_same_steps(store, window, &model.happened);
    }
}

fn assert_oldest(line: &Line, model: &Model) {
    let order = model.order(&line.queue, &line.state);
    let rows = order.iter().map(|at| &model.tasks[*at].row);
    let oldest = rows.map(|row| row.submitted).min();
    assert_eq!(line.oldest_submit_ns, oldest);
    assert!(line.is_oldest_exact);
    let entries = model.tasks.iter().filter(|entry| entry.archived.is_none());
    let rows = entries.map(|entry| &entry.row);
    let rows = rows.filter(|row| *row.queue == *line.queue && *row.state == *line.state);
    let held = rows.filter(|row| row.held_since > 0).count();
    assert_eq!(line.counts.in_flight, held as u64);
}

fn assert_same_workers(store: &MemoryStore, window: Window, happened: &[Happened]) {
    let mut wanted = recount_workers(happened);
    let (found, has_more) = workers(store, window, None, None, 1000);
    assert!(!has_more);
    for worker in found {
        let key = [&worker.queue, &worker.worker, &worker.state].map(ToString::to_string);
        let cell = &worker.cell;
        let events = [
            Event::Claimed,
            Event::Completed,
            Event::TimedOut,
            Event::Failed,
        ];
        let [claimed, completed, timed_out, failed] = events.map(|event| cell.count(event));
        let found = (claimed, completed, timed_out, failed, cell.last_seen_ns());
        assert_eq!(Some(found), wanted.remove(&key), "{key:?}");
    }
    assert!(wanted.is_empty(), "{wanted:?} is missing");
}

/// Step by step, not only added up.
fn assert_same_steps(store: &MemoryStore, window: Window, happened: &[Happened]) {
    for (slot, found) in history(store, window, Some("q"), None) {
        let mut wanted = Recount::default();
        let within = slot.begin_ns()..slot.end_ns();
        let happened = happened.iter().filter(|one| within.contains(&one.at));
        let happened = happened.filter(|one| one.before.queue == "q");
        happened.for_each(|one| wanted.add(one));
        assert_eq!(found, wanted.totals, "{slot:?}");
    }
}

fn assert_lengths(found: &Histogram, mut wanted: Vec<i64>) {
    wanted.sort_unstable();
    assert_eq!(found.count(), wanted.len() as u64);
    let Some(last) = wanted.last() else {
        return;
    };
    assert_eq!(found.max_us(), *last as u64);
    for percent in [50, 90, 99] {
        let rank = (wanted.len() * percent).div_ceil(100);
        let exact = wanted[rank - 1] as u64;
        let found = found.quantile_us(percent as u64);
        assert!(found.abs_diff(exact) <= exact / 16, "{found} for {exact}");
    }
}

/// One line a queue and state; what is 0 is left out.
pub fn print_lines(output: &mut String, (lines, has_more): &Page<Line>) -> Result {
    for line in lines {
        let counts = line.counts;
        write!(output, "{}/{}:", line.queue, line.state)?;
        for (name, count) in [
            ("live", counts.live),
            ("in_flight", counts.in_flight),
            ("delayed", counts.delayed),
        ] {
            if count > 0 {
                write!(output, " {name}={count}")?;
            }
        }
        if let Some(oldest_ns) = line.oldest_submit_ns {
            write!(output, " oldest={}", print_time(oldest_ns))?;
        }
        if !line.is_oldest_exact {
            output.push_str(" (perhaps older)");
        }
        output.push_str(&print_totals(&EventTotals::of(&line.cell)));
        let lengths = [
            ("waited", line.cell.waited()),
            ("worked", line.cell.worked()),
        ];
        for (name, lengths) in lengths {
            if lengths.count() > 0 {
                let numbers = [50, 99].map(|percent| lengths.quantile_us(percent));
                let [p50, p99] = numbers;
                write!(
                    output,
                    " {name}: p50={p50} p99={p99} max={}",
                    lengths.max_us()
                )?;
            }
        }
        output.push('\n');
    }
    print_more(output, *has_more)
}

/// One line a worker, queue and state.
pub fn print_workers(output: &mut String, (workers, has_more): &Page<Worker>) -> Result {
    for worker in workers {
        let cell = &worker.cell;
        write!(
            output,
            "{}/{}/{}:",
            worker.queue, worker.worker, worker.state
        )?;
        write!(output, " seen={}", print_time(cell.last_seen_ns()))?;
        output.push_str(&print_totals(&EventTotals::of(cell)));
        output.push('\n');
    }
    print_more(output, *has_more)
}

fn print_more(output: &mut String, has_more: bool) -> Result {
    match has_more {
        true => writeln!(output, "there are more"),
        false => Ok(()),
    }
}

/// What is 0 is left out.
pub fn print_totals(totals: &EventTotals) -> String {
    let numbers = [
        ("submitted", totals.submitted),
        ("claimed", totals.claimed),
        ("completed", totals.completed),
        ("canceled", totals.canceled),
        ("timed_out", totals.timed_out),
        ("dead", totals.dead),
        ("failed", totals.failed),
    ];
    let numbers = numbers.iter().filter(|(_, number)| *number > 0);
    numbers
        .map(|(name, number)| format!(" {name}={number}"))
        .collect()
}

pub fn print_window(
    output: &mut String,
    store: &MemoryStore,
    window: Window,
    kind: Kind,
) -> Result {
    let times = [window.begin_ns(), window.end_ns()].map(print_time);
    write!(output, "from {} to {}", times[0], times[1])?;
    if !store.figures().is_complete(window, kind) {
        output.push_str(", incomplete");
    }
    output.push('\n');
    Ok(())
}
