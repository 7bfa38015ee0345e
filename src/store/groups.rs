//! The groups of a queue's tasks: a line and counts for each, beside those of their queue and state.

use std::collections::BTreeMap;

use super::counts::LineCount;
use super::record::{Name, Task};

/// Sets a group apart from the state in a line's name: no client's name has a control character.
const SEPARATOR: char = '\u{1f}';

/// The name of the line in which a state's tasks of one group stand; the state's own where it is empty.
pub fn line_name(state: &Name, group: &str) -> Name {
    match group.is_empty() {
        true => state.clone(),
        false => format!("{state}{SEPARATOR}{group}").into(),
    }
}

/// The state and the group of a line's name; none if it is a state's own line.
pub fn split_line(line: &str) -> Option<(&str, &str)> {
    line.split_once(SEPARATOR)
}

/// The counts of all groups that hold live tasks, by queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    queues: BTreeMap<Name, QueueGroups>,
}

/// The groups of one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueGroups {
    /// All states together.
    groups: BTreeMap<Name, LineCount>,
    states: BTreeMap<Name, StateGroups>,
}

/// The groups in one state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateGroups {
    groups: BTreeMap<Name, LineCount>,
    /// The live tasks of all of them that can be claimed.
    claimable: u64,
}

impl GroupCounts {
    /// One queue, if it holds tasks of groups.
    pub fn queue(&self, queue: &str) -> Option<&QueueGroups> {
        match self.queues.is_empty() {
            true => None,
            false => self.queues.get(queue),
        }
    }

    /// All queues that hold tasks of groups, by name.
    pub fn queues(&self) -> impl Iterator<Item = (&Name, &QueueGroups)> {
        self.queues.iter()
    }

    /// What is counted of a queue, state and group.
    pub fn line(&self, queue: &str, state: &str, group: &str) -> LineCount {
        let state = self.queue(queue).and_then(|queue| queue.states.get(state));
        let line = state.and_then(|state| state.groups.get(group));
        line.copied().unwrap_or_default()
    }

    /// Tasks of groups in a queue and state that can be claimed, if limits let them.
    pub fn claimable(&self, queue: &str, state: &str) -> u64 {
        let state = self.queue(queue).and_then(|queue| queue.states.get(state));
        state.map_or(0, |state| state.claimable)
    }

    /// Counts more.
    pub fn add(&mut self, queue: &Name, state: &Name, group: &Name, more: LineCount) {
        let counts = self.queues.entry(queue.clone()).or_default();
        counts.groups.entry(group.clone()).or_default().grow(more);
        let state = counts.states.entry(state.clone()).or_default();
        state.groups.entry(group.clone()).or_default().grow(more);
        state.claimable += more.live.saturating_sub(more.delayed);
    }

    /// Counts less; returns whether they were that many.
    #[must_use]
    pub fn subtract(&mut self, queue: &str, state: &str, group: &str, less: LineCount) -> bool {
        let Some(counts) = self.queues.get_mut(queue) else {
            return false;
        };
        let Some(in_state) = counts.states.get_mut(state) else {
            return false;
        };
        let claimable = less.live.saturating_sub(less.delayed);
        let was_counted = shrink(&mut in_state.groups, group, less)
            && shrink(&mut counts.groups, group, less)
            && in_state.claimable >= claimable;
        if !was_counted {
            return false;
        }
        in_state.claimable -= claimable;
        if in_state.groups.is_empty() {
            counts.states.remove(state);
        }
        if counts.groups.is_empty() {
            self.queues.remove(queue);
        }
        true
    }
}

/// What falls to 0 is no longer listed.
fn shrink(groups: &mut BTreeMap<Name, LineCount>, group: &str, less: LineCount) -> bool {
    let Some(count) = groups.get_mut(group) else {
        return false;
    };
    let Some(left) = count.less(less) else {
        return false;
    };
    *count = left;
    if left.live == 0 {
        groups.remove(group);
    }
    true
}

impl QueueGroups {
    /// Tasks of a group that workers hold.
    pub fn in_flight(&self, group: &str) -> u64 {
        self.groups.get(group).map_or(0, |count| count.in_flight)
    }

    /// The group's name as its live tasks share it.
    pub fn shared(&self, group: &str) -> Option<&Name> {
        self.groups.get_key_value(group).map(|(name, _)| name)
    }

    /// The states in which a group has tasks, and what is counted there.
    pub fn states_of<'a>(
        &'a self,
        group: &'a str,
    ) -> impl Iterator<Item = (&'a Name, LineCount)> + 'a {
        let states = self.states.iter();
        states.filter_map(move |(name, state)| Some((name, *state.groups.get(group)?)))
    }

    /// All lines: state, group, and what is counted.
    pub fn lines(&self) -> impl Iterator<Item = (&Name, &Name, LineCount)> {
        let states = self.states.iter();
        states.flat_map(|(state, groups)| {
            let groups = groups.groups.iter();
            groups.map(move |(group, count)| (state, group, *count))
        })
    }
}

impl Task {
    /// The group that it belongs to, if any.
    pub fn group(&self) -> Option<&Name> {
        let extras = self.extras.as_ref()?;
        (!extras.group.is_empty()).then_some(&extras.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_names_that_no_state_has() {
        let line = line_name(&"new".into(), "a");
        assert_eq!(split_line(&line), Some(("new", "a")));
        assert_eq!(split_line("new"), None);
        assert_eq!(&*line_name(&"new".into(), ""), "new");
    }

    #[test]
    fn what_falls_to_nothing_is_not_listed() {
        let (queue, state, group) = (Name::from("q"), Name::from("s"), Name::from("g"));
        let count = |in_flight, delayed| LineCount {
            live: 1,
            delayed,
            in_flight,
        };
        let mut counts = GroupCounts::default();
        counts.add(&queue, &state, &group, count(1, 0));
        counts.add(&queue, &"t".into(), &group, count(0, 1));
        let groups = counts.queue("q");
        assert_eq!(groups.map(|groups| groups.in_flight("g")), Some(1));
        assert_eq!(counts.claimable("q", "s"), 1);
        assert_eq!(counts.claimable("q", "t"), 0);
        assert!(!counts.subtract("q", "s", "h", count(0, 0)));
        assert!(counts.subtract("q", "s", "g", count(1, 0)));
        assert!(counts.subtract("q", "t", "g", count(0, 1)));
        assert_eq!(counts, GroupCounts::default());
    }
}
