//! The state: recent changes in memory over the checkpoint.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::answer::{Answer, Expiry, Footprint};
use super::awaited::{Awaited, Wait};
use super::controls::Controls;
use super::delayed::Delayed;
use super::disk::{Disk, Rows};
use super::documents::Documents;
use super::figures::Figures;
use super::frozen::Frozen;
use super::groups::line_name;
use super::hashes::{HashAt, Hashes};
use super::heads::Heads;
use super::keys::{Answers, Archive, Buckets, Expiries, Live, StoredHeader, Unique};
use super::layered::{Base, Layered};
use super::lines::Lines;
use super::packed::Packed;
use super::ready::News;
use super::record::{Bucket, BucketKey, Deadline, Header, Name, Place, Ripening, Task};
use super::remembered::ANSWER_BYTES;
use super::view::Result;
use super::{Ledger, StoreError, TaskPage, View, counts::Counts};

/// About what the parts of an overlay cost in memory.
const LIVE_BYTES: usize = 450;
const ARCHIVED_BYTES: usize = 400;
const INDEX_BYTES: usize = 90;
/// About what a task takes on disk, with its index keys, and an archived one.
pub(super) const HELD_LIVE: u64 = 300;
pub(super) const HELD_ARCHIVED: u64 = 250;

/// About how many bytes of rows a scan reads of the checkpoint at once: payloads can be large.
const PAGE_BYTES: usize = 1 << 20;

/// The state behind [`super::Store::lock`].
#[derive(Debug)]
pub struct State {
    pub(super) ledger: Ledger,
    pub(super) live: Layered<Uuid, Arc<Task>>,
    pub(super) lines: Lines,
    /// Who stands first of each group.
    pub(super) heads: Heads,
    pub(super) deadlines: Layered<Deadline, Uuid>,
    pub(super) delayed: Delayed,
    /// By queue and unique key.
    pub(super) unique: Layered<(Name, Name), Uuid>,
    pub(super) archive: Layered<Uuid, Arc<Task>>,
    pub(super) buckets: Layered<BucketKey, Bucket>,
    pub(super) answers: Layered<Name, Arc<Answer>>,
    pub(super) expiries: Layered<Expiry, Footprint>,
    pub(super) awaited: Awaited,
    disk: Option<Arc<Disk>>,
    /// The row that was last read from the base: most changes name it.
    pub(super) last_read: RefCell<Option<Arc<Task>>>,
    /// What the rows of the active overlays hold besides fixed fields.
    pub(super) loose_bytes: usize,
    pub(super) held_bytes: u64,
    pub(super) in_entry: bool,
    /// The header that is in the checkpoint, or on its way there.
    frozen_header: Header,
    frozen: bool,
    /// Counts the states that took this one's place.
    pub(super) epoch: u64,
    /// At some of the indexes that it went through; a state that takes this one's place begins anew.
    pub(super) hashes: Hashes,
    /// When the first change after the last freeze was noticed.
    pub(super) dirty_since: Option<Duration>,
}

impl State {
    pub(super) fn new(disk: Arc<Disk>, epoch: u64) -> Result<Self> {
        let StoredHeader { header, held_bytes } = disk.header()?;
        let ledger = Ledger::new(
            header.clone(),
            disk.counts()?,
            disk.documents()?,
            disk.figures(header.clock_ns)?,
        )?;
        let mut state = Self {
            ledger,
            live: Layered::default(),
            lines: Lines::default(),
            heads: Heads::default(),
            deadlines: Layered::default(),
            delayed: Delayed::default(),
            unique: Layered::default(),
            archive: Layered::default(),
            buckets: Layered::default(),
            answers: Layered::default(),
            expiries: Layered::default(),
            awaited: Awaited::default(),
            disk: Some(disk),
            last_read: RefCell::default(),
            loose_bytes: 0,
            held_bytes,
            in_entry: false,
            frozen_header: header,
            frozen: false,
            epoch,
            hashes: Hashes::default(),
            dirty_since: None,
        };
        state.heads = state.find_heads()?;
        Ok(state)
    }

    /// About how much memory the changes since the last freeze take.
    pub fn active_bytes(&self) -> usize {
        let index = self.lines.active_keys()
            + self.deadlines.active().len()
            + self.delayed.active_keys()
            + self.unique.active().len();
        let gone = self.live.active().len() - self.live.active().put_count();
        let answers = self.answers.active();
        let forgotten = answers.len() - answers.put_count();
        self.live.active().put_count() * LIVE_BYTES
            + answers.put_count() * ANSWER_BYTES
            + self.archive.active().len() * ARCHIVED_BYTES
            + (index + gone + 2 * forgotten) * INDEX_BYTES
            + self.loose_bytes
    }

    /// How many tasks changed since the last freeze.
    pub fn active_tasks(&self) -> usize {
        self.live.active().len().max(self.archive.active().len())
    }

