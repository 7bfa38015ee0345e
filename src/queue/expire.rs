//! Expire: the archive forgets what was archived before a time, oldest first: of one queue with a retention of its
//! own, or of all others.

use super::Outcome;
use super::step::{Step, limit};
use crate::proto::durable::Expire;
use crate::store::record::{Bucket, BucketKey};
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, expire: Expire) -> Result<Step, StoreError> {
    let limit = limit(expire.limit);
    let mut tasks = 0u64;
    let queue = expire.queue.as_str();
    // No task ends in the first entry of a log: all of a queue's buckets come behind this.
    let mut after = (!queue.is_empty()).then(|| BucketKey {
        queue: queue.into(),
        index: 0,
    });
    let mut changes = Vec::new();
    let more = loop {
        let next = view.next_bucket(after.as_ref())?;
        let is_due = |(key, bucket): &(BucketKey, Bucket)| {
            *key.queue == *queue && bucket.archived_ns < expire.before_ns
        };
        let Some((key, bucket)) = next.filter(is_due) else {
            break false;
        };
        if tasks >= limit as u64 {
            break true;
        }
        tasks += bucket.uuids.len() as u64;
        after = Some(key.clone());
        changes.push(Change::Expire { key, bucket });
    };
    Ok((Outcome::Expired { tasks, more }, changes))
}
