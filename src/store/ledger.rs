//! What every change does to header, counts, documents, figures and the archive's buckets, whatever keeps the rows.

use std::collections::BTreeMap;

use super::controls::Controls;
use super::counts::{Counts, LineCount};
use super::documents::{Documents, FrozenDocuments};
use super::figures::{Figures, FrozenFigures};
use super::record::{Bucket, BucketKey, Header, Name, Position, Task};
use super::view::Result;
use super::{Change, StoreError};

/// Header, counts, documents and figures, kept in step with the rows by a store that passes on what it records.
///
/// A store checks a change against its rows before the ledger absorbs it: the
/// ledger sees only what header and counts can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    header: Header,
    counts: Counts,
    documents: Documents,
    figures: Figures,
    /// What documents say about queues.
    controls: Controls,
    /// What the open entry has archived so far.
    open: Bucket,
    /// The same of queues with a retention of their own.
    open_queues: BTreeMap<Name, Bucket>,
}

impl Ledger {
    /// Goes on from where a checkpoint or snapshot stopped.
    ///
    /// # Errors
    /// If a document can't be decoded.
    pub fn new(
        header: Header,
        counts: Counts,
        documents: Documents,
        figures: Figures,
    ) -> Result<Self> {
        Ok(Self {
            header,
            counts,
            controls: Controls::read(&documents)?,
            documents,
            figures,
            open: Bucket::default(),
            open_queues: BTreeMap::new(),
        })
    }

    /// Clock, next sequence number, totals, hash and position.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Live tasks by queue and state.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// All documents.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// How queues are run.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// The documents that changed since they were last frozen.
    pub fn freeze_documents(&mut self) -> FrozenDocuments {
        self.documents.freeze()
    }

    /// What happened when.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The figures that changed since they were last frozen.
    pub fn freeze_figures(&mut self) -> FrozenFigures {
        self.figures.freeze()
    }

    /// Moves the clock to `max(clock, now_ns)` and returns it.
    pub fn begin_entry(&mut self, now_ns: i64) -> i64 {
        self.header.clock_ns = self.header.clock_ns.max(now_ns);
        self.open = Bucket::default();
        self.open_queues.clear();
        let moved = self.figures.advance(self.header.clock_ns);
        self.add_hash(moved);
        self.header.clock_ns
    }

    /// Moves header and counts as one change asks.
    ///
    /// # Errors
    /// If the change can't follow on what header and counts say.
    pub fn absorb(&mut self, change: &Change) -> Result<()> {
        self.figures.book(change, self.header.clock_ns);
        match change {
            Change::Submit(task) => self.submit(task),
            Change::Replace { before, after } => self.replace(before, after),
            Change::TimeOut { before, after } => {
                self.header.totals.timed_out += 1;
                self.replace(before, after)
            }
            Change::Fail { before, after } => {
                self.header.totals.failed += 1;
                self.replace(before, after)
            }
            Change::Complete { before, after } => {
                self.header.totals.completed += 1;
                self.archive(before, after)
            }
            Change::Cancel { before, after } => {
                self.header.totals.canceled += 1;
                self.archive(before, after)
            }
            Change::Expire { bucket, .. } => {
                self.subtract_hash(bucket.hash_sum);
                Ok(())
            }
            Change::Remember { key, answer } => {
                self.add_hash(answer.footprint(key).hash);
                Ok(())
            }
            Change::Forget { footprint, .. } => {
                self.subtract_hash(footprint.hash);
                Ok(())
            }
            Change::Document { key, before, after } => {
                self.subtract_hash(before.as_ref().map_or(0, |before| key.hash(before)));
                self.add_hash(after.as_ref().map_or(0, |after| key.hash(after)));
                self.documents
                    .change(key, before.as_ref(), after.as_ref())?;
                self.controls.change(key, after.as_ref())
            }
        }
    }

    /// Takes `position` as applied and hands out the entry's buckets with their keys, if it archived anything.
    ///
    /// # Errors
    /// If `position` lies before what is applied already.
    pub fn end_entry(&mut self, position: Position) -> Result<Vec<(BucketKey, Bucket)>> {
        let index = position.index;
        if index < self.header.position.index {
            return Err(damaged(format!(
                "entry {index} comes after entry {}",
                self.header.position.index
            )));
        }
        self.header.position = position;
        let booked = self.figures.end_entry();
        self.add_hash(booked);
        let mut buckets = Vec::new();
        if !self.open.uuids.is_empty() {
            buckets.push((Name::default(), std::mem::take(&mut self.open)));
        }
        buckets.extend(std::mem::take(&mut self.open_queues));
        let archived_ns = self.header.clock_ns;
        let buckets = buckets.into_iter().map(|(queue, bucket)| {
            let bucket = Bucket {
                archived_ns,
                ..bucket
            };
            (BucketKey { queue, index }, bucket)
        });
        Ok(buckets.collect())
    }

    fn submit(&mut self, task: &Task) -> Result<()> {
        if task.seq != self.header.next_seq {
            return Err(damaged(format!(
                "task {} has number {}, due is {}",
                task.uuid, task.seq, self.header.next_seq
            )));
        }
        self.header.next_seq += 1;
        self.header.totals.submitted += 1;
        self.add_hash(task.hash());
        self.counts.count(task);
        Ok(())
    }

    fn replace(&mut self, before: &Task, after: &Task) -> Result<()> {
        check_same(before, after)?;
        self.subtract_hash(before.hash());
        self.add_hash(after.hash());
        let moved = before.current_state != after.current_state || before.group() != after.group();
        if moved || LineCount::of(before) != LineCount::of(after) {
            self.uncount(before)?;
            self.counts.count(after);
        }
        Ok(())
    }

    fn archive(&mut self, before: &Task, after: &Task) -> Result<()> {
        check_same(before, after)?;
        let hash = after.hash();
        self.subtract_hash(before.hash());
        self.add_hash(hash);
        let control = self.controls.of(&after.queue);
        let bucket = match control.is_some_and(|control| control.settings.retention_s > 0) {
            true => self.open_queues.entry(after.queue.clone()).or_default(),
            false => &mut self.open,
        };
        bucket.hash_sum = bucket.hash_sum.wrapping_add(hash);
        bucket.uuids.push(after.uuid);
        self.uncount(before)
    }

    fn uncount(&mut self, task: &Task) -> Result<()> {
        if self.counts.uncount(task) {
            return Ok(());
        }
        Err(damaged(format!(
            "task {} is not counted in its queue and state",
            task.uuid
        )))
    }

    fn add_hash(&mut self, hash: u64) {
        self.header.state_hash = self.header.state_hash.wrapping_add(hash);
    }

    fn subtract_hash(&mut self, hash: u64) {
        self.header.state_hash = self.header.state_hash.wrapping_sub(hash);
    }
}

/// Refuses a change that would turn one task into another.
fn check_same(before: &Task, after: &Task) -> Result<()> {
    let same = before.uuid == after.uuid
        && before.seq == after.seq
        && before.queue == after.queue
        && before.unique_key() == after.unique_key();
    if same {
        return Ok(());
    }
    Err(damaged(format!(
        "task {} would turn into task {}",
        before.uuid, after.uuid
    )))
}

fn damaged(detail: String) -> StoreError {
    StoreError::damaged("the state", detail)
}
