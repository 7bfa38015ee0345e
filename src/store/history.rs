//! What happened to a task: its transitions, kept in its row.
//!
//! A list from the newest to the oldest that the rows of a task share: a change adds one small
//! link. Its hash rolls on with each link, so that a row's hash needs the newest one's alone.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::record::Name;

/// The transitions that are kept of each task at least; older ones are dropped.
pub const KEPT: u32 = 100;
/// So many are kept at most: dropping older ones copies the list, so it is not done at each change.
const MOST_KEPT: u32 = 128;
/// About what a link takes in memory.
const LINK_BYTES: usize = 96;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionKind {
    /// A worker claimed it.
    Claimed,
    /// Its states and fields were changed.
    Updated,
    /// Its timeout passed.
    TimedOut,
    /// A worker gave it back as failed.
    Failed,
    /// It ended well.
    Completed,
    /// It was called off.
    Canceled,
    /// It was put back to be claimed, its attempts starting anew.
    Requeued,
}

impl TransitionKind {
    /// All kinds, by their number, which starts at 1.
    const ALL: [Self; 7] = [
        Self::Claimed,
        Self::Updated,
        Self::TimedOut,
        Self::Failed,
        Self::Completed,
        Self::Canceled,
        Self::Requeued,
    ];

    /// The number on disk and in snapshots.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The kind of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// As clients see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Updated => "updated",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
            Self::Requeued => "requeued",
        }
    }
}

/// One transition. The state that it led to is the next one's `from`, or the state of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When, nanoseconds since 1970.
    pub at_ns: i64,
    /// What happened.
    pub kind: TransitionKind,
    /// The state that it left.
    pub from: Name,
    /// Who claimed it, or held it until then; empty if nobody did, or said no name.
    pub worker: Name,
    /// How often it was claimed by then.
    pub attempt: i64,
}

impl Transition {
    /// Rolls the hash of those before on: XXH3, the same on every machine and in every version.
    fn hash(&self, earlier: u64) -> u64 {
        let hash = xxh3_64_with_seed(self.from.as_bytes(), earlier);
        let hash = xxh3_64_with_seed(self.worker.as_bytes(), hash);
        let mut numbers = [0; 17];
        numbers[..8].copy_from_slice(&self.at_ns.to_le_bytes());
        numbers[8..16].copy_from_slice(&self.attempt.to_le_bytes());
        numbers[16] = self.kind.number();
        xxh3_64_with_seed(&numbers, hash)
    }
}

struct Link {
    transition: Transition,
    earlier: Option<Arc<Link>>,
    kept: u32,
    dropped: u32,
    hash: u64,
}

/// The transitions of a task; cheap to clone. Equal where hash and lengths are: nothing is walked.
#[derive(Clone, Default)]
pub struct History(Option<Arc<Link>>);

impl History {
    /// The transitions as they are kept, from the oldest one on, after `dropped` others.
    pub fn from_oldest(dropped: u32, transitions: impl IntoIterator<Item = Transition>) -> Self {
        let mut newest = None;
        for transition in transitions {
            newest = Some(Self::link(newest, dropped, transition));
        }
        Self(newest)
    }

    /// The same with one more transition. Where there are too many, the oldest ones are dropped.
    pub fn with(&self, transition: Transition) -> Self {
        let earlier = match &self.0 {
            Some(newest) if newest.kept >= MOST_KEPT => self.newest(KEPT - 1).0,
            earlier => earlier.clone(),
        };
        Self(Some(Self::link(earlier, 0, transition)))
    }

    fn link(earlier: Option<Arc<Link>>, dropped: u32, transition: Transition) -> Arc<Link> {
        let (kept, dropped, before) = match &earlier {
            Some(earlier) => (earlier.kept + 1, earlier.dropped, earlier.hash),
            None => (1, dropped, u64::from(dropped)),
        };
        Arc::new(Link {
            hash: transition.hash(before),
            transition,
            earlier,
            kept,
            dropped,
        })
    }

