//! The pure machine: what submit, claim, update, complete, cancel, extend, fail and time out mean.
//!
//! Knows no clock, no randomness and no IO: time and uuids come in the command,
//! rows come from a [`crate::store::View`], and changes go to a [`crate::store::Changes`].

mod archive;
mod backoff;
mod bulk;
mod cancel;
mod claim;
mod claim_tasks;
mod complete;
mod complete_tasks;
mod durable;
mod expire;
mod extend;
mod fail;
pub mod figures;
pub mod filter;
mod forget;
mod give_back;
mod grouping;
pub mod limits;
pub mod list;
mod names;
pub mod outcome;
mod planned;
pub mod query;
mod regroup;
mod remember;
mod ripen;
pub mod schedule;
mod set_queue;
pub mod size;
mod step;
mod submit;
mod submit_tasks;
mod target;
mod timeout;
pub mod transition;
mod update;

pub use outcome::{Completion, Cursor, Outcome, Refusal, Row};

#[cfg(test)]
pub(crate) mod tests;

use crate::proto::durable::Group;
use crate::store::record::Position;
use crate::store::{Changes, StoreError};

/// The version of what commands mean: of all that [`apply`] does with an entry.
///
/// Nodes of different versions meet while a cluster is upgraded, and must come to the same state. So an
/// entry says which version it was written by, and a node stops at one that it does not know. Whoever raises
/// this number keeps what earlier entries meant, and writes entries of the new version only once all members know it.
pub const VERSION: u32 = 1;

/// Applies one log entry. Tasks whose time has come become claimable first, then each command sees the changes of those before it.
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
    for change in ripen::due(store, now_ns, step::limit(0))?.0 {
        store.record(change)?;
    }
    for command in group.commands {
        outcomes.push(step::perform(store, now_ns, command)?);
    }
    store.end_entry(position)?;
    Ok(outcomes)
}
