//! A command with a request key: the first answer is remembered, and given again to the same request.

use std::sync::Arc;

use super::step::perform_once;
use super::{Outcome, Refusal, durable};
use crate::proto::durable::{RequestKey, command::Kind};
use crate::store::answer::Answer;
use crate::store::record::Name;
use crate::store::{Change, Changes, StoreError};

pub(super) fn perform(
    store: &mut impl Changes,
    now_ns: i64,
    kind: Option<Kind>,
    key: RequestKey,
) -> Result<Outcome, StoreError> {
    let Ok(digest) = <[u8; 16]>::try_from(&key.request_digest[..]) else {
        return Ok(Outcome::Refused(Refusal::Malformed {
            reason: "its request digest is not 16 bytes long",
        }));
    };
    let request_digest = u128::from_be_bytes(digest);
    let before = store.answer(&key.key)?;
    if let Some(answer) = &before
        && answer.expires_ns > now_ns
    {
        return match answer.request_digest == request_digest {
            true => durable::outcome_from_bytes(&answer.outcome),
            false => Ok(Outcome::Refused(Refusal::KeyReused)),
        };
    }
    let outcome = perform_once(store, now_ns, kind)?;
    if key.skips_empty && outcome.is_empty() {
        return Ok(outcome);
    }
    if let Some(encoded) = durable::outcome_to_bytes(&outcome) {
        let name = Name::from(key.key);
        if let Some(expired) = before {
            store.record(Change::Forget {
                expiry: expired.expiry(&name),
                footprint: expired.footprint(&name),
            })?;
        }
        let answer = Answer {
            request_digest,
            expires_ns: now_ns.saturating_add(key.window_ns),
            outcome: encoded,
        };
        store.record(Change::Remember {
            key: name,
            answer: Arc::new(answer),
        })?;
    }
    Ok(outcome)
}
