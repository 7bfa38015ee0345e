//! Reads all that the checkpoint holds, slowly, and compares it with the state hash that is kept.
//!
//! The kept hash never sees a row that rots where it lies. Reading finds what sled's checksums tell; adding up finds
//! rows that are gone, or are others than were written. What is read is of one moment: the scan is that of a snapshot.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::StoreError;

use super::exchange::parse;
use super::handle::{Inner, Store};
use super::sum::Sum;
use super::view::Result;
use crate::clock;

/// Rests are so many times as long as the work before them.
const REST_TIMES: u32 = 19;
/// One rest at most: whoever closes the store waits no longer.
const LONGEST_REST: Duration = Duration::from_millis(500);
/// If checkpoints change so much ahead of the scan, it hurries: their old rows wait in memory.
const HURRY_BYTES: usize = 32 << 20;

/// What came of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrubbed {
    /// All rows are as they were written.
    Sound {
        /// How many.
        rows: u64,
        /// The log index up to which they hold the state.
        index: u64,
    },
    /// A snapshot was wanted, which reads and compares as much.
    GaveWay,
}

/// Reads through a store in the background. The store may be closed meanwhile.
#[derive(Clone, Debug)]
pub struct Scrubber(Arc<Inner>);

impl Store {
    /// What reads through this store.
    pub fn scrubber(&self) -> Scrubber {
        Scrubber(self.inner.clone())
    }
}

impl Scrubber {
    /// Reads and compares everything, working a twentieth of the time. Blocks for as long as that takes.
    ///
    /// # Errors
    /// If something is damaged, which is noted for the next start; or can't be read.
    pub fn run(&self) -> Result<Scrubbed> {
        let Some(_one) = self.0.snapshots.try_lock() else {
            return Ok(Scrubbed::GaveWay);
        };
        let (disk, header) = self.0.begin_scan()?;
        let mut sum = Sum::default();
        let read = (|| {
            loop {
                let began = clock::monotonic();
                let Some(chunk) = disk.next_chunk()? else {
                    let whole = sum.check(header.state_hash);
                    whole.map_err(|why| StoreError::damaged("checkpoint", why))?;
                    return Ok(Scrubbed::Sound {
                        rows: sum.rows,
                        index: header.position.index,
                    });
                };
                parse(&chunk)?.iter().for_each(|record| sum.add(record));
                if self.gives_way() {
                    return Ok(Scrubbed::GaveWay);
                }
                if disk.scan_saved_bytes() < HURRY_BYTES {
                    let took = clock::monotonic().saturating_sub(began);
                    std::thread::sleep((took * REST_TIMES).min(LONGEST_REST));
                }
            }
        })();
        disk.end_scan();
        disk.noting_damage(read)
    }

    fn gives_way(&self) -> bool {
        self.0.snapshots_wanted.load(Ordering::Relaxed) > 0 || self.0.signal.borrow().stop
    }
}
