//! Expire: the archive forgets what was archived before a time, oldest first.

use super::Outcome;
use super::step::Step;
use super::timeout::DEFAULT_LIMIT;
use crate::proto::durable::Expire;
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, expire: Expire) -> Result<Step, StoreError> {
    let limit = match expire.limit {
        0 => u64::from(DEFAULT_LIMIT),
        limit => u64::from(limit),
    };
    let mut tasks = 0;
    let mut after = None;
    let mut changes = Vec::new();
    let more = loop {
        let next = view.next_bucket(after)?;
        let Some((index, bucket)) = next.filter(|next| next.1.archived_ns < expire.before_ns)
        else {
            break false;
        };
        if tasks >= limit {
            break true;
        }
        tasks += bucket.uuids.len() as u64;
        after = Some(index);
        changes.push(Change::Expire { index, bucket });
    };
    Ok((Outcome::Expired { tasks, more }, changes))
}
