//! Readers beside the checkpoints: chunks are split and merged under their eyes.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use uuid::Uuid;

use crate::store::disk::Disk;
use crate::store::layered::Base;
use crate::store::packed::Packed;
use crate::store::record::Deadline;

const ROUNDS: u32 = 60;
const KEYS: u32 = 1_000;
/// Every so many keys one stays, whatever happens around it.
const STAYS: u32 = 10;

fn entry(key: u32) -> (Deadline, Uuid) {
    let deadline = Deadline {
        at_ns: i64::from(key),
        seq: u64::from(key),
    };
    (deadline, Uuid::from_u128(u128::from(key)))
}

/// Puts or removes all entries that come and go.
fn turn(disk: &Disk, put: bool) {
    let comes_and_goes = (0..KEYS).filter(|key| key % STAYS != 0).map(entry);
    let changes = comes_and_goes.map(|(key, uuid)| (key, put.then_some(uuid)));
    Packed::all(disk).apply(changes).unwrap();
}

#[test]
fn see_every_entry_that_stays() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::create(&dir.path().join("checkpoint")).unwrap();
    let index = Packed::<Deadline>::all(&disk);
    let stays: Vec<_> = (0..KEYS).step_by(STAYS as usize).map(entry).collect();
    let puts = stays.iter().map(|(key, uuid)| (*key, Some(*uuid)));
    index.apply(puts).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = || {
            let mut reads = 0u32;
            while !done.load(Ordering::Relaxed) {
                let all = index.read(Bound::Unbounded, usize::MAX).unwrap();
                assert!(all.is_sorted_by(|(a, _), (b, _)| a < b), "twice or astray");
                let seen = all
                    .iter()
                    .filter(|(key, _)| key.seq % u64::from(STAYS) == 0);
                assert!(seen.eq(&stays), "an entry that stays was hidden");
                let (key, uuid) = stays[reads as usize % stays.len()];
                assert_eq!(index.get(&key).unwrap(), Some(uuid));
                reads += 1;
            }
            reads
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        for round in 0..ROUNDS {
            turn(&disk, round % 2 == 0);
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
}
