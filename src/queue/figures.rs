//! The questions about queues, states and workers: how things stand, and what happened in a window.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::counts::LineCount;
use crate::store::figures::{Cell, Event, Kind, SlotKey, Window};
use crate::store::record::{Name, Place};
use crate::store::{StoreError, View};

/// How many tasks are looked at to find the oldest ones of all an answer's lines, besides the first of each.
const MOST_LOOKS: usize = 1000;

/// A queue and state: how it stands, and what happened in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The queue.
    pub queue: Name,
    /// The state.
    pub state: Name,
    /// Its live tasks now.
    pub counts: LineCount,
    /// When the oldest of those tasks was submitted that are not delayed, nanoseconds since 1970.
    pub oldest_submit_ns: Option<i64>,
    /// False where more tasks would have had to be looked at.
    pub is_oldest_exact: bool,
    /// What happened in the window.
    pub cell: Cell,
}

/// What a worker did in a window in a queue and state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// The queue.
    pub queue: Name,
    /// Who.
    pub worker: Name,
    /// The state that it worked on tasks in.
    pub state: Name,
    /// What happened in the window.
    pub cell: Cell,
}

/// Part of a list, and whether there is more.
pub type Page<T> = (Vec<T>, bool);

/// The first `limit` lines after a queue and state, of one queue or of all: those with live tasks, and
/// those where something happened in the window.
///
/// # Errors
/// If the view can't answer.
pub fn lines(
    view: &(impl View + ?Sized),
    window: Window,
    queue: Option<&str>,
    after: Option<(&str, &str)>,
    limit: usize,
) -> Result<Page<Line>, StoreError> {
    let is_after = |key: &(&Name, &Name)| after.is_none_or(|after| (&**key.0, &**key.1) > after);
    let mut totals: BTreeMap<(&Name, &Name), Cell> = BTreeMap::new();
    for (subject, cell) in view.figures().totals(window, Kind::Line, queue) {
        totals.insert((&subject.queue, &subject.state), cell);
    }
    let first = queue.or(after.map(|after| after.0)).unwrap_or_default();
    let queues = view.counts().queues_from(first);
    let queues = queues.take_while(|(name, _)| queue.is_none_or(|queue| ***name == *queue));
    let live =
        queues.flat_map(|(queue, counts)| counts.states.keys().map(move |state| (queue, state)));
    let mut keys: BTreeSet<_> = live.filter(is_after).take(limit + 1).collect();
    keys.extend(totals.keys().filter(|key| is_after(key)));
    let has_more = keys.len() > limit;
    let mut looks = MOST_LOOKS;
    let mut lines = Vec::new();
    for key in keys.into_iter().take(limit) {
        let (queue, state) = key;
        let oldest = oldest(view, queue, state, &mut looks)?;
        lines.push(Line {
            queue: queue.clone(),
            state: state.clone(),
            counts: view.counts().line(queue, state),
            oldest_submit_ns: oldest.map(|(at_ns, _)| at_ns),
            is_oldest_exact: oldest.is_none_or(|(_, is_exact)| is_exact),
            cell: totals.remove(&key).unwrap_or_default(),
        });
    }
    Ok((lines, has_more))
}

/// When the oldest task of a line was submitted, and whether all were looked at. Those of one priority stand
/// in the order in which they were submitted, so the first of each tells.
fn oldest(
    view: &(impl View + ?Sized),
    queue: &str,
    state: &str,
    looks: &mut usize,
) -> Result<Option<(i64, bool)>, StoreError> {
    let Some(first) = view.next_standing(queue, state, None)? else {
        return Ok(None);
    };
    let mut oldest_ns = first.submit_time_ns;
    let mut place = first.place();
    loop {
        if *looks == 0 {
            return Ok(Some((oldest_ns, false)));
        }
        *looks -= 1;
        let last = Place {
            submit_time_ns: i64::MAX,
            seq: u64::MAX,
            ..place
        };
        let Some(task) = view.next_standing(queue, state, Some(last))? else {
            return Ok(Some((oldest_ns, true)));
        };
        oldest_ns = oldest_ns.min(task.submit_time_ns);
        place = task.place();
    }
}

/// The first `limit` workers after a queue, worker and state, of one queue or of all.
pub fn workers(
    view: &(impl View + ?Sized),
    window: Window,
    queue: Option<&str>,
    after: Option<(&str, &str, &str)>,
    limit: usize,
) -> Page<Worker> {
    let totals = view.figures().totals(window, Kind::Worker, queue);
    let mut found: Vec<_> = totals
        .into_iter()
        .map(|(subject, cell)| Worker {
            queue: subject.queue.clone(),
            worker: subject.worker.clone(),
            state: subject.state.clone(),
            cell,
        })
        .filter(|worker| after.is_none_or(|after| worker.key() > after))
        .collect();
    found.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
    let has_more = found.len() > limit;
    found.truncate(limit);
    (found, has_more)
}

impl Worker {
    fn key(&self) -> (&str, &str, &str) {
        (&self.queue, &self.worker, &self.state)
    }
}

/// How often something happened in each slot of the window, without gaps: of one queue or of all, of
/// one state or of all.
pub fn history(
    view: &(impl View + ?Sized),
    window: Window,
    queue: Option<&str>,
    state: Option<&str>,
) -> BTreeMap<SlotKey, EventTotals> {
    let mut steps: BTreeMap<_, _> = window
        .slots()
        .map(|slot| (slot, EventTotals::default()))
        .collect();
    for (slot, subject, cell) in view.figures().each(window) {
        let is_meant = match subject.kind {
            Kind::Line => {
                queue.is_none_or(|queue| *subject.queue == *queue)
                    && state.is_none_or(|state| *subject.state == *state)
            }
            // Who shares a row with others is in the sum over all, and in nothing else.
            Kind::OtherLines => queue.is_none() && state.is_none(),
            _ => false,
        };
        if is_meant && let Some(step) = steps.get_mut(&slot) {
            step.add(cell);
        }
    }
    steps
}

/// How often each event happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTotals {
    /// Tasks put in.
    pub submitted: u64,
    /// Tasks that went to a worker.
    pub claimed: u64,
    /// Tasks that ended as completed.
    pub completed: u64,
    /// Tasks that ended as canceled.
    pub canceled: u64,
    /// Timeouts that passed.
    pub timed_out: u64,
    /// Timeouts and failures that had no attempt left.
    pub dead: u64,
    /// Leases that a worker gave back as failed.
    pub failed: u64,
}

impl EventTotals {
    /// What a cell counts.
    pub fn of(cell: &Cell) -> Self {
        let mut totals = Self::default();
        totals.add(cell);
        totals
    }

    fn add(&mut self, cell: &Cell) {
        for (total, event) in [
            (&mut self.submitted, Event::Submitted),
            (&mut self.claimed, Event::Claimed),
            (&mut self.completed, Event::Completed),
            (&mut self.canceled, Event::Canceled),
            (&mut self.timed_out, Event::TimedOut),
            (&mut self.dead, Event::Dead),
            (&mut self.failed, Event::Failed),
        ] {
            *total += cell.count(event);
        }
    }
}
