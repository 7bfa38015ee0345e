//! Backoff: how long a task waits for its next attempt after one that failed.
//!
//! Part of what a log entry means: whole numbers alone, the same on every node and in every version.

use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use crate::store::record::Backoff;

const NS_PER_S: i128 = 1_000_000_000;
/// No wait is longer: a moment that the clock can't reach.
const LONGEST_NS: i128 = i64::MAX as i128;

/// The wait after the `attempt`th attempt that counts, in nanoseconds.
///
/// The jitter only shortens it, so the cap holds. What it takes away comes from the task and the attempt, so that tasks
/// which failed together come back apart, and every node comes to the same wait.
pub(super) fn wait_ns(backoff: &Backoff, uuid: Uuid, attempt: i64) -> i64 {
    let whole_ns = whole_ns(backoff, attempt);
    let jitter_ns = whole_ns * i128::from(backoff.jitter_percent.clamp(0, 100)) / 100;
    // A share of it, in 2^32nds: the product of two such numbers fits.
    let share = i128::from(digest(uuid, attempt) >> 32);
    let wait_ns = whole_ns - ((jitter_ns * share) >> 32);
    i64::try_from(wait_ns).unwrap_or(i64::MAX)
}

/// The wait before jitter: the initial one, times the factor for each attempt after the first.
fn whole_ns(backoff: &Backoff, attempt: i64) -> i128 {
    let longest_ns = match backoff.cap_s {
        cap_s if cap_s > 0 => LONGEST_NS.min(i128::from(cap_s) * NS_PER_S),
        _ => LONGEST_NS,
    };
    let factor_percent = i128::from(backoff.factor_percent.max(100));
    let initial_ns = i128::from(backoff.initial_s.max(0)) * NS_PER_S;
    let mut wait_ns = initial_ns.min(longest_ns);
    let mut left = attempt.saturating_sub(1);
    // A factor over 100 % reaches the longest wait within a few thousand rounds, as a second is 10^9 ns.
    while left > 0 && factor_percent > 100 && wait_ns > 0 && wait_ns < longest_ns {
        wait_ns = (wait_ns * factor_percent / 100).min(longest_ns);
        left -= 1;
    }
    wait_ns
}

fn digest(uuid: Uuid, attempt: i64) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(uuid.as_bytes());
    hasher.update(&attempt.to_le_bytes());
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn waits(numbers: [i64; 4], attempts: &[i64]) -> Vec<i64> {
        let backoff = Backoff::from(numbers);
        let uuid = Uuid::from_u128(7);
        let waits = attempts.iter();
        waits
            .map(|attempt| wait_ns(&backoff, uuid, *attempt))
            .collect()
    }

    #[test]
    fn fixed_growing_and_capped() {
        let attempts = [-1, 0, 1, 2, 3, 4, 5];
        let s = |waits: [i64; 7]| waits.map(|wait| wait * S).to_vec();
        assert_eq!(waits([5, 0, 100, 0], &attempts), s([5; 7]));
        let doubling = s([5, 5, 5, 10, 20, 40, 80]);
        assert_eq!(waits([5, 0, 200, 0], &attempts), doubling);
        let capped = s([5, 5, 5, 10, 20, 30, 30]);
        assert_eq!(waits([5, 30, 200, 0], &attempts), capped);
        assert_eq!(waits([50, 30, 200, 0], &attempts), s([30; 7]));
        let by_half = [5 * S, 15 * S / 2, 45 * S / 4];
        assert_eq!(waits([5, 0, 150, 0], &[1, 2, 3]), by_half);
    }

    #[test]
    fn nothing_overflows() {
        let far = [1, 63, 64, i64::MAX];
        let longest = [i64::MAX; 4];
        assert_eq!(waits([i64::MAX, 0, i64::MAX, 0], &far), longest);
        assert_eq!(waits([1, 0, 200, 0], &far)[1..], longest[1..]);
        assert_eq!(waits([1, 0, 101, 0], &far)[3], i64::MAX);
        assert_eq!(waits([1, i64::MAX, 200, 0], &far)[1..], longest[1..]);
        assert_eq!(waits([0, 0, i64::MAX, 0], &far), [0; 4]);
        assert_eq!(waits([-5, -5, -5, -5], &far), [0; 4]);
        let jittered = waits([i64::MAX, 0, 200, i64::MAX], &far);
        assert!(jittered.iter().all(|wait| *wait >= 0));
    }

    #[test]
    fn jitter_shortens_by_up_to_its_share() {
        let attempts: Vec<i64> = (1..=1000).collect();
        let waits = waits([100, 0, 100, 30], &attempts);
        assert!(waits.iter().all(|wait| (70 * S..=100 * S).contains(wait)));
        // It spreads over all of its range.
        assert!(waits.iter().any(|wait| *wait < 72 * S));
        assert!(waits.iter().any(|wait| *wait > 98 * S));
        let mean = waits.iter().sum::<i64>() / 1000;
        assert!((84 * S..86 * S).contains(&mean), "{mean}");
    }

    /// Nodes of different versions must come to the same wait.
    #[test]
    fn golden() {
        let waits = waits([100, 0, 200, 50], &[1, 2, 3]);
        let golden = [94_182_651_479, 122_541_891_039, 323_401_865_736];
        assert_eq!(waits, golden);
    }
}
