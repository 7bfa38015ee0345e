//! Figures: what happened in each minute, hour and day, by queue, state and worker.
//!
//! Kept with each change, in bounded memory, and part of the replicated state: rows in the state hash, the
//! checkpoint and the snapshot. Time is the replicated clock. Only the minute that it is in is booked
//! to; once it moves on, that minute's rows are added to those of its hour and its day. So the
//! rows of an hour or day lack what the open minute holds, and whoever reads them adds it.
//!
//! Bounded in three ways: slots expire ([`Resolution::kept_slots`]), a slot has room for 500 lines and 500
//! workers (all further ones share a row), and each resolution keeps a number of rows: with more, its oldest
//! slots go, and a row of its own says so.

mod book;
mod cell;
mod histogram;
mod open;
mod slot;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;

use super::Change;
pub use cell::{Cell, Event, FigureKey, Kind, Subject, hash};
pub use histogram::Histogram;
pub use slot::{Resolution, SlotKey};
pub use window::Window;

use open::{MOST_SUBJECTS, Open};

/// All figures.
#[derive(Clone, Debug)]
pub struct Figures {
    open: Open,
    closed: BTreeMap<SlotKey, Slot>,
    /// How many rows each resolution's closed slots have.
    cells: BTreeMap<Resolution, usize>,
    /// Keys of rows that changed, came or went since the last freeze; some may be here twice.
    touched: Vec<FigureKey>,
}

/// The rows of a slot that is not booked to.
#[derive(Clone, Debug, Default)]
struct Slot {
    rows: BTreeMap<Subject, Row>,
    lines: usize,
    workers: usize,
}

#[derive(Clone, Debug)]
struct Row {
    cell: Cell,
    /// Its share of the state hash.
    hash: u64,
    /// Whether it changed since the last freeze.
    is_dirty: bool,
}

/// What changed, on its way to the base.
pub type FrozenFigures = Vec<(FigureKey, Option<Cell>)>;

impl Default for Figures {
    fn default() -> Self {
        Self::new(BTreeMap::new(), 0)
    }
}

impl PartialEq for Figures {
    fn eq(&self, other: &Self) -> bool {
        self.rows().eq(other.rows())
    }
}

impl Eq for Figures {}

impl Figures {
    /// Those that a checkpoint or snapshot holds; `clock_ns` is its replicated clock.
    pub fn new(rows: BTreeMap<FigureKey, Cell>, clock_ns: i64) -> Self {
        let open = Resolution::Minute.slot_of(clock_ns);
        let mut figures = Self {
            open: Open::new(open),
            closed: BTreeMap::new(),
            cells: BTreeMap::new(),
            touched: Vec::new(),
        };
        for (key, cell) in rows {
            if key.slot == open {
                figures.open.restore(key.subject, cell);
            } else {
                let hash = hash(&key, &cell);
                figures.put(
                    key,
                    Row {
                        cell,
                        hash,
                        is_dirty: false,
                    },
                );
            }
        }
        figures
    }

    /// All rows, in key order.
    pub fn rows(&self) -> impl Iterator<Item = (FigureKey, &Cell)> {
        let closed = |(slot, rows)| {
            let slot: &SlotKey = slot;
            let rows: &Slot = rows;
            let rows = rows.rows.iter();
            rows.map(|(subject, row)| (*slot, subject, &row.cell))
        };
        let open = self.open.rows();
        let open = open.map(|(subject, cell)| (self.open.slot, subject, cell));
        let before = self.closed.range(..self.open.slot).flat_map(closed);
        let after = self.closed.range(self.open.slot..).flat_map(closed);
        let rows = before.chain(open).chain(after);
        rows.map(|(slot, subject, cell)| {
            let subject = subject.clone();
            (FigureKey { slot, subject }, cell)
        })
    }

    /// Moves on to where the replicated clock stands. Returns what that adds to the state hash.
    pub fn advance(&mut self, clock_ns: i64) -> u64 {
        let slot = Resolution::Minute.slot_of(clock_ns);
        if slot == self.open.slot {
            return 0;
        }
        let mut delta = self.close(slot);
        for resolution in Resolution::ALL {
            let first = resolution.first_kept(clock_ns);
            while let Some(old) = self.oldest(resolution)
                && old < first
            {
                delta = delta.wrapping_sub(self.remove(old));
            }
            delta = delta.wrapping_add(self.make_room(resolution));
        }
        delta
    }

    /// Books a change that is made when the replicated clock stands at `now_ns`.
    pub fn book(&mut self, change: &Change, now_ns: i64) {
        book::book(&mut self.open, change, now_ns);
    }

    /// Ends an entry. Returns what it adds to the state hash.
    pub fn end_entry(&mut self) -> u64 {
        self.open.end_entry(&mut self.touched)
    }

