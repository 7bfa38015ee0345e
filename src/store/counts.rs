//! Live tasks counted by queue and state: kept with each change, never counted.

use std::collections::BTreeMap;

use super::record::Name;

/// The counts of all queues that hold live tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    queues: BTreeMap<Name, QueueCounts>,
    total: u64,
    /// Live tasks that can't be claimed yet, by queue and state. None of them is 0.
    delayed: BTreeMap<Name, BTreeMap<Name, u64>>,
}

/// The counts of one queue. None of them is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Live tasks in the queue.
    pub total: u64,
    /// Live tasks by state.
    pub states: BTreeMap<Name, u64>,
}

/// The counts of one queue and state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCount {
    /// Live tasks.
    pub live: u64,
    /// Those of them that can't be claimed yet.
    pub delayed: u64,
}

impl Counts {
    /// Live tasks in all queues.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Live tasks in one queue and state.
    pub fn of(&self, queue: &str, state: &str) -> u64 {
        let states = self.queues.get(queue).map(|queue| &queue.states);
        states
            .and_then(|states| states.get(state))
            .copied()
            .unwrap_or(0)
    }

    /// Live tasks in one queue and state that can't be claimed yet.
    pub fn delayed(&self, queue: &str, state: &str) -> u64 {
        let states = self.delayed.get(queue);
        states
            .and_then(|states| states.get(state))
            .copied()
            .unwrap_or(0)
    }

    /// Live tasks in one queue and state that can be claimed.
    pub fn claimable(&self, queue: &str, state: &str) -> u64 {
        let LineCount { live, delayed } = self.line(queue, state);
        live.saturating_sub(delayed)
    }

    /// All that is counted of one queue and state.
    pub fn line(&self, queue: &str, state: &str) -> LineCount {
        LineCount {
            live: self.of(queue, state),
            delayed: self.delayed(queue, state),
        }
    }

    /// Whether any task can't be claimed yet.
    pub fn any_delayed(&self) -> bool {
        !self.delayed.is_empty()
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

    /// Counts `tasks` more in a queue and state.
    pub fn add(&mut self, queue: &Name, state: &Name, tasks: u64) {
        if tasks == 0 {
            return;
        }
        self.total += tasks;
        if let Some(counts) = self.queues.get_mut(queue) {
            counts.total += tasks;
            match counts.states.get_mut(state) {
                Some(count) => *count += tasks,
                None => drop(counts.states.insert(state.clone(), tasks)),
            }
            return;
        }
        let states = BTreeMap::from([(state.clone(), tasks)]);
        let counts = QueueCounts {
            total: tasks,
            states,
        };
        self.queues.insert(queue.clone(), counts);
    }

    /// Counts one task less in a queue and state; what falls to 0 is no longer listed.
    ///
    /// Returns whether there was one.
    #[must_use]
    pub fn subtract(&mut self, queue: &str, state: &str) -> bool {
        let Some(counts) = self.queues.get_mut(queue) else {
            return false;
        };
        let Some(count) = counts.states.get_mut(state) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            counts.states.remove(state);
        }
        counts.total -= 1;
        if counts.total == 0 {
            self.queues.remove(queue);
        }
        self.total -= 1;
        true
    }

    /// Counts `tasks` of those in a queue and state as not claimable yet.
    pub fn add_delayed(&mut self, queue: &Name, state: &Name, tasks: u64) {
        if tasks == 0 {
            return;
        }
        let states = self.delayed.entry(queue.clone()).or_default();
        *states.entry(state.clone()).or_default() += tasks;
    }

    /// Counts one task less as not claimable yet; what falls to 0 is no longer kept.
    ///
    /// Returns whether there was one.
    #[must_use]
    pub fn subtract_delayed(&mut self, queue: &str, state: &str) -> bool {
        let Some(states) = self.delayed.get_mut(queue) else {
            return false;
        };
        let Some(count) = states.get_mut(state) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            states.remove(state);
        }
        if states.is_empty() {
            self.delayed.remove(queue);
        }
        true
    }
}
