//! A command with a request key: the first answer is remembered, and given again to the same request.

use std::sync::Arc;

use super::step::{Step, decide, refused};
use super::{Outcome, Refusal, durable};
use crate::proto::durable::{RequestKey, command::Kind};
use crate::store::answer::Answer;
use crate::store::record::Name;
use crate::store::{Change, StoreError, View};

pub(super) fn step(
    view: &impl View,
    now_ns: i64,
    kind: Option<Kind>,
    key: RequestKey,
) -> Result<Step, StoreError> {
    let Ok(digest) = <[u8; 16]>::try_from(&key.request_digest[..]) else {
        return Ok(refused(Refusal::Malformed {
            reason: "its request digest is not 16 bytes long",
        }));
    };
    let request_digest = u128::from_be_bytes(digest);
    let before = view.answer(&key.key)?;
    if let Some(answer) = &before
        && answer.expires_ns > now_ns
    {
        return match answer.request_digest == request_digest {
            true => Ok((durable::outcome_from_bytes(&answer.outcome)?, Vec::new())),
            false => Ok(refused(Refusal::KeyReused)),
        };
    }
    let (outcome, mut changes) = decide(view, now_ns, kind)?;
    if key.skips_empty && is_empty(&outcome) {
        return Ok((outcome, changes));
    }
    if let Some(encoded) = durable::outcome_to_bytes(&outcome) {
        let name = Name::from(key.key);
        changes.extend(before.map(|expired| Change::Forget {
            expiry: expired.expiry(&name),
            footprint: expired.footprint(&name),
        }));
        let answer = Answer {
            request_digest,
            expires_ns: now_ns.saturating_add(key.window_ns),
            outcome: encoded,
        };
        changes.push(Change::Remember {
            key: name,
            answer: Arc::new(answer),
        });
    }
    Ok((outcome, changes))
}

/// Whether there was nothing to hand out: a call that waits goes on waiting.
fn is_empty(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Task(None))
}