    /// What changed since the last freeze.
    pub fn freeze(&mut self) -> FrozenFigures {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let rows = touched.into_iter().map(|key| {
            let cell = if key.slot == self.open.slot {
                self.open.freeze(&key.subject)
            } else {
                let slot = self.closed.get_mut(&key.slot);
                let row = slot.and_then(|slot| slot.rows.get_mut(&key.subject));
                row.map(|row| {
                    row.is_dirty = false;
                    &row.cell
                })
            };
            let cell = cell.cloned();
            (key, cell)
        });
        rows.collect()
    }

    /// Adds the open minute's rows to its hour and its day, and begins another one.
    fn close(&mut self, next: SlotKey) -> u64 {
        let minute = self.open.slot;
        let mut delta = 0u64;
        for entry in self.open.turn_to(next) {
            for resolution in [Resolution::Hour, Resolution::Day] {
                let slot = resolution.slot_of(minute.begin_ns());
                let added = self.merge(slot, &entry.subject, &entry.cell);
                delta = delta.wrapping_add(added);
            }
            let key = FigureKey {
                slot: minute,
                subject: entry.subject,
            };
            let row = Row {
                cell: entry.cell,
                hash: entry.hash,
                is_dirty: entry.is_dirty,
            };
            self.put(key, row);
        }
        delta
    }

    /// Adds figures to a closed slot's row. Returns what that adds to the state hash.
    fn merge(&mut self, slot: SlotKey, subject: &Subject, cell: &Cell) -> u64 {
        let subject = self.closed.entry(slot).or_default().room_for(subject);
        let key = FigureKey { slot, subject };
        let slot = self.closed.entry(slot).or_default();
        let Some(row) = slot.rows.get_mut(&key.subject) else {
            let hash = hash(&key, cell);
            self.touched.push(key.clone());
            let cell = cell.clone();
            self.put(
                key,
                Row {
                    cell,
                    hash,
                    is_dirty: true,
                },
            );
            return hash;
        };
        row.cell.merge(cell);
        let before = std::mem::replace(&mut row.hash, hash(&key, &row.cell));
        let delta = row.hash.wrapping_sub(before);
        if !std::mem::replace(&mut row.is_dirty, true) {
            self.touched.push(key);
        }
        delta
    }

    /// Puts a row in that is not there.
    fn put(&mut self, key: FigureKey, row: Row) {
        *self.cells.entry(key.slot.resolution).or_default() += 1;
        let slot = self.closed.entry(key.slot).or_default();
        match key.subject.kind {
            Kind::Line => slot.lines += 1,
            Kind::Worker => slot.workers += 1,
            _ => {}
        }
        slot.rows.insert(key.subject, row);
    }

    /// Takes a slot away. Returns what its rows had added to the state hash.
    fn remove(&mut self, key: SlotKey) -> u64 {
        let rows = self.closed.remove(&key).unwrap_or_default().rows;
        if let Some(cells) = self.cells.get_mut(&key.resolution) {
            *cells = cells.saturating_sub(rows.len());
        }
        let mut hashes = 0u64;
        for (subject, row) in rows {
            hashes = hashes.wrapping_add(row.hash);
            let slot = key;
            self.touched.push(FigureKey { slot, subject });
        }
        hashes
    }

    fn oldest(&self, resolution: Resolution) -> Option<SlotKey> {
        let first = SlotKey {
            resolution,
            number: 0,
        };
        let (oldest, _) = self.closed.range(first..).next()?;
        (oldest.resolution == resolution).then_some(*oldest)
    }

    /// Drops the oldest slots while a resolution has more rows than it may have, and notes that in the last
    /// one of them. Returns what that adds to the state hash.
    fn make_room(&mut self, resolution: Resolution) -> u64 {
        let mut delta = 0u64;
        let mut dropped = None;
        while self.cells.get(&resolution).copied().unwrap_or(0) > resolution.most_cells()
            && let Some(old) = self.oldest(resolution)
        {
            delta = delta.wrapping_sub(self.remove(old));
            dropped = Some(old);
        }
        if let Some(slot) = dropped {
            let note = Subject::nameless(Kind::Dropped);
            delta = delta.wrapping_add(self.merge(slot, &note, &Cell::default()));
        }
        delta
    }
}

impl Slot {
    /// The subject itself if it has a row or there is room for one, else the one that it shares with others.
    fn room_for(&self, subject: &Subject) -> Subject {
        let (count, other) = match subject.kind {
            Kind::Line => (self.lines, Kind::OtherLines),
            Kind::Worker => (self.workers, Kind::OtherWorkers),
            _ => return subject.clone(),
        };
        match count < MOST_SUBJECTS || self.rows.contains_key(subject) {
            true => subject.clone(),
            false => Subject::nameless(other),
        }
    }
}
