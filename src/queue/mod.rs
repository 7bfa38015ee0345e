//! The pure machine: what submit, claim, update, complete, cancel and time out mean.
//!
//! Knows no clock, no randomness and no IO: time and uuids come in the command,
//! rows come from a [`crate::store::View`], and changes go to a [`crate::store::Changes`].

mod archive;
mod cancel;
mod claim;
mod complete;
mod durable;
mod expire;
mod forget;
mod names;
pub mod outcome;
pub mod query;
mod remember;
mod step;
mod submit;
mod target;
mod timeout;
mod update;

pub use outcome::{Outcome, Refusal, Row};
pub use step::{Step, step};

#[cfg(test)]
mod tests;

use crate::proto::durable::Group;
use crate::store::record::Position;
use crate::store::{Changes, StoreError};

/// Applies one log entry: each command sees the changes of those before it.
///
/// The outcomes come in the order of the commands, one each.
///
/// # Errors
/// If the store can't read what it holds, or a change does not follow on it.
/// The entry may be half applied then: the node must stop.
pub fn apply(
    store: &mut impl Changes,
    group: Group,
    position: Position,
) -> Result<Vec<Outcome>, StoreError> {
    let now_ns = store.begin_entry(group.now_ns);
    let mut outcomes = Vec::with_capacity(group.commands.len());
    for command in group.commands {
        let (outcome, changes) = step(store, now_ns, command)?;
        for change in changes {
            store.record(change)?;
        }
        outcomes.push(outcome);
    }
    store.end_entry(position)?;
    Ok(outcomes)
}
