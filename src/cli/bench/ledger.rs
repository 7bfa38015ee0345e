//! Which tasks were submitted and which came back: each must come once.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;

/// A payload starts with the run's marker and the task's number.
pub const MIN_PAYLOAD: usize = 16;

/// The tasks of one run.
#[derive(Debug)]
pub struct Ledger {
    marker: u64,
    payload: usize,
    issued: AtomicU64,
    submitted: AtomicU64,
    claimed: Mutex<Claimed>,
}

#[derive(Debug, Default)]
struct Claimed {
    /// One bit a task.
    seen: Vec<u64>,
    tasks: u64,
}

/// What is wrong with a claimed task.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It came before.
    Twice,
    /// The run did not submit it.
    Unknown,
}

impl Ledger {
    /// The marker tells this run's tasks from those of others.
    pub fn new(marker: u64, payload: usize) -> Self {
        Self {
            marker,
            payload,
            issued: AtomicU64::new(0),
            submitted: AtomicU64::new(0),
            claimed: Mutex::default(),
        }
    }

    /// The size of each payload.
    pub fn payload(&self) -> usize {
        self.payload
    }

    /// The payload of a new task.
    pub fn issue(&self) -> Bytes {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let mut payload = BytesMut::with_capacity(self.payload);
        payload.put_u64(self.marker);
        payload.put_u64(number);
        payload.resize(self.payload, b'x');
        payload.freeze()
    }

    /// A submit was acknowledged.
    pub fn submitted(&self) {
        self.submitted.fetch_add(1, Ordering::Relaxed);
    }

    /// A task was claimed.
    pub fn claimed(&self, payload: &[u8]) -> Result<(), Wrong> {
        let number = self.number(payload).ok_or(Wrong::Unknown)?;
        let word = usize::try_from(number / 64).map_err(|_| Wrong::Unknown)?;
        let bit = 1 << (number % 64);
        let mut claimed = self.claimed.lock();
        if claimed.seen.len() <= word {
            claimed.seen.resize(word + 1, 0);
        }
        let Some(seen) = claimed.seen.get_mut(word) else {
            return Err(Wrong::Unknown);
        };
        if *seen & bit != 0 {
            return Err(Wrong::Twice);
        }
        *seen |= bit;
        claimed.tasks += 1;
        Ok(())
    }

    fn number(&self, payload: &[u8]) -> Option<u64> {
        let (marker, rest) = payload.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        let ours = u64::from_be_bytes(*marker) == self.marker
            && payload.len() == self.payload
            && number < self.issued.load(Ordering::Relaxed);
        ours.then_some(number)
    }

    /// Tasks that were claimed, each once.
    pub fn claims(&self) -> u64 {
        self.claimed.lock().tasks
    }

    /// Tasks that were submitted and did not come yet.
    pub fn waiting(&self) -> u64 {
        // A task may be claimed before its submit is acknowledged.
        let submitted = self.submitted.load(Ordering::Relaxed);
        submitted.saturating_sub(self.claims())
    }
}
