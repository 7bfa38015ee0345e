//! The rows that the store keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::history::History;

/// A queue, state, worker or unique key: shared, since a task passes its names on unchanged.
pub type Name = Arc<str>;

const NS_PER_S: i64 = 1_000_000_000;
/// Sets fields apart in a row's hash from those that came before them.
const NEWEST_FIELDS: &[u8] = b"newest";
/// Sets the last error apart from what may stand before it.
const LAST_ERROR: &[u8] = b"last error";

/// A task as it is kept, live or archived. An archived task has no payload.
///
/// Immutable: a change is a new row, and both rows' hashes go into the state hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Identifies the task for ever.
    pub uuid: Uuid,
    /// The order of arrival, unique among tasks.
    pub seq: u64,
    /// The queue it was submitted to; never changes.
    pub queue: Name,
    /// The state it is in.
    pub current_state: Name,
    /// The state it goes to when it is claimed or times out.
    pub auto_target_state: Name,
    /// Nanoseconds since 1970.
    pub submit_time_ns: i64,
    /// Nanoseconds since 1970, never decreasing.
    pub update_time_ns: i64,
    /// Seconds after `update_time_ns`, or after `not_before_ns` where that is later; 0 means none.
    pub timeout_s: i64,
    /// The higher, the earlier it is claimed.
    pub priority: i64,
    /// The client's own bytes.
    pub payload: Bytes,
    /// How often it was claimed: the fencing token of its lease.
    pub attempt: i64,
    /// Who claimed it last; empty if nobody said.
    pub worker: Name,
    /// The timeout in seconds that each claim starts with; 0 means none.
    pub claim_timeout_s: i64,
    /// Identifies the submit request of a client-chosen uuid; 0 where the server chose it.
    pub request_digest: u128,
    /// Not claimable earlier, nanoseconds since 1970; 0 means at once.
    pub not_before_ns: i64,
    /// Times out to the state `dead` once it was claimed so often; 0 means never.
    pub max_attempts: i64,
    /// Stands among the delayed tasks and not in its line: nobody can claim it yet.
    pub is_delayed: bool,
    /// When the worker that holds it claimed it, nanoseconds since 1970; 0 where nobody holds it. A lease ends
    /// with a timeout, with the task, and with an update to another state.
    pub claimed_ns: i64,
    /// What happened to it since its submit.
    pub history: History,
    /// What few tasks have; none if there is nothing in it.
    pub extras: Option<Arc<Extras>>,
}

/// Fields that few tasks have: apart, so that all others stay small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// At most one live task per queue has it; empty means none.
    pub unique_key: Name,
    /// The client's own words.
    pub metadata: BTreeMap<String, String>,
    /// The group of its queue that it belongs to, where the queue's tasks are limited by group; empty
    /// means none.
    pub group: Name,
    /// How long the next attempt waits after one that failed; none means not at all.
    pub backoff: Option<Backoff>,
    /// The attempts that no longer count against `max_attempts`: those before it was last requeued.
    pub spared_attempts: i64,
    /// Why the last attempt failed that a worker gave back; empty if none has, or without a word.
    pub last_error: Name,
}

/// How long a task waits for its next attempt after one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait, seconds.
    pub initial_s: i64,
    /// The longest wait, seconds; 0 means that none is too long.
    pub cap_s: i64,
    /// Each wait is that many times the one before, in percent: 100 for a fixed wait.
    pub factor_percent: i64,
    /// How much of a wait is left to chance, in percent.
    pub jitter_percent: i64,
}

impl Backoff {
    /// All its numbers, in a fixed order.
    pub fn numbers(&self) -> [i64; 4] {
        [
            self.initial_s,
            self.cap_s,
            self.factor_percent,
            self.jitter_percent,
        ]
    }
}

impl From<[i64; 4]> for Backoff {
    fn from([initial_s, cap_s, factor_percent, jitter_percent]: [i64; 4]) -> Self {
        Self {
            initial_s,
            cap_s,
            factor_percent,
            jitter_percent,
        }
    }
}

impl Extras {
    /// To be shared; none if there is nothing in them.
    pub fn shared(self) -> Option<Arc<Self>> {
        (self != Self::default()).then(|| Arc::new(self))
    }

