//! One command: what it comes to, and what it changes.

use bytes::Bytes;
use uuid::Uuid;

use super::{
    Outcome, Refusal, bulk, cancel, claim, claim_tasks, complete, complete_tasks, expire, extend,
    fail, forget, regroup, remember, ripen, schedule, set_queue, submit, submit_tasks, timeout,
    update,
};
use crate::proto::durable::{Command, command::Kind};
use crate::store::{Change, Changes, StoreError};

/// How many rows a step looks at where the command does not say.
const DEFAULT_LIMIT: usize = 1000;

/// What a command comes to, and the changes that make it so, in order.
pub type Step = (Outcome, Vec<Change>);

/// Does one command. Its changes are decided against the state, then recorded; a batch whose
/// items see the changes of those before them does so item by item.
///
/// `now_ns` is the replicated clock. Nothing a command holds makes it fail:
/// what can't be read is refused as [`Refusal::Malformed`].
///
/// # Errors
/// If the store can't read what it holds, or a change does not follow on it.
pub fn perform(
    store: &mut impl Changes,
    now_ns: i64,
    command: Command,
) -> Result<Outcome, StoreError> {
    match command.key {
        None => perform_once(store, now_ns, command.kind),
        Some(key) => remember::perform(store, now_ns, command.kind, key),
    }
}

/// Does a command, whether its answer is remembered or not.
pub(super) fn perform_once(
    store: &mut impl Changes,
    now_ns: i64,
    kind: Option<Kind>,
) -> Result<Outcome, StoreError> {
    let view = &*store;
    let step = match kind {
        Some(Kind::Submit(submit)) => submit::step(view, now_ns, submit),
        Some(Kind::Claim(claim)) => claim::step(view, now_ns, claim),
        Some(Kind::Update(update)) => update::step(view, now_ns, update),
        Some(Kind::Complete(complete)) => complete::step(view, now_ns, complete),
        Some(Kind::Cancel(cancel)) => cancel::step(view, now_ns, cancel),
        Some(Kind::TimeOut(time_out)) => timeout::step(view, now_ns, time_out),
        Some(Kind::Expire(expire)) => expire::step(view, expire),
        Some(Kind::Extend(extend)) => extend::step(view, now_ns, extend),
        Some(Kind::SubmitTasks(batch)) => submit_tasks::step(view, now_ns, batch),
        Some(Kind::ClaimTasks(batch)) => return claim_tasks::perform(store, now_ns, batch),
        Some(Kind::CompleteTasks(batch)) => return complete_tasks::perform(store, now_ns, batch),
        Some(Kind::Ripen(ripen)) => ripen::step(view, now_ns, ripen),
        Some(Kind::Fail(fail)) => fail::step(view, now_ns, fail),
        Some(Kind::PutSchedule(put)) => schedule::put(view, now_ns, put),
        Some(Kind::DeleteSchedule(delete)) => schedule::delete(view, delete),
        Some(Kind::Tick(tick)) => schedule::tick(view, now_ns, tick),
        Some(Kind::RunSchedule(run)) => schedule::run(view, now_ns, run),
        Some(Kind::Forget(forget)) => forget::step(view, now_ns, forget),
        Some(Kind::Bulk(bulk)) => bulk::step(view, now_ns, bulk),
        Some(Kind::SetQueue(set)) => set_queue::step(view, now_ns, set),
        Some(Kind::Regroup(regroup)) => regroup::step(view, regroup),
        None => Ok(refused(Refusal::Malformed {
            reason: "it is of a kind that this version does not know",
        })),
    };
    let (outcome, changes) = step?;
    record_all(store, changes)?;
    Ok(outcome)
}

/// Makes changes visible, in order.
pub(super) fn record_all(store: &mut impl Changes, changes: Vec<Change>) -> Result<(), StoreError> {
    changes
        .into_iter()
        .try_for_each(|change| store.record(change))
}

/// How many rows a step looks at: as many as its command says, or so many that nothing else waits long.
pub(super) fn limit(given: u32) -> usize {
    match given {
        0 => DEFAULT_LIMIT,
        given => given as usize,
    }
}

/// The step that changes nothing and says why.
pub(super) fn refused(refusal: Refusal) -> Step {
    (Outcome::Refused(refusal), Vec::new())
}

/// A uuid as commands hold it.
pub(super) fn read_uuid(bytes: &Bytes) -> Result<Uuid, Refusal> {
    Uuid::from_slice(bytes).map_err(|_| Refusal::Malformed {
        reason: "its uuid is not 16 bytes long",
    })
}
