//! Names are shared: a task in a row, the same queue and states in a million rows.

use std::sync::{Arc, LazyLock};

use crate::store::counts::Counts;
use crate::store::record::Name;

static COMPLETED: LazyLock<Name> = LazyLock::new(|| Name::from("completed"));
static DEAD: LazyLock<Name> = LazyLock::new(|| Name::from("dead"));
static CANCELED: LazyLock<Name> = LazyLock::new(|| Name::from("canceled"));

/// Both states of a task that ended well.
pub fn completed() -> Name {
    COMPLETED.clone()
}

/// The state of a task that timed out as often as it may.
pub fn dead() -> Name {
    DEAD.clone()
}

/// Both states of a task that was called off.
pub fn canceled() -> Name {
    CANCELED.clone()
}

/// The queue's name as live tasks share it, or a new one.
pub fn queue(counts: &Counts, name: &str) -> Name {
    counts
        .shared_queue(name)
        .map_or_else(|| Arc::from(name), Arc::clone)
}

/// The state's name as one of `known` or the queue's live tasks share it, or a new one.
pub fn state(counts: &Counts, queue: &str, known: &[&Name], name: &str) -> Name {
    known
        .iter()
        .copied()
        .find(|known| known.as_ref() == name)
        .or_else(|| counts.shared_state(queue, name))
        .map_or_else(|| Arc::from(name), Arc::clone)
}

/// The worker's name: the one before if it is the same one again.
pub fn worker(before: &Name, name: &str) -> Name {
    if before.as_ref() == name {
        return before.clone();
    }
    if name.is_empty() {
        return Name::default();
    }
    Arc::from(name)
}
