//! One command against the state: what it comes to, and what it changes.

use bytes::Bytes;
use uuid::Uuid;

use super::{
    Outcome, Refusal, cancel, claim, complete, expire, forget, remember, submit, timeout, update,
};
use crate::proto::durable::{Command, command::Kind};
use crate::store::{Change, StoreError, View};

/// What a command comes to, and the changes that make it so, in order.
pub type Step = (Outcome, Vec<Change>);

/// Decides one command; changes nothing.
///
/// `now_ns` is the replicated clock. Nothing a command holds makes it fail:
/// what can't be read is refused as [`Refusal::Malformed`].
///
/// # Errors
/// If the view can't answer.
pub fn step(view: &impl View, now_ns: i64, command: Command) -> Result<Step, StoreError> {
    match command.key {
        None => decide(view, now_ns, command.kind),
        Some(key) => remember::step(view, now_ns, command.kind, key),
    }
}

/// Decides a command, whether its answer is remembered or not.
pub(super) fn decide(
    view: &impl View,
    now_ns: i64,
    kind: Option<Kind>,
) -> Result<Step, StoreError> {
    match kind {
        Some(Kind::Submit(submit)) => submit::step(view, now_ns, submit),
        Some(Kind::Claim(claim)) => claim::step(view, now_ns, claim),
        Some(Kind::Update(update)) => update::step(view, now_ns, update),
        Some(Kind::Complete(complete)) => complete::step(view, now_ns, complete),
        Some(Kind::Cancel(cancel)) => cancel::step(view, now_ns, cancel),
        Some(Kind::TimeOut(time_out)) => timeout::step(view, now_ns, time_out),
        Some(Kind::Expire(expire)) => expire::step(view, expire),
        Some(Kind::Forget(forget)) => forget::step(view, now_ns, forget),
        Some(
            Kind::Extend(_)
            | Kind::SubmitTasks(_)
            | Kind::ClaimTasks(_)
            | Kind::CompleteTasks(_)
            | Kind::Ripen(_),
        )
        | None => Ok(refused(Refusal::Malformed {
            reason: "it is of a kind that this version does not know",
        })),
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