    /// Whether it has a field that rows of the second version don't know.
    fn has_newest_fields(&self) -> bool {
        !self.group.is_empty()
            || self.backoff.is_some()
            || self.spared_attempts != 0
            || !self.last_error.is_empty()
    }
}

impl Task {
    /// Where the task stands among those of its queue and state.
    pub fn place(&self) -> Place {
        Place {
            inverted_priority: !self.priority,
            submit_time_ns: self.submit_time_ns,
            seq: self.seq,
        }
    }

    /// When its timeout passes; none where no timeout runs or the sum overflows.
    ///
    /// Becoming claimable does not move it: it starts at `not_before_ns` already while the task is delayed.
    pub fn deadline(&self) -> Option<Deadline> {
        if self.timeout_s <= 0 {
            return None;
        }
        let timeout_ns = self.timeout_s.checked_mul(NS_PER_S)?;
        let starts_ns = self.update_time_ns.max(self.not_before_ns);
        let at_ns = starts_ns.checked_add(timeout_ns)?;
        Some(Deadline {
            at_ns,
            seq: self.seq,
        })
    }

    /// Where the task stands among the delayed ones; none if it is not delayed.
    pub fn ripening(&self) -> Option<Ripening> {
        self.is_delayed.then_some(Ripening {
            at_ns: self.not_before_ns,
            seq: self.seq,
        })
    }

    /// Its key among the live tasks of its queue; none if it has none.
    pub fn unique_key(&self) -> Option<&Name> {
        let extras = self.extras.as_ref()?;
        (!extras.unique_key.is_empty()).then_some(&extras.unique_key)
    }

    /// How often it was claimed since it was last requeued: what counts against `max_attempts`.
    pub fn counted_attempts(&self) -> i64 {
        let spared = self
            .extras
            .as_ref()
            .map_or(0, |extras| extras.spared_attempts);
        self.attempt.saturating_sub(spared)
    }

    /// The bytes of what may be large: payload, metadata, names and the last error.
    pub fn loose_bytes(&self) -> usize {
        let extras = self.extras.as_ref().map_or(0, |extras| {
            let metadata = extras.metadata.iter();
            let metadata: usize = metadata.map(|(key, value)| key.len() + value.len()).sum();
            extras.unique_key.len() + extras.group.len() + extras.last_error.len() + metadata
        });
        self.payload.len() + extras
    }

    /// What of it takes memory besides its fixed fields, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.loose_bytes() + self.history.memory_bytes()
    }

    /// Whether a worker holds it.
    pub fn is_in_flight(&self) -> bool {
        self.claimed_ns != 0
    }

    /// Whether it has a field that rows of the first version don't know.
    pub fn has_later_fields(&self) -> bool {
        let is_plain = self.not_before_ns == 0
            && self.max_attempts == 0
            && !self.is_delayed
            && self.extras.is_none();
        !is_plain
    }

    /// Whether it has a field that rows of the second version don't know.
    pub fn has_newest_fields(&self) -> bool {
        let extras = self.extras.as_ref();
        self.claimed_ns != 0
            || !self.history.is_empty()
            || extras.is_some_and(|extras| extras.has_newest_fields())
    }

    /// This row's share of the state hash (XXH3 over all fields).
    ///
    /// The same on every machine and in every version: fields are hashed in a
    /// fixed order, numbers as little-endian bytes, names with their length.
    /// Fields of a later version follow, if any of them is set.
    pub fn hash(&self) -> u64 {
        let mut hasher = Xxh3::new();
        hasher.update(self.uuid.as_bytes());
        let numbers = [
            self.seq as i64,
            self.submit_time_ns,
            self.update_time_ns,
            self.timeout_s,
            self.priority,
            self.attempt,
            self.claim_timeout_s,
            xxh3_64(&self.payload) as i64,
        ];
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&self.request_digest.to_le_bytes());
        let names = [
            &self.queue,
            &self.current_state,
            &self.auto_target_state,
            &self.worker,
        ];
        for name in names {
            hasher.update(&(name.len() as u32).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        if self.has_later_fields() {
            self.hash_later_fields(&mut hasher);
        }
        if self.has_newest_fields() {
            self.hash_newest_fields(&mut hasher);
        }
        hasher.digest()
    }

    fn hash_later_fields(&self, hasher: &mut Xxh3) {
        let numbers = [
            self.not_before_ns,
            self.max_attempts,
            i64::from(self.is_delayed),
        ];
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        let mut text = |text: &str| {
            hasher.update(&(text.len() as u32).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        if let Some(extras) = &self.extras {
            text(&extras.unique_key);
            for (key, value) in &extras.metadata {
                text(key);
                text(value);
            }
        }
    }

    fn hash_newest_fields(&self, hasher: &mut Xxh3) {
        hasher.update(NEWEST_FIELDS);
        hasher.update(&self.claimed_ns.to_le_bytes());
        if let Some(history) = self.history.hash() {
            hasher.update(&history.to_le_bytes());
        }
        let Some(extras) = &self.extras else {
            return;
        };
        hasher.update(&(extras.group.len() as u32).to_le_bytes());
        hasher.update(extras.group.as_bytes());
        hasher.update(&extras.spared_attempts.to_le_bytes());
        for number in extras.backoff.iter().flat_map(Backoff::numbers) {
            hasher.update(&number.to_le_bytes());
        }
        if !extras.last_error.is_empty() {
            hasher.update(LAST_ERROR);
            hasher.update(extras.last_error.as_bytes());
        }
    }
}

/// The order in which the tasks of one queue and state are claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `!priority`: the highest priority comes first, and none overflows.
    pub inverted_priority: i64,
    /// Nanoseconds since 1970.
    pub submit_time_ns: i64,
    /// The order of arrival.
    pub seq: u64,
}

/// The order in which tasks time out. Due when `at_ns` lies before the clean-up's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Nanoseconds since 1970.
    pub at_ns: i64,
    /// The order of arrival.
    pub seq: u64,
}