    /// The state hash at some log indexes, the last applied one among them.
    pub fn hashes(&self) -> Vec<HashAt> {
        let header = self.header();
        let now = HashAt {
            index: header.position.index,
            hash: header.state_hash,
        };
        // Index 0 stands for the first entry and for none.
        let now = Some(now).filter(|now| now.index > 0 && !self.in_entry);
        self.hashes.iter().chain(now).collect()
    }

    /// From now on it is noted which queues and states tasks come into, or not. A state that takes
    /// this one's place begins without.
    pub fn watch_ready(&mut self, is_watched: bool) {
        self.lines.ready().watch(is_watched);
    }

    /// The queues and states that tasks came into, and the queues that let more claims through, since the last time.
    pub fn take_ready(&mut self) -> News {
        self.lines.ready().take()
    }

    /// Waits for the answer that will be remembered under that key.
    pub fn await_answer(&mut self, key: &str) -> Wait {
        self.awaited.wait(key)
    }

    /// Whether anything changed since the last freeze.
    pub(super) fn is_dirty(&self) -> bool {
        self.header() != &self.frozen_header
    }

    /// Whether frozen changes are under way to the checkpoint.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Whether a freeze is possible now: between entries, and with no frozen changes under way.
    pub(super) fn can_freeze(&self) -> bool {
        !self.frozen && !self.in_entry && self.disk.is_some()
    }

    pub(super) fn freeze(&mut self) -> Frozen {
        self.frozen = true;
        self.frozen_header = self.header().clone();
        self.dirty_since = None;
        self.loose_bytes = 0;
        Frozen {
            epoch: self.epoch,
            header: StoredHeader {
                header: self.header().clone(),
                held_bytes: self.held_bytes,
            },
            live: self.live.freeze(),
            lines: self.lines.freeze(self.ledger.counts()),
            deadlines: self.deadlines.freeze(),
            delayed: self.delayed.freeze(self.ledger.counts()),
            unique: self.unique.freeze(),
            archive: self.archive.freeze(),
            buckets: self.buckets.freeze(),
            answers: self.answers.freeze(),
            expiries: self.expiries.freeze(),
            documents: self.ledger.freeze_documents(),
            figures: self.ledger.freeze_figures(),
        }
    }

    /// What was frozen is in the base now.
    pub(super) fn finish(&mut self) {
        self.frozen = false;
        self.last_read.replace(None);
        self.live.finish();
        self.lines.finish();
        self.deadlines.finish();
        self.delayed.finish();
        self.unique.finish();
        self.archive.finish();
        self.buckets.finish();
        self.answers.finish();
        self.expiries.finish();
    }

    /// Lets go of the checkpoint; nothing can be read any more.
    pub(super) fn close(&mut self) {
        self.disk = None;
    }

    pub(super) fn disk(&self) -> Result<&Disk> {
        let closed = || StoreError::Checkpoint("it is being replaced".to_owned());
        self.disk.as_deref().ok_or_else(closed)
    }
}

impl State {
    /// The row of a task that stands in a line.
    fn ready(&self, queue: &str, state: &str, uuid: Uuid) -> Result<Arc<Task>> {
        self.live(uuid)?.ok_or_else(|| bad_line(queue, state))
    }
}

/// Who stands in a line, but for tasks of groups that have `limit` tasks in flight.
impl State {
    fn first_within(&self, queue: &str, state: &str, limit: u64) -> Result<Option<Arc<Task>>> {
        let claimable = self.claimable(queue, state);
        if claimable == 0 {
            return Ok(None);
        }
        let in_groups = self.counts().groups().claimable(queue, state);
        let mut first = None;
        if claimable > in_groups {
            let plain = self.lines.first(queue, state, self.disk()?)?;
            first = Some(plain.ok_or_else(|| bad_line(queue, state))?);
        }
        if in_groups > 0 {
            first = earlier(first, self.heads.first(queue, state, limit));
        }
        first
            .map(|(_, uuid)| self.ready(queue, state, uuid))
            .transpose()
    }

    fn next_within(
        &self,
        queue: &str,
        state: &str,
        after: Place,
        limit: u64,
    ) -> Result<Option<Arc<Task>>> {
        if self.claimable(queue, state) == 0 {
            return Ok(None);
        }
        let mut next = self.lines.next(queue, state, Some(&after), self.disk()?)?;
        if self.counts().groups().claimable(queue, state) > 0 {
            next = earlier(next, self.heads.first_after(queue, state, limit, after));
            // Those whose first task stands before: it was claimed, and stayed in its state.
            for group in self.heads.groups_upto(queue, state, limit, after) {
                let line = line_name(&state.into(), group);
                let behind = self.lines.next(queue, &line, Some(&after), self.disk()?)?;
                next = earlier(next, behind);
            }
        }
        next.map(|(_, uuid)| self.ready(queue, state, uuid))
            .transpose()
    }
}

