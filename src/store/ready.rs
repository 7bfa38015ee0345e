//! Which lines of the ready index tasks came into: for whoever waits for them.

use std::collections::BTreeSet;

use super::record::Name;

/// A queue and a state.
pub type Line = (Name, Name);

/// Notes the lines that tasks come into, each once, while somebody watches. Costs nothing otherwise.
#[derive(Debug, Default)]
pub struct Ready {
    is_watched: bool,
    noted: BTreeSet<Line>,
}

impl Ready {
    /// From now on lines are noted, or not.
    pub fn watch(&mut self, is_watched: bool) {
        self.is_watched = is_watched;
        if !is_watched {
            self.noted.clear();
        }
    }

    /// A task came into this line.
    pub fn note(&mut self, queue: &Name, state: &Name) {
        if self.is_watched {
            self.noted.insert((queue.clone(), state.clone()));
        }
    }

    /// What was noted since the last time.
    pub fn take(&mut self) -> BTreeSet<Line> {
        std::mem::take(&mut self.noted)
    }
}
