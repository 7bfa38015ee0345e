//! Live tasks counted by queue and state: kept with each change, never counted.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::groups::{GroupCounts, split_line};
use super::record::{Name, Task};

/// The counts of all queues that hold live tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    queues: BTreeMap<Name, QueueCounts>,
    total: u64,
    /// Live tasks in all queues that can't be claimed yet.
    delayed: u64,
    /// Those that belong to groups once more, by group.
    groups: GroupCounts,
}

/// The counts of one queue. None of its states is without tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Live tasks in the queue.
    pub total: u64,
    /// Those of them that a worker holds.
    pub in_flight: u64,
    /// What is counted of each state.
    pub states: BTreeMap<Name, LineCount>,
}

/// The counts of one queue and state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCount {
    /// Live tasks.
    pub live: u64,
    /// Those of them that can't be claimed yet.
    pub delayed: u64,
    /// Those of them that a worker holds.
    pub in_flight: u64,
}

impl LineCount {
    /// What one task counts.
    pub fn of(task: &Task) -> Self {
        Self {
            live: 1,
            delayed: task.is_delayed.into(),
            in_flight: task.is_in_flight().into(),
        }
    }

    /// Counts more.
    pub fn grow(&mut self, more: Self) {
        self.live += more.live;
        self.delayed += more.delayed;
        self.in_flight += more.in_flight;
    }

    /// These less others; none where they are not that many.
    pub fn less(self, other: Self) -> Option<Self> {
        Some(Self {
            live: self.live.checked_sub(other.live)?,
            delayed: self.delayed.checked_sub(other.delayed)?,
            in_flight: self.in_flight.checked_sub(other.in_flight)?,
        })
    }
}

impl Counts {
    /// Live tasks in all queues.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Live tasks in one queue and state.
    pub fn of(&self, queue: &str, state: &str) -> u64 {
        self.line(queue, state).live
    }

    /// Live tasks in one queue and state that can be claimed.
    pub fn claimable(&self, queue: &str, state: &str) -> u64 {
        let line = self.line(queue, state);
        line.live.saturating_sub(line.delayed)
    }

    /// All that is counted of one queue and state.
    pub fn line(&self, queue: &str, state: &str) -> LineCount {
        let line = self
            .queues
            .get(queue)
            .and_then(|queue| queue.states.get(state));
        line.copied().unwrap_or_default()
    }

    /// The counts by group.
    pub fn groups(&self) -> &GroupCounts {
        &self.groups
    }

    /// All that is counted of a line, be it of a queue and state or of a group in it.
    pub fn row(&self, queue: &str, line: &str) -> LineCount {
        match split_line(line) {
            None => self.line(queue, line),
            Some((state, group)) => self.groups.line(queue, state, group),
        }
    }

    /// Takes in what is counted of a line, as [`Counts::row`] tells it.
    pub fn add_row(&mut self, queue: &Name, line: &Name, count: LineCount) {
        match split_line(line) {
            None => self.add(queue, line, count),
            Some((state, group)) => {
                let state = self.shared_state(queue, state).cloned();
                let state = state.unwrap_or_else(|| state_of(line));
                self.groups.add(queue, &state, &group.into(), count);
            }
        }
    }

    /// Counts one more task.
    pub fn count(&mut self, task: &Task) {
        let (queue, state) = (&task.queue, &task.current_state);
        self.add(queue, state, LineCount::of(task));
        if let Some(group) = task.group() {
            self.groups.add(queue, state, group, LineCount::of(task));
        }
    }

    /// Counts one task less; returns whether it was counted.
    #[must_use]
    pub fn uncount(&mut self, task: &Task) -> bool {
        let (queue, state) = (&task.queue, &task.current_state);
        let count = LineCount::of(task);
        if let Some(group) = task.group()
            && !self.groups.subtract(queue, state, group, count)
        {
            return false;
        }
        self.subtract(queue, state, count)
    }

    /// Whether any task can't be claimed yet.
    pub fn any_delayed(&self) -> bool {
        self.delayed > 0
    }

    /// One queue, if it holds live tasks.
    pub fn queue(&self, queue: &str) -> Option<&QueueCounts> {
        self.queues.get(queue)
    }

    /// The queue's name as its live tasks share it.
    pub fn shared_queue(&self, queue: &str) -> Option<&Name> {
        self.queues.get_key_value(queue).map(|(name, _)| name)
    }

    /// The state's name as the queue's live tasks share it.
    pub fn shared_state(&self, queue: &str, state: &str) -> Option<&Name> {
        let states = &self.queues.get(queue)?.states;
        states.get_key_value(state).map(|(name, _)| name)
    }

    /// All queues that hold live tasks, by name.
    pub fn queues(&self) -> impl Iterator<Item = (&Name, &QueueCounts)> {
        self.queues.iter()
    }

    /// The queues that hold live tasks from that name on.
    pub fn queues_from(&self, queue: &str) -> impl Iterator<Item = (&Name, &QueueCounts)> {
        let from = (Bound::Included(queue), Bound::Unbounded);
        self.queues.range::<str, _>(from)
    }

    /// Counts more in a queue and state.
    pub fn add(&mut self, queue: &Name, state: &Name, more: LineCount) {
        if more.live == 0 {
            return;
        }
        self.total += more.live;
        self.delayed += more.delayed;
        let counts = match self.queues.get_mut(queue) {
            Some(counts) => counts,
            None => self.queues.entry(queue.clone()).or_default(),
        };
        counts.total += more.live;
        counts.in_flight += more.in_flight;
        let line = match counts.states.get_mut(state) {
            Some(line) => line,
            None => counts.states.entry(state.clone()).or_default(),
        };
        line.live += more.live;
        line.delayed += more.delayed;
        line.in_flight += more.in_flight;
    }

    /// Counts less in a queue and state; what falls to 0 is no longer listed.
    ///
    /// Returns whether they were that many.
    #[must_use]
    pub fn subtract(&mut self, queue: &str, state: &str, less: LineCount) -> bool {
        let Some(counts) = self.queues.get_mut(queue) else {
            return false;
        };
        let Some(line) = counts.states.get_mut(state) else {
            return false;
        };
        let Some(left) = line.less(less) else {
            return false;
        };
        *line = left;
        if left.live == 0 {
            counts.states.remove(state);
        }
        counts.total -= less.live;
        counts.in_flight -= less.in_flight;
        if counts.total == 0 {
            self.queues.remove(queue);
        }
        self.total -= less.live;
        self.delayed -= less.delayed;
        true
    }
}

/// The state in a line's name.
fn state_of(line: &str) -> Name {
    split_line(line).map_or(line, |(state, _)| state).into()
}