fn page(
    tasks: &Layered<Uuid, Arc<Task>>,
    after: Option<Uuid>,
    limit: usize,
    base: &impl Base<Uuid, Arc<Task>>,
) -> Result<TaskPage> {
    let part = tasks.scan(after.as_ref(), limit, PAGE_BYTES, base)?;
    Ok(TaskPage {
        tasks: part.rows.into_iter().map(|(_, task)| task).collect(),
        resume: part.resume,
    })
}

/// Who stands before the other one.
fn earlier(a: Option<(Place, Uuid)>, b: Option<(Place, Uuid)>) -> Option<(Place, Uuid)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.0 < b.0 { a } else { b }),
        (a, b) => a.or(b),
    }
}

fn bad_line(queue: &str, state: &str) -> StoreError {
    StoreError::damaged(
        "ready index",
        format!("{queue:?}, {state:?} does not match its rows"),
    )
}

impl View for State {
    fn live(&self, uuid: Uuid) -> Result<Option<Arc<Task>>> {
        if let Some(row) = self.live.recent(&uuid) {
            return Ok(row.cloned());
        }
        if let Some(row) = self.last_read.borrow().as_ref()
            && row.uuid == uuid
        {
            return Ok(Some(row.clone()));
        }
        let row = self.disk()?.get::<Live>(&uuid)?;
        if row.is_some() {
            self.last_read.replace(row.clone());
        }
        Ok(row)
    }

    fn archived(&self, uuid: Uuid) -> Result<Option<Arc<Task>>> {
        self.archive.get(&uuid, &Rows::<Archive>::of(self.disk()?))
    }

    fn live_after(&self, after: Option<Uuid>, limit: usize) -> Result<TaskPage> {
        let rows = Rows::<Live>::of(self.disk()?);
        page(&self.live, after, limit, &rows)
    }

    fn archived_after(&self, after: Option<Uuid>, limit: usize) -> Result<TaskPage> {
        let rows = Rows::<Archive>::of(self.disk()?);
        page(&self.archive, after, limit, &rows)
    }

    fn first_ready(&self, queue: &str, state: &str) -> Result<Option<Arc<Task>>> {
        self.first_within(queue, state, self.controls().group_limit(queue))
    }

    fn next_ready(&self, queue: &str, state: &str, after: Place) -> Result<Option<Arc<Task>>> {
        self.next_within(queue, state, after, self.controls().group_limit(queue))
    }

    fn next_standing(
        &self,
        queue: &str,
        state: &str,
        after: Option<Place>,
    ) -> Result<Option<Arc<Task>>> {
        match after {
            None => self.first_within(queue, state, u64::MAX),
            Some(after) => self.next_within(queue, state, after, u64::MAX),
        }
    }

    fn open(&self, queue: &str, state: &str) -> u64 {
        let claimable = self.claimable(queue, state);
        match self.counts().groups().claimable(queue, state) {
            0 => claimable,
            in_groups => {
                let limit = self.controls().group_limit(queue);
                let open = self.heads.claimable(queue, state, limit);
                claimable.saturating_sub(in_groups) + open
            }
        }
    }

    fn next_deadline(&self, after: Option<Deadline>) -> Result<Option<(Deadline, Uuid)>> {
        self.deadlines
            .next(after.as_ref(), &Packed::all(self.disk()?))
    }

    fn next_delayed(&self, after: Option<Ripening>) -> Result<Option<(Ripening, Uuid)>> {
        self.delayed.next(after.as_ref(), self.disk()?)
    }

    fn unique(&self, queue: &str, key: &str) -> Result<Option<Uuid>> {
        let key = (queue.into(), key.into());
        self.unique.get(&key, &Rows::<Unique>::of(self.disk()?))
    }

    fn next_bucket(&self, after: Option<&BucketKey>) -> Result<Option<(BucketKey, Bucket)>> {
        self.buckets.next(after, &Rows::<Buckets>::of(self.disk()?))
    }

    fn answer(&self, key: &str) -> Result<Option<Arc<Answer>>> {
        let key = Name::from(key);
        self.answers.get(&key, &Rows::<Answers>::of(self.disk()?))
    }

    fn next_expiring_answer(&self, after: Option<&Expiry>) -> Result<Option<(Expiry, Footprint)>> {
        self.expiries
            .next(after, &Rows::<Expiries>::of(self.disk()?))
    }

    fn documents(&self) -> &Documents {
        self.ledger.documents()
    }

    fn figures(&self) -> &Figures {
        self.ledger.figures()
    }

    fn controls(&self) -> &Controls {
        self.ledger.controls()
    }

    fn counts(&self) -> &Counts {
        self.ledger.counts()
    }

    fn header(&self) -> &Header {
        self.ledger.header()
    }
}
