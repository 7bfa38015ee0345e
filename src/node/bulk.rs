//! Acts on many tasks: steps in the log, from one task that is meant to the next.

use bytes::Bytes;
use uuid::Uuid;

use super::{Node, NodeError};
use crate::proto::durable::{self, BulkCursor, command::Kind};
use crate::queue::Outcome;
use crate::queue::list::Scope;

/// Tasks that one log entry looks at: bounds how long one entry is applied.
const STEP: u32 = 1000;

impl Node {
    /// Does an act on all live tasks that its filter fits, or on as many as it says.
    ///
    /// Goes on in bounded steps, and answers with the last one's outcome, which counts them all; an
    /// error leaves what the steps before it did, and says so. With a key, the last outcome is
    /// remembered, and any step finds it. Tasks that are not meant cost no step: this node looks
    /// where the next one is that is. It only looks: what is changed is decided in the log's order.
    ///
    /// # Errors
    /// As [`Node::execute`].
    pub async fn bulk(
        &self,
        mut bulk: durable::Bulk,
        key: Option<durable::RequestKey>,
    ) -> Result<Outcome, NodeError> {
        self.read(|_| Ok(())).await?;
        bulk.limit = STEP;
        loop {
            let outcome = self.bulk_step(&mut bulk, key.clone()).await;
            let outcome = outcome.map_err(|error| error.after(bulk.already_changed))?;
            let Outcome::Bulk {
                matched,
                changed,
                after: Some(after),
                is_done: false,
            } = outcome
            else {
                return Ok(outcome);
            };
            bulk.already_matched = matched;
            bulk.already_changed = changed;
            bulk.after = Some(cursor(after.uuid, after.before_seq));
        }
    }

    async fn bulk_step(
        &self,
        bulk: &mut durable::Bulk,
        key: Option<durable::RequestKey>,
    ) -> Result<Outcome, NodeError> {
        bulk.after = self.before_next(bulk).await?;
        self.execute(Kind::Bulk(bulk.clone()), key).await
    }

    /// The place after which the next task comes that is meant; behind all where there is none.
    async fn before_next(&self, bulk: &durable::Bulk) -> Result<Option<BulkCursor>, NodeError> {
        let filter = bulk.filter.clone().unwrap_or_default();
        let before_seq = bulk.after.as_ref().map_or(0, |after| after.before_seq);
        let uuid = bulk
            .after
            .as_ref()
            .map(|after| Uuid::from_slice(&after.uuid));
        let mut after = uuid.and_then(Result::ok);
        loop {
            let piece = self.piece(&filter, Scope::Live, after).await?;
            if !piece.rows.is_empty() {
                return Ok(after.map(|uuid| cursor(uuid, before_seq)));
            }
            after = piece.resume;
            if after.is_none() {
                return Ok(Some(cursor(Uuid::max(), before_seq)));
            }
        }
    }
}

fn cursor(uuid: Uuid, before_seq: u64) -> BulkCursor {
    let uuid = Bytes::copy_from_slice(uuid.as_bytes());
    BulkCursor { uuid, before_seq }
}
