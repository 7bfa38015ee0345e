//! The minute that the replicated clock is in: the only one that is booked to.
//!
//! A change mostly concerns a line and a worker that one shortly before concerned too, so the last
//! few rows are looked at first, and names are mostly the same by their address. Hashes are brought
//! up to date once an entry.

use std::collections::BTreeMap;

use super::cell::{Cell, FigureKey, Kind, Subject, key_hash};
use super::slot::SlotKey;
use crate::store::record::Name;

/// How many lines a slot has room for, and how many workers; all others share a row.
pub(super) const MOST_SUBJECTS: usize = 500;
/// How many rows are looked at before the index is.
const RECENT: usize = 4;

/// A row with what is kept beside it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub subject: Subject,
    pub cell: Cell,
    key_hash: u64,
    /// Its share of the state hash; 0 for one that is not in it yet.
    pub hash: u64,
    /// Whether it changed since the last freeze.
    pub is_dirty: bool,
    /// Whether the entry under way changed it.
    is_booked: bool,
}

/// The open minute.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub slot: SlotKey,
    entries: Vec<Entry>,
    index: BTreeMap<Subject, usize>,
    recent: [usize; RECENT],
    turn: usize,
    booked: Vec<usize>,
    lines: usize,
    workers: usize,
    nobody: Name,
    /// Room to work in.
    words: Vec<u8>,
}

/// Which row is meant.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub queue: &'a Name,
    pub state: &'a Name,
    /// None for a line.
    pub worker: Option<&'a Name>,
}

impl Open {
    pub fn new(slot: SlotKey) -> Self {
        Self {
            slot,
            entries: Vec::new(),
            index: BTreeMap::new(),
            recent: [0; RECENT],
            turn: 0,
            booked: Vec::new(),
            lines: 0,
            workers: 0,
            nobody: Name::default(),
            words: Vec::new(),
        }
    }

    /// The row to book to; changes of it are taken in at the end of the entry.
    pub fn cell(&mut self, names: Names<'_>) -> Option<&mut Cell> {
        let at = self.find(names);
        let entry = self.entries.get_mut(at)?;
        if !entry.is_booked {
            entry.is_booked = true;
            self.booked.push(at);
        }
        Some(&mut entry.cell)
    }

    fn find(&mut self, names: Names<'_>) -> usize {
        let worker = names.worker.unwrap_or(&self.nobody);
        let kind = match names.worker {
            Some(_) => Kind::Worker,
            None => Kind::Line,
        };
        for at in self.recent {
            if let Some(Entry { subject, .. }) = self.entries.get(at)
                && subject.kind == kind
                && is_same(&subject.state, names.state)
                && is_same(&subject.queue, names.queue)
                && is_same(&subject.worker, worker)
            {
                return at;
            }
        }
        let subject = Subject {
            kind,
            queue: names.queue.clone(),
            state: names.state.clone(),
            worker: worker.clone(),
        };
        let at = self.index.get(&subject).copied();
        let at = at.unwrap_or_else(|| self.add(subject));
        self.recent[self.turn % RECENT] = at;
        self.turn = self.turn.wrapping_add(1);
        at
    }

    /// A row for a new subject, or the one that it shares with others.
    fn add(&mut self, subject: Subject) -> usize {
        let (count, other) = match subject.kind {
            Kind::Worker => (&mut self.workers, Kind::OtherWorkers),
            _ => (&mut self.lines, Kind::OtherLines),
        };
        let subject = if *count < MOST_SUBJECTS {
            *count += 1;
            subject
        } else {
            Subject::nameless(other)
        };
        match self.index.get(&subject) {
            Some(at) => *at,
            None => self.push(subject, Cell::default()),
        }
    }

    fn push(&mut self, subject: Subject, cell: Cell) -> usize {
        let key = FigureKey {
            slot: self.slot,
            subject: subject.clone(),
        };
        let at = self.entries.len();
        self.index.insert(subject.clone(), at);
        self.entries.push(Entry {
            subject,
            cell,
            key_hash: key_hash(&key),
            hash: 0,
            is_dirty: false,
            is_booked: false,
        });
        at
    }

    /// Takes in a row that a checkpoint holds.
    pub fn restore(&mut self, subject: Subject, cell: Cell) {
        match subject.kind {
            Kind::Line => self.lines += 1,
            Kind::Worker => self.workers += 1,
            _ => {}
        }
        let at = self.push(subject, cell);
        if let Some(entry) = self.entries.get_mut(at) {
            entry.hash = entry.cell.hash(entry.key_hash, &mut self.words);
        }
    }

    /// Ends an entry: what its bookings add to the state hash. Keys of rows that had not changed since the
    /// last freeze go to `touched`.
    pub fn end_entry(&mut self, touched: &mut Vec<FigureKey>) -> u64 {
        let mut delta = 0u64;
        for at in self.booked.drain(..) {
            let Some(entry) = self.entries.get_mut(at) else {
                continue;
            };
            entry.is_booked = false;
            let hash = entry.cell.hash(entry.key_hash, &mut self.words);
            delta = delta.wrapping_add(hash).wrapping_sub(entry.hash);
            entry.hash = hash;
            if !entry.is_dirty {
                entry.is_dirty = true;
                touched.push(FigureKey {
                    slot: self.slot,
                    subject: entry.subject.clone(),
                });
            }
        }
        delta
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = (&Subject, &Cell)> {
        let entries = self.index.values().filter_map(|at| self.entries.get(*at));
        entries.map(|entry| (&entry.subject, &entry.cell))
    }

    /// One row, which counts as frozen from now on.
    pub fn freeze(&mut self, subject: &Subject) -> Option<&Cell> {
        let entry = self.entries.get_mut(*self.index.get(subject)?)?;
        entry.is_dirty = false;
        Some(&entry.cell)
    }

    /// Begins another minute, and hands out the rows of this one in order: the order in which they came
    /// does not survive a restart.
    pub fn turn_to(&mut self, slot: SlotKey) -> Vec<Entry> {
        let next = Self {
            words: std::mem::take(&mut self.words),
            ..Self::new(slot)
        };
        let mut entries = std::mem::replace(self, next).entries;
        entries.sort_unstable_by(|a, b| a.subject.cmp(&b.subject));
        entries
    }
}

/// Most names are shared, so mostly at a glance.
fn is_same(known: &Name, name: &Name) -> bool {
    std::sync::Arc::ptr_eq(known, name) || known == name
}
