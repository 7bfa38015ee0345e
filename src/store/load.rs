//! From a snapshot to a new checkpoint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::answer::Answer;
use super::counts::Counts;
use super::disk::Disk;
use super::durable::Record;
use super::groups::line_name;
use super::keys::{
    Answers, Archive, Buckets, DocumentRows, Expiries, FigureRows, Head, Keyspace, LineCounts,
    Live, StoredHeader, Tree, Unique, ready,
};
use super::pace::{Pace, Report};
use super::packed::Packed;
use super::record::{Deadline, Name, Place, Ripening, Task};
use super::redo;
use super::remembered::HELD_ANSWER;
use super::snapshot::read_snapshot;
use super::state::{HELD_ARCHIVED, HELD_LIVE};
use super::sum::Sum;
use super::view::Result;

/// So many tasks' index entries are gathered in memory; sorted, they fill chunks.
const INDEX_ENTRIES: usize = 50_000;

/// Writes the rows of a snapshot and their indexes in pieces.
#[derive(Debug)]
pub struct Loader<'a> {
    disk: &'a Disk,
    pieces: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
    bytes: usize,
    /// Index entries that are not written yet: they are sorted before they are packed.
    lines: BTreeMap<Vec<u8>, BTreeMap<Place, Uuid>>,
    deadlines: BTreeMap<Deadline, Uuid>,
    delayed: BTreeMap<Ripening, Uuid>,
    index_entries: usize,
    counts: Counts,
    sum: Sum,
    held: u64,
}

impl<'a> Loader<'a> {
    /// Fills an empty checkpoint.
    pub fn new(disk: &'a Disk) -> Self {
        Self {
            disk,
            pieces: Tree::ALL.map(|_| Vec::new()).into(),
            bytes: 0,
            lines: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            delayed: BTreeMap::new(),
            index_entries: 0,
            counts: Counts::default(),
            sum: Sum::default(),
            held: 0,
        }
    }

    /// Writes all that the snapshot holds.
    ///
    /// # Errors
    /// If the snapshot is damaged, or something can't be read or written.
    pub fn load(mut self, path: &Path, report: &Report) -> Result<()> {
        let mut reader = read_snapshot(path)?;
        let all = reader.left();
        let mut pace = Pace::new("building the checkpoint", all, report.clone());
        while let Some(record) = reader.next() {
            pace.at(all - reader.left());
            self.add(record?)?;
        }
        let header = reader.header().clone();
        let whole = self.sum.check(header.state_hash);
        whole.map_err(|why| reader.damaged(why))?;
        let counts = std::mem::take(&mut self.counts);
        for (queue, states) in counts.queues() {
            for (state, count) in &states.states {
                self.put::<LineCounts>(&(queue.clone(), state.clone()), count)?;
            }
        }
        for (queue, groups) in counts.groups().queues() {
            for (state, group, count) in groups.lines() {
                self.put::<LineCounts>(&(queue.clone(), line_name(state, group)), &count)?;
            }
        }
        let held_bytes = self.held;
        self.write_indexes()?;
        self.put::<Head>(&(), &StoredHeader { header, held_bytes })?;
        self.write()
    }

    fn add(&mut self, record: Record) -> Result<()> {
        self.sum.add(&record);
        match record {
            Record::Live(task) => self.add_live(&task),
            Record::Archived(task) => {
                self.held += HELD_ARCHIVED;
                self.put::<Archive>(&task.uuid, &task)
            }
            Record::Bucket(key, bucket) => self.put::<Buckets>(&key, &bucket),
            Record::Answer(key, answer) => self.add_answer(&key, &answer),
            Record::Figure(key, cell) => self.put::<FigureRows>(&key, &cell),
            Record::Document(key, value) => self.put::<DocumentRows>(&key, &value),
        }
    }

    fn add_answer(&mut self, key: &Name, answer: &Arc<Answer>) -> Result<()> {
        let footprint = answer.footprint(key);
        self.held += HELD_ANSWER + footprint.outcome_bytes;
        self.put::<Expiries>(&answer.expiry(key), &footprint)?;
        self.put::<Answers>(key, answer)
    }

    fn add_live(&mut self, task: &Arc<Task>) -> Result<()> {
        self.held += HELD_LIVE + task.loose_bytes() as u64;
        let (queue, state): (&Name, &Name) = (&task.queue, &task.current_state);
        self.counts.count(task);
        if let Some(ripening) = task.ripening() {
            self.delayed.insert(ripening, task.uuid);
        } else {
            let prefix = match task.group() {
                None => ready::prefix(queue, state),
                Some(group) => ready::prefix(queue, &line_name(state, group)),
            };
            let line = self.lines.entry(prefix).or_default();
            line.insert(task.place(), task.uuid);
        }
        if let Some(key) = task.unique_key() {
            let key = (queue.clone(), key.clone());
            self.put::<Unique>(&key, &task.uuid)?;
        }
        if let Some(deadline) = task.deadline() {
            self.deadlines.insert(deadline, task.uuid);
        }
        self.index_entries += 1;
        if self.index_entries >= INDEX_ENTRIES {
            self.write_indexes()?;
        }
        self.put::<Live>(&task.uuid, task)
    }

    fn write_indexes(&mut self) -> Result<()> {
        self.index_entries = 0;
        for (prefix, line) in std::mem::take(&mut self.lines) {
            Packed::line(self.disk, prefix).apply(puts(line))?;
        }
        let deadlines = std::mem::take(&mut self.deadlines);
        Packed::all(self.disk).apply(puts(deadlines))?;
        let delayed = std::mem::take(&mut self.delayed);
        Packed::all(self.disk).apply(puts(delayed))
    }

    fn put<S: Keyspace>(&mut self, key: &S::Key, value: &S::Value) -> Result<()> {
        let (key, value) = (S::key(key), S::value(value)?);
        self.bytes += value.len();
        let Some(piece) = self.pieces.get_mut(usize::from(S::TREE.number())) else {
            return Ok(());
        };
        piece.push((key, value));
        if piece.len() >= redo::PIECE_KEYS || self.bytes >= redo::PIECE_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        self.bytes = 0;
        for (tree, piece) in Tree::ALL.iter().zip(&mut self.pieces) {
            piece.sort_unstable();
            let changes = piece
                .iter()
                .map(|(key, value)| (&key[..], Some(&value[..])));
            self.disk.apply(*tree, &changes.collect::<Vec<_>>())?;
            piece.clear();
        }
        Ok(())
    }
}

fn puts<K>(entries: BTreeMap<K, Uuid>) -> impl Iterator<Item = (K, Option<Uuid>)> {
    entries.into_iter().map(|(key, uuid)| (key, Some(uuid)))
}
