//! What the pure machine reads and writes: the state, behind two traits.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::StoreError;
use super::answer::{Answer, Expiry, Footprint};
use super::controls::Controls;
use super::counts::Counts;
use super::documents::{DocumentKey, Documents};
use super::figures::Figures;
use super::record::{Bucket, BucketKey, Deadline, Header, Name, Place, Ripening, Task};

/// Answers of a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Tasks in the order of their uuids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskPage {
    /// The tasks.
    pub tasks: Vec<Arc<Task>>,
    /// All tasks up to this uuid were looked at; none if no more are left.
    pub resume: Option<Uuid>,
}

/// The state as of the last recorded change.
///
/// Implemented in memory ([`super::memory::MemoryStore`], for tests and as the
/// plain statement of what is meant) and over the checkpoint ([`super::Store`]).
/// One suite holds for both.
pub trait View {
    /// The live task of that uuid.
    fn live(&self, uuid: Uuid) -> Result<Option<Arc<Task>>>;

    /// The archived task of that uuid, without its payload.
    fn archived(&self, uuid: Uuid) -> Result<Option<Arc<Task>>>;

    /// The live tasks whose uuids come after `after`, or from the first one on.
    ///
    /// Takes up to about `limit` rows and some memory: a page may be empty with more to come. How
    /// much is on a page depends on how the rows are kept, and may differ from node to node.
    fn live_after(&self, after: Option<Uuid>, limit: usize) -> Result<TaskPage>;

    /// The same of archived tasks.
    fn archived_after(&self, after: Option<Uuid>, limit: usize) -> Result<TaskPage>;

    /// The live task that comes next after a uuid in the order of uuids, or first.
    fn next_live(&self, mut after: Option<Uuid>) -> Result<Option<Arc<Task>>> {
        loop {
            let page = self.live_after(after, 1)?;
            if let Some(task) = page.tasks.into_iter().next() {
                return Ok(Some(task));
            }
            after = page.resume;
            if after.is_none() {
                return Ok(None);
            }
        }
    }

    /// The live task that can be claimed first in that queue and state. Tasks of groups of which workers hold
    /// as many as the queue's settings allow are passed over, here and below.
    fn first_ready(&self, queue: &str, state: &str) -> Result<Option<Arc<Task>>>;

    /// The live task of that queue and state that comes next after a place.
    fn next_ready(&self, queue: &str, state: &str, after: Place) -> Result<Option<Arc<Task>>>;

    /// The live task of that queue and state that stands first, or next after a place, whether or not its group
    /// is at its limit.
    fn next_standing(
        &self,
        queue: &str,
        state: &str,
        after: Option<Place>,
    ) -> Result<Option<Arc<Task>>>;

    /// About how many tasks of that queue and state can be claimed, if no group may have more in flight than the
    /// queue's settings allow: never fewer than can be, and 0 only where none can.
    fn open(&self, queue: &str, state: &str) -> u64;

    /// The live task whose deadline comes next after `after`, or the first one.
    fn next_deadline(&self, after: Option<Deadline>) -> Result<Option<(Deadline, Uuid)>>;

    /// The delayed task that becomes claimable next after `after`, or the first one.
    fn next_delayed(&self, after: Option<Ripening>) -> Result<Option<(Ripening, Uuid)>>;

    /// The live task of that queue that holds that unique key.
    fn unique(&self, queue: &str, key: &str) -> Result<Option<Uuid>>;

    /// The bucket of the archive that comes next after `after`, or first: by queue, then the oldest first.
    fn next_bucket(&self, after: Option<&BucketKey>) -> Result<Option<(BucketKey, Bucket)>>;

    /// The answer that is remembered under that request key, expired or not.
    fn answer(&self, key: &str) -> Result<Option<Arc<Answer>>>;

    /// The remembered answer that is forgotten next after `after`, or first.
    fn next_expiring_answer(&self, after: Option<&Expiry>) -> Result<Option<(Expiry, Footprint)>>;

    /// All documents.
    fn documents(&self) -> &Documents;

    /// What happened when, by queue, state and worker.
    fn figures(&self) -> &Figures;

    /// Live tasks by queue and state.
    fn counts(&self) -> &Counts;

