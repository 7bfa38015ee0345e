//! The tasks that can't be claimed yet: an ordered index, and the counts that go with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::counts::{Counts, LineCount};
use super::disk::Disk;
use super::groups::line_name;
use super::keys::ready;
use super::layered::Layered;
use super::overlay::Overlay;
use super::packed::Packed;
use super::record::{Name, Ripening, Task};
use super::view::Result;

/// Delayed tasks in the order in which they become claimable.
#[derive(Debug, Default)]
pub struct Delayed {
    index: Layered<Ripening, Uuid>,
    /// Whose counts changed since the last freeze, perhaps without a change of their lines.
    touched: BTreeSet<(Name, Name)>,
}

/// Changes on their way to the base.
#[derive(Debug)]
pub struct FrozenDelayed {
    /// The index.
    pub overlay: Arc<Overlay<Ripening, Uuid>>,
    /// Counts by the prefix of their queue and state.
    pub counts: Vec<(Vec<u8>, LineCount)>,
}

impl Delayed {
    /// The first one after another, or the first of all.
    pub fn next(&self, after: Option<&Ripening>, disk: &Disk) -> Result<Option<(Ripening, Uuid)>> {
        self.index.next(after, &Packed::all(disk))
    }

    /// Who becomes claimable then.
    pub fn get(&self, ripening: &Ripening, disk: &Disk) -> Result<Option<Uuid>> {
        self.index.get(ripening, &Packed::all(disk))
    }

    /// Takes in a task that is not there.
    pub fn insert(&mut self, ripening: Ripening, task: &Task) {
        self.index.insert(ripening, task.uuid);
        self.touch(task);
    }

    /// Takes a task out that is there.
    pub fn remove(&mut self, ripening: &Ripening, task: &Task) {
        self.index.remove(ripening);
        self.touch(task);
    }

    /// The counts of the task's queue and state changed.
    pub fn touch(&mut self, task: &Task) {
        let key = (task.queue.clone(), task.current_state.clone());
        if let Some(group) = task.group() {
            let line = line_name(&task.current_state, group);
            self.touched.insert((task.queue.clone(), line));
        }
        self.touched.insert(key);
    }

    /// How many keys changed since the last freeze.
    pub fn active_keys(&self) -> usize {
        self.index.active().len()
    }

    /// Freezes what changed.
    pub fn freeze(&mut self, counts: &Counts) -> FrozenDelayed {
        let touched = std::mem::take(&mut self.touched);
        let counts = touched.iter().map(|(queue, state)| {
            let prefix = ready::prefix(queue, state);
            (prefix, counts.row(queue, state))
        });
        FrozenDelayed {
            counts: counts.collect(),
            overlay: self.index.freeze(),
        }
    }

    /// What was frozen is in the base now.
    pub fn finish(&mut self) {
        self.index.finish();
    }
}
