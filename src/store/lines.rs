//! The ready index: one ordered line of claimable tasks for each queue and state, and for each group in it.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use uuid::Uuid;

use super::counts::{Counts, LineCount};
use super::disk::Disk;
use super::keys::ready;
use super::layered::{Base, Layered};
use super::overlay::Overlay;
use super::packed::Packed;
use super::ready::Ready;
use super::record::{Name, Place};
use super::view::Result;

type Line = Layered<Place, Uuid>;

/// The lines that changed since they were last in the base; all others are found there.
#[derive(Debug, Default)]
pub struct Lines {
    queues: HashMap<Name, HashMap<Name, Line>>,
    /// What all active overlays together decide about.
    active_keys: usize,
    /// The lines that tasks came into.
    ready: Ready,
}

/// A line's changes on their way to the base.
#[derive(Debug)]
pub struct FrozenLine {
    /// What its keys begin with; also the key of its count.
    pub prefix: Vec<u8>,
    /// How many live tasks there are in its queue and state.
    pub count: LineCount,
    /// The changes.
    pub overlay: Arc<Overlay<Place, Uuid>>,
}

impl Lines {
    /// Who stands first.
    pub fn first(&self, queue: &str, state: &str, disk: &Disk) -> Result<Option<(Place, Uuid)>> {
        let base = base(queue, state, disk);
        let line = self.queues.get(queue).and_then(|states| states.get(state));
        match line {
            Some(line) => line.first(&base),
            None => Ok(base.read(Bound::Unbounded, 1)?.pop()),
        }
    }

    /// The first one after a place.
    pub fn next(
        &self,
        queue: &str,
        state: &str,
        after: Option<&Place>,
        disk: &Disk,
    ) -> Result<Option<(Place, Uuid)>> {
        let base = base(queue, state, disk);
        let line = self.queues.get(queue).and_then(|states| states.get(state));
        match (line, after) {
            (Some(line), _) => line.next(after, &base),
            (None, Some(after)) => Ok(base.read(Bound::Excluded(after), 1)?.pop()),
            (None, None) => Ok(base.read(Bound::Unbounded, 1)?.pop()),
        }
    }

    /// Lines up a task that is not there.
    pub fn insert(&mut self, queue: &Name, state: &Name, place: Place, uuid: Uuid) {
        self.change(queue, state, |line| line.insert(place, uuid));
    }

    /// Takes a task out that is there.
    pub fn remove(&mut self, queue: &Name, state: &Name, place: &Place) {
        self.change(queue, state, |line| {
            line.remove(place);
        });
    }

    /// The lines that tasks came into.
    pub fn ready(&mut self) -> &mut Ready {
        &mut self.ready
    }

    /// How many keys changed since the last freeze.
    pub fn active_keys(&self) -> usize {
        self.active_keys
    }

    /// Freezes all lines that changed.
    pub fn freeze(&mut self, counts: &Counts) -> Vec<FrozenLine> {
        self.active_keys = 0;
        let mut frozen = Vec::new();
        for (queue, states) in &mut self.queues {
            for (state, line) in states {
                if line.active().is_empty() {
                    continue;
                }
                frozen.push(FrozenLine {
                    prefix: ready::prefix(queue, state),
                    count: counts.row(queue, state),
                    overlay: line.freeze(),
                });
            }
        }
        frozen.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix));
        frozen
    }

    /// What was frozen is in the base now. Lines that didn't change since are found there from now on.
    pub fn finish(&mut self) {
        self.queues.retain(|_, states| {
            states.retain(|_, line| {
                line.finish();
                !line.is_clean()
            });
            !states.is_empty()
        });
    }

    fn change(&mut self, queue: &Name, state: &Name, change: impl FnOnce(&mut Line)) {
        let states = match self.queues.get_mut(queue) {
            Some(states) => states,
            None => self.queues.entry(queue.clone()).or_default(),
        };
        let line = match states.get_mut(state) {
            Some(line) => line,
            None => states.entry(state.clone()).or_default(),
        };
        let before = line.active().len();
        change(line);
        self.active_keys = (self.active_keys + line.active().len()).saturating_sub(before);
    }
}

/// One line in the base.
fn base<'a>(queue: &str, state: &str, disk: &'a Disk) -> Packed<'a, Place> {
    Packed::line(disk, ready::prefix(queue, state))
}
