//! Complete tasks: each on its own, in order.

use super::complete::decide;
use super::outcome::Completion;
use super::step::{read_uuid, record_all};
use super::{Outcome, Refusal, target};
use crate::proto::durable::{Complete, CompleteTasks};
use crate::store::{Changes, StoreError};

/// A completion that is refused changes nothing and holds up no other; one that can't be read
/// refuses all of them.
pub(super) fn perform(
    store: &mut impl Changes,
    now_ns: i64,
    batch: CompleteTasks,
) -> Result<Outcome, StoreError> {
    if let Err(refusal) = batch.tasks.iter().try_for_each(check) {
        return Ok(Outcome::Refused(refusal));
    }
    let mut results = Vec::with_capacity(batch.tasks.len());
    for complete in batch.tasks {
        let result = match decide(store, now_ns, complete)? {
            Ok((completion, changes)) => {
                record_all(store, changes)?;
                completion
            }
            Err(_) => Completion::default(),
        };
        results.push(result);
    }
    Ok(Outcome::Completions(results))
}

fn check(complete: &Complete) -> Result<(), Refusal> {
    target::read(complete.target.as_ref())?;
    match &complete.next_task {
        Some(next) => read_uuid(&next.uuid).map(drop),
        None => Ok(()),
    }
}
