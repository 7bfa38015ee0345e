//! Which lines of the ready index tasks came into: for whoever waits for them.

use std::collections::BTreeSet;

use super::record::Name;

/// A queue and a state.
pub type Line = (Name, Name);

/// Where claims may find something that found nothing before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The lines that tasks came into.
    pub lines: BTreeSet<Line>,
    /// The queues that let more claims through.
    pub queues: BTreeSet<Name>,
}

impl News {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.queues.is_empty()
    }
}

/// Notes the lines that tasks come into, and the queues whose limits loosen, each once, while somebody watches. Costs
/// nothing otherwise.
#[derive(Debug, Default)]
pub struct Ready {
    is_watched: bool,
    noted: News,
}

impl Ready {
    /// From now on lines are noted, or not.
    pub fn watch(&mut self, is_watched: bool) {
        self.is_watched = is_watched;
        if !is_watched {
            self.noted = News::default();
        }
    }

    /// A task came into this line.
    pub fn note(&mut self, queue: &Name, state: &Name) {
        if self.is_watched {
            self.noted.lines.insert((queue.clone(), state.clone()));
        }
    }

    /// This queue lets more claims through, perhaps.
    pub fn loosened(&mut self, queue: &Name) {
        if self.is_watched {
            self.noted.queues.insert(queue.clone());
        }
    }

    /// What was noted since the last time.
    pub fn take(&mut self) -> News {
        std::mem::take(&mut self.noted)
    }
}