/// The order in which delayed tasks become claimable. Due when `at_ns` is not after the replicated clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ripening {
    /// Nanoseconds since 1970.
    pub at_ns: i64,
    /// The order of arrival.
    pub seq: u64,
}

/// What a bucket of the archive is found by. Those of no queue come first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketKey {
    /// The queue whose own retention counts for its tasks; empty means that it is the server's.
    pub queue: Name,
    /// The log index of the entry that archived them.
    pub index: u64,
}

/// The tasks that one log entry archived: the archive is forgotten by buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The replicated clock when they were archived, nanoseconds since 1970.
    pub archived_ns: i64,
    /// The sum of their hashes, so that forgetting them reads none.
    pub hash_sum: u64,
    /// Who they are.
    pub uuids: Vec<Uuid>,
}

/// What happened since the beginning. Counts tasks, not calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tasks put in.
    pub submitted: u64,
    /// Tasks that ended as `completed`.
    pub completed: u64,
    /// Tasks that ended as `canceled`.
    pub canceled: u64,
    /// Timeouts that passed; one task may time out many times.
    pub timed_out: u64,
    /// Attempts that workers gave back as failed; one task may fail many times.
    pub failed: u64,
}

/// How far the log is applied. Log id and membership are opaque here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The log index, 0 before the first entry.
    pub index: u64,
    /// The raft layer's encoding of the log id; empty before the first entry.
    pub log_id: Bytes,
    /// The raft layer's encoding of the membership; empty before the first one.
    pub membership: Bytes,
}

/// The part of the state that is not rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// How far the log is applied.
    pub position: Position,
    /// The replicated clock, nanoseconds since 1970; never goes back.
    pub clock_ns: i64,
    /// The number that the next submitted task gets.
    pub next_seq: u64,
    /// What happened since the beginning.
    pub totals: Totals,
    /// The wrapping sum of the hashes of all rows: tasks, live and archived, and remembered answers.
    pub state_hash: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{full_task, task};

    /// Old logs and snapshots come to the hash that they came to before.
    #[test]
    fn the_hash_stays_what_it_was() {
        assert_eq!(task(7).hash(), 323_989_396_387_551_684);
        assert_eq!(full_task(7).hash(), 8_159_577_869_162_044_932);
    }

    #[test]
    fn the_timeout_starts_at_not_before() {
        let at = |task: &Task| task.deadline().map(|deadline| deadline.at_ns);
        let mut task = task(7);
        task.update_time_ns = 5;
        task.not_before_ns = 7;
        assert_eq!(at(&task), Some(7 + 60 * NS_PER_S));
        task.update_time_ns = 9;
        assert_eq!(at(&task), Some(9 + 60 * NS_PER_S));
        task.not_before_ns = i64::MAX;
        assert_eq!(at(&task), None);
    }
}
