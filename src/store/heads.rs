//! Who stands first of each group. A claim looks at these, and at no other task of a group, however many there are.
//!
//! Groups stand together that have equally many tasks in flight: so a limit of tasks in flight of one group leaves out
//! whole sets of them, and any limit counts at once. There are few sets, since n of them take n² / 2 tasks in flight.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use uuid::Uuid;

use super::View;
use super::counts::LineCount;
use super::groups::line_name;
use super::record::{Name, Place, Task};
use super::state::State;
use super::view::Result;

/// The heads of all groups, by queue and state.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heads {
    queues: HashMap<Name, HashMap<Name, StateHeads>>,
}

/// The heads of the groups in one state.
#[derive(Debug, Default, PartialEq, Eq)]
struct StateHeads {
    groups: HashMap<Name, Head>,
    /// By how many tasks their groups have in flight, in all states.
    sets: BTreeMap<u64, Set>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    place: Place,
    uuid: Uuid,
    claimable: u64,
    in_flight: u64,
}

/// Groups with equally many tasks in flight.
#[derive(Debug, Default, PartialEq, Eq)]
struct Set {
    heads: BTreeMap<Place, (Uuid, Name)>,
    claimable: u64,
}

impl Heads {
    fn state(&self, queue: &str, state: &str) -> Option<&StateHeads> {
        self.queues.get(queue)?.get(state)
    }

    fn sets(&self, queue: &str, state: &str, limit: u64) -> impl Iterator<Item = (u64, &Set)> {
        let sets = self.state(queue, state).into_iter();
        let sets = sets.flat_map(move |heads| heads.sets.range(..limit));
        sets.map(|(in_flight, set)| (*in_flight, set))
    }

    /// The first task of all groups that have fewer than `limit` tasks in flight.
    pub fn first(&self, queue: &str, state: &str, limit: u64) -> Option<(Place, Uuid)> {
        let firsts = self.sets(queue, state, limit);
        let firsts = firsts.filter_map(|(_, set)| set.heads.first_key_value());
        let first = firsts.min_by_key(|(place, _)| **place);
        first.map(|(place, (uuid, _))| (*place, *uuid))
    }

    /// The first of those that stand behind a place.
    pub fn first_after(
        &self,
        queue: &str,
        state: &str,
        limit: u64,
        after: Place,
    ) -> Option<(Place, Uuid)> {
        let from = (Bound::Excluded(after), Bound::Unbounded);
        let firsts = self.sets(queue, state, limit);
        let firsts = firsts.filter_map(|(_, set)| set.heads.range(from).next());
        let first = firsts.min_by_key(|(place, _)| **place);
        first.map(|(place, (uuid, _))| (*place, *uuid))
    }

    /// The groups with fewer than `limit` tasks in flight whose first task stands at a place or before.
    pub fn groups_upto(
        &self,
        queue: &str,
        state: &str,
        limit: u64,
        upto: Place,
    ) -> impl Iterator<Item = &Name> {
        let sets = self.sets(queue, state, limit);
        sets.flat_map(move |(_, set)| set.heads.range(..=upto).map(|(_, (_, group))| group))
    }

    /// How many tasks can be claimed at most if no group may have more than `limit` in flight; 0 if none can.
    pub fn claimable(&self, queue: &str, state: &str, limit: u64) -> u64 {
        let sets = self.sets(queue, state, limit).map(|(in_flight, set)| {
            let room = (set.heads.len() as u64).saturating_mul(limit - in_flight);
            room.min(set.claimable)
        });
        sets.sum()
    }

    fn put(&mut self, queue: &Name, state: &Name, group: &Name, head: Head) {
        let states = self.queues.entry(queue.clone()).or_default();
        let heads = states.entry(state.clone()).or_default();
        heads.take(group);
        let set = heads.sets.entry(head.in_flight).or_default();
        set.claimable += head.claimable;
        set.heads.insert(head.place, (head.uuid, group.clone()));
        heads.groups.insert(group.clone(), head);
    }

    fn take(&mut self, queue: &str, state: &str, group: &str) {
        let Some(states) = self.queues.get_mut(queue) else {
            return;
        };
        let Some(heads) = states.get_mut(state) else {
            return;
        };
        heads.take(group);
        if heads.groups.is_empty() {
            states.remove(state);
        }
        if states.is_empty() {
            self.queues.remove(queue);
        }
    }
}

impl StateHeads {
    fn take(&mut self, group: &str) {
        let Some(head) = self.groups.remove(group) else {
            return;
        };
        if let Some(set) = self.sets.get_mut(&head.in_flight) {
            set.heads.remove(&head.place);
            set.claimable -= head.claimable;
            if set.heads.is_empty() {
                self.sets.remove(&head.in_flight);
            }
        }
    }
}

impl State {
    /// The heads of all groups, as the lines have them: reads one entry of the ready index for each.
    pub(super) fn find_heads(&self) -> Result<Heads> {
        let mut heads = Heads::default();
        for (queue, groups) in self.counts().groups().queues() {
            for (state, group, count) in groups.lines() {
                if let Some(head) = self.head(queue, state, group, count)? {
                    heads.put(queue, state, group, head);
                }
            }
        }
        Ok(heads)
    }

    /// Keeps the heads of a task's group in step, after a change of the task.
    pub(super) fn follow_heads(&mut self, task: &Task) -> Result<()> {
        let Some(group) = task.group() else {
            return Ok(());
        };
        let queue = &task.queue;
        self.heads.take(queue, &task.current_state, group);
        let Some(groups) = self.counts().groups().queue(queue) else {
            return Ok(());
        };
        let states = groups.states_of(group);
        let lines: Vec<(Name, LineCount)> = states
            .map(|(state, count)| (state.clone(), count))
            .collect();
        for (state, count) in lines {
            match self.head(queue, &state, group, count)? {
                Some(head) => self.heads.put(queue, &state, group, head),
                None => self.heads.take(queue, &state, group),
            }
        }
        Ok(())
    }

    /// The first task of a group in a state, if any can be claimed.
    fn head(
        &self,
        queue: &Name,
        state: &Name,
        group: &Name,
        count: LineCount,
    ) -> Result<Option<Head>> {
        let claimable = count.live.saturating_sub(count.delayed);
        if claimable == 0 {
            return Ok(None);
        }
        let line = line_name(state, group);
        let first = self.lines.first(queue, &line, self.disk()?)?;
        let groups = self.counts().groups().queue(queue);
        let in_flight = groups.map_or(0, |groups| groups.in_flight(group));
        Ok(first.map(|(place, uuid)| Head {
            place,
            uuid,
            claimable,
            in_flight,
        }))
    }
}
