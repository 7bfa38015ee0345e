//! One row of figures: what happened to a line or a worker within a stretch of time.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::histogram::Histogram;
use super::slot::SlotKey;
use crate::store::record::Name;

/// Sets a figure's hash apart from other rows', whatever they hold.
const HASH_TAG: &[u8] = b"figure";

/// What is counted. The order is the format: new ones come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Tasks put in.
    Submitted,
    /// Tasks that went to a worker.
    Claimed,
    /// Tasks that ended as completed.
    Completed,
    /// Tasks that ended as canceled.
    Canceled,
    /// Timeouts that passed.
    TimedOut,
    /// Timeouts and failures that a task did not go back from: it had no attempt left.
    Dead,
    /// Leases that a worker gave back as failed.
    Failed,
}

/// How many kinds of events there are.
pub const EVENTS: usize = 7;

/// Whose figures they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A queue and state.
    Line = 1,
    /// A worker in a queue and state.
    Worker = 2,
    /// All lines that a slot had no room for.
    OtherLines = 3,
    /// All workers that a slot had no room for.
    OtherWorkers = 4,
    /// Nobody's: figures of this slot and of older ones were dropped, since there were too many.
    Dropped = 5,
}

impl Kind {
    /// The kind of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        let all = [
            Self::Line,
            Self::Worker,
            Self::OtherLines,
            Self::OtherWorkers,
            Self::Dropped,
        ];
        all.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Whose figures they are; names that don't belong to the kind are empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// What it is.
    pub kind: Kind,
    /// The queue.
    pub queue: Name,
    /// The state: of a line the one that tasks are in before what happens, of a worker the one they are worked on in.
    pub state: Name,
    /// The worker.
    pub worker: Name,
}

impl Subject {
    /// One that has no names.
    pub fn nameless(kind: Kind) -> Self {
        Self {
            kind,
            queue: Name::default(),
            state: Name::default(),
            worker: Name::default(),
        }
    }
}

/// What a row of figures is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FigureKey {
    /// When it happened.
    pub slot: SlotKey,
    /// To whom.
    pub subject: Subject,
}

impl FigureKey {
    /// As bytes, in the order of the keys.
    pub fn to_bytes(&self) -> Vec<u8> {
        let subject = &self.subject;
        let mut bytes = vec![self.slot.resolution as u8];
        bytes.extend_from_slice(&self.slot.number.to_be_bytes());
        bytes.push(subject.kind as u8);
        for name in [&subject.queue, &subject.state] {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
        }
        bytes.extend_from_slice(subject.worker.as_bytes());
        bytes
    }
}

/// The figures of one subject in one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// How often each [`Event`] happened.
    pub(crate) counts: [u64; EVENTS],
    /// When a worker was last heard of, nanoseconds since 1970; 0 for all others.
    pub(crate) last_seen_ns: i64,
    /// How long tasks waited that were claimed from the line.
    pub(crate) waited: Histogram,
    /// How long tasks were worked on whose leases ended in the line by what a worker said.
    pub(crate) worked: Histogram,
}

impl Cell {
    /// How often it happened.
    pub fn count(&self, event: Event) -> u64 {
        self.counts[event as usize]
    }

    /// It happened once more.
    pub fn add(&mut self, event: Event) {
        self.counts[event as usize] += 1;
    }

    /// When a worker was last heard of, nanoseconds since 1970.
    pub fn last_seen_ns(&self) -> i64 {
        self.last_seen_ns
    }

    /// How long tasks waited.
    pub fn waited(&self) -> &Histogram {
        &self.waited
    }

    /// How long tasks were worked on.
    pub fn worked(&self) -> &Histogram {
        &self.worked
    }

    /// Adds all that another one holds.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.last_seen_ns = self.last_seen_ns.max(other.last_seen_ns);
        self.waited.merge(&other.waited);
        self.worked.merge(&other.worked);
    }

    /// The counts without the zeros at the end: kinds of events that came later change no older row.
    pub(crate) fn used_counts(&self) -> &[u64] {
        let used = self.counts.iter().rposition(|count| *count > 0);
        &self.counts[..used.map_or(0, |last| last + 1)]
    }

    /// All counts behind [`Cell::used_counts`]; none if there are more kinds of events than are known.
    pub(crate) fn read_counts(used: &[u64]) -> Option<[u64; EVENTS]> {
        let mut counts = [0; EVENTS];
        counts.get_mut(..used.len())?.copy_from_slice(used);
        Some(counts)
    }

    /// This row's share of the state hash; `words` is room to work in.
    pub(super) fn hash(&self, key_hash: u64, words: &mut Vec<u8>) -> u64 {
        words.clear();
        let mut push = |number: u64| words.extend_from_slice(&number.to_le_bytes());
        let counts = self.used_counts();
        push(counts.len() as u64);
        counts.iter().for_each(|count| push(*count));
        push(self.last_seen_ns as u64);
        for histogram in [&self.waited, &self.worked] {
            push(histogram.buckets.len() as u64);
            for (bucket, count) in &histogram.buckets {
                push(u64::from(*bucket));
                push(*count);
            }
            push(histogram.max_us);
            push(histogram.sum_us);
        }
        xxh3_64_with_seed(words, key_hash)
    }
}

/// A key's part in the hashes of its row.
pub(super) fn key_hash(key: &FigureKey) -> u64 {
    xxh3_64(&[HASH_TAG, &key.to_bytes()].concat())
}

/// A row's share of the state hash: XXH3 over all that it holds, the same on every machine.
pub fn hash(key: &FigureKey, cell: &Cell) -> u64 {
    cell.hash(key_hash(key), &mut Vec::new())
}