    /// The newest ones alone.
    fn newest(&self, count: u32) -> Self {
        let count = count.min(self.kept());
        let mut transitions: Vec<_> = self.newest_first().take(count as usize).cloned().collect();
        transitions.reverse();
        let dropped = self.dropped().saturating_add(self.kept() - count);
        Self::from_oldest(dropped, transitions)
    }

    /// From the newest one on.
    pub fn newest_first(&self) -> impl Iterator<Item = &Transition> {
        let mut next = self.0.as_deref();
        std::iter::from_fn(move || {
            let link = next?;
            next = link.earlier.as_deref();
            Some(&link.transition)
        })
    }

    /// How many are kept.
    pub fn kept(&self) -> u32 {
        self.0.as_ref().map_or(0, |newest| newest.kept)
    }

    /// How many came before those that are kept.
    pub fn dropped(&self) -> u32 {
        self.0.as_ref().map_or(0, |newest| newest.dropped)
    }

    /// Stands for all that are kept; none where none is.
    pub fn hash(&self) -> Option<u64> {
        self.0.as_ref().map(|newest| newest.hash)
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// About what it takes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.kept() as usize * LINK_BYTES
    }
}

impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        same || (self.hash(), self.kept(), self.dropped())
            == (other.hash(), other.kept(), other.dropped())
    }
}

impl Eq for History {}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.newest_first()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transition(number: i64) -> Transition {
        Transition {
            at_ns: number,
            kind: TransitionKind::Claimed,
            from: "state".into(),
            worker: "worker".into(),
            attempt: number,
        }
    }

    #[test]
    fn as_many_are_kept_as_there_is_room_for() {
        let mut history = History::default();
        for number in 1..=1000u32 {
            history = history.with(transition(number.into()));
            let (kept, dropped) = (history.kept(), history.dropped());
            assert_eq!(kept + dropped, number);
            assert!(kept <= MOST_KEPT && kept >= KEPT.min(number), "{kept}");
            let numbers = history.newest_first().map(|one| one.attempt as u32);
            let expected = (dropped + 1..=number).rev();
            assert!(numbers.eq(expected), "{history:?}");
        }
    }

    /// What is read from disk must be what was written, whether or not something was dropped.
    #[test]
    fn the_hash_is_that_of_what_is_kept() {
        let mut history = History::default();
        for number in 1..=300 {
            history = history.with(transition(number));
            let mut kept: Vec<_> = history.newest_first().cloned().collect();
            kept.reverse();
            let read = History::from_oldest(history.dropped(), kept.clone());
            assert_eq!(read, history);
            assert_ne!(History::from_oldest(history.dropped() + 1, kept), history);
        }
        assert_eq!(history.hash(), Some(GOLDEN));
    }

    /// Old logs come to the hash that they came to before.
    const GOLDEN: u64 = 2_178_078_703_322_551_522;

    #[test]
    fn every_field_counts() {
        let one = |change: fn(&mut Transition)| {
            let mut changed = transition(1);
            change(&mut changed);
            History::default().with(changed)
        };
        let plain = one(|_| {});
        for changed in [
            one(|one| one.at_ns = 2),
            one(|one| one.kind = TransitionKind::Updated),
            one(|one| one.from = "other".into()),
            one(|one| one.worker = "".into()),
            one(|one| one.attempt = 2),
            History::default(),
            plain.with(transition(1)),
        ] {
            assert_ne!(changed, plain);
        }
    }

    #[test]
    fn numbers_and_kinds_belong_together() {
        for (number, kind) in (1..).zip(TransitionKind::ALL) {
            assert_eq!(kind.number(), number);
            assert_eq!(TransitionKind::from_number(number), Some(kind));
        }
        assert_eq!(TransitionKind::from_number(0), None);
        assert_eq!(TransitionKind::from_number(8), None);
    }
}