    /// How queues are run.
    fn controls(&self) -> &Controls;

    /// How many live tasks of that queue no worker holds.
    fn waiting(&self, queue: &str) -> u64 {
        let queue = self.counts().queue(queue);
        queue.map_or(0, |queue| queue.total.saturating_sub(queue.in_flight))
    }

    /// How many tasks stand in that queue and state: the live ones but for the delayed. What the queue's
    /// settings let through is not looked at.
    fn claimable(&self, queue: &str, state: &str) -> u64 {
        self.counts().claimable(queue, state)
    }

    /// Clock, next sequence number, totals, hash and position.
    fn header(&self) -> &Header;
}

/// One change of the state; the store keeps rows, indexes, counts, totals and hash in step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new live task. Its `seq` is the header's `next_seq`, which goes up by one.
    Submit(Arc<Task>),
    /// A live task got new fields: a claim, an update, or it became claimable.
    Replace {
        /// The row as the view gave it.
        before: Arc<Task>,
        /// The row that takes its place.
        after: Arc<Task>,
    },
    /// A live task timed out.
    TimeOut {
        /// The row as the view gave it.
        before: Arc<Task>,
        /// The row that takes its place.
        after: Arc<Task>,
    },
    /// A worker gave a live task back as failed.
    Fail {
        /// The row as the view gave it.
        before: Arc<Task>,
        /// The row that takes its place.
        after: Arc<Task>,
    },
    /// A live task ended as completed and goes to the archive.
    Complete {
        /// The row as the view gave it.
        before: Arc<Task>,
        /// The archived row, without payload.
        after: Arc<Task>,
    },
    /// A live task ended as canceled and goes to the archive.
    Cancel {
        /// The row as the view gave it.
        before: Arc<Task>,
        /// The archived row, without payload.
        after: Arc<Task>,
    },
    /// A bucket of the archive is forgotten, with all its tasks.
    Expire {
        /// Which one.
        key: BucketKey,
        /// The bucket as the view gave it.
        bucket: Bucket,
    },
    /// An answer is remembered under a key that holds none.
    Remember {
        /// The request key.
        key: Name,
        /// The answer.
        answer: Arc<Answer>,
    },
    /// A remembered answer is forgotten.
    Forget {
        /// Which one.
        expiry: Expiry,
        /// Its footprint as the view gave it.
        footprint: Footprint,
    },
    /// A document is put in, gets another value, or is taken away.
    Document {
        /// Which one.
        key: DocumentKey,
        /// Its value as the view gave it; none if it was not there.
        before: Option<Bytes>,
        /// Its value from now on; none takes it away.
        after: Option<Bytes>,
    },
}

impl Change {
    /// The live row that it takes away, and the one that it brings. Whoever keeps something in step with live
    /// tasks looks here, and so misses no kind of change.
    pub fn live_rows(&self) -> (Option<&Arc<Task>>, Option<&Arc<Task>>) {
        match self {
            Self::Submit(task) => (None, Some(task)),
            Self::Replace { before, after }
            | Self::TimeOut { before, after }
            | Self::Fail { before, after } => (Some(before), Some(after)),
            Self::Complete { before, .. } | Self::Cancel { before, .. } => (Some(before), None),
            Self::Expire { .. }
            | Self::Remember { .. }
            | Self::Forget { .. }
            | Self::Document { .. } => (None, None),
        }
    }
}

/// A view that takes changes.
///
/// Entries come whole: [`Changes::begin_entry`], any number of
/// [`Changes::record`], [`Changes::end_entry`].
pub trait Changes: View {
    /// Moves the clock to `max(clock, now_ns)` and returns it.
    fn begin_entry(&mut self, now_ns: i64) -> i64;

    /// Makes one change visible to the view.
    ///
    /// # Errors
    /// If what is stored can't be read; the node must stop then.
    fn record(&mut self, change: Change) -> Result<()>;

    /// Closes an entry: its archived tasks become one bucket, `position` is what is applied.
    ///
    /// # Errors
    /// If what is stored can't be read; the node must stop then.
    fn end_entry(&mut self, position: super::record::Position) -> Result<()>;
}
