//! Forget: remembered answers go once their time is over, in the order of their times.

use super::Outcome;
use super::step::{Step, limit};
use crate::proto::durable::Forget;
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, now_ns: i64, forget: Forget) -> Result<Step, StoreError> {
    let limit = limit(forget.limit);
    let mut after = None;
    let mut changes = Vec::new();
    let more = loop {
        let next = view.next_expiring_answer(after.as_ref())?;
        let Some((expiry, footprint)) = next.filter(|next| next.0.expires_ns <= now_ns) else {
            break false;
        };
        if changes.len() >= limit {
            break true;
        }
        after = Some(expiry.clone());
        changes.push(Change::Forget { expiry, footprint });
    };
    let answers = changes.len() as u64;
    Ok((Outcome::Forgotten { answers, more }, changes))
}
