//! How long things took: how often each length came, in buckets that grow with the length.
//!
//! A bucket is at most an eighth as wide as what is in it is long, so the middle of it is off by a
//! sixteenth (6.25 %) at most; lengths under 16 µs are kept as they are. Only buckets that are used
//! take memory, and there are 496 in all.

/// Lengths below have a bucket each.
const EXACT_US: u64 = 16;
/// Each power of two above is cut into so many buckets, as a power of two.
const CUT_BITS: u32 = 3;
/// The power of two that the first buckets after the exact ones begin at.
const FIRST_POWER: u32 = 4;

/// Lengths of time in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Bucket and how often, in the order of the buckets; none is 0.
    pub(crate) buckets: Vec<(u16, u64)>,
    /// The longest one.
    pub(crate) max_us: u64,
    /// All of them together.
    pub(crate) sum_us: u64,
}

impl Histogram {
    /// Takes in one length.
    pub fn record(&mut self, us: u64) {
        self.add(bucket_of(us), 1);
        self.max_us = self.max_us.max(us);
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Takes in all that another one holds.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, more) in &other.buckets {
            self.add(*bucket, *more);
        }
        self.max_us = self.max_us.max(other.max_us);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    fn add(&mut self, bucket: u16, more: u64) {
        match self.buckets.binary_search_by_key(&bucket, |entry| entry.0) {
            Ok(at) => {
                if let Some((_, count)) = self.buckets.get_mut(at) {
                    *count = count.saturating_add(more);
                }
            }
            Err(at) => self.buckets.insert(at, (bucket, more)),
        }
    }

    /// How many lengths it holds.
    pub fn count(&self) -> u64 {
        let counts = self.buckets.iter().map(|(_, count)| count);
        counts.fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The longest one, in microseconds; exact.
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The mean, in microseconds; 0 where there is none.
    pub fn mean_us(&self) -> u64 {
        self.sum_us.checked_div(self.count()).unwrap_or(0)
    }

    /// The length that so many percent are not longer than, in microseconds, off by 6.25 % at most; 0
    /// where there is none.
    pub fn quantile_us(&self, percent: u64) -> u64 {
        let rank = self.count().saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0u64;
        for (bucket, count) in &self.buckets {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return middle_of(*bucket).min(self.max_us);
            }
        }
        0
    }
}

fn bucket_of(us: u64) -> u16 {
    if us < EXACT_US {
        return us as u16;
    }
    let power = us.ilog2();
    let cut = (us >> (power - CUT_BITS)) & ((1 << CUT_BITS) - 1);
    (EXACT_US + (u64::from(power - FIRST_POWER) << CUT_BITS) + cut) as u16
}

fn middle_of(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < EXACT_US {
        return bucket;
    }
    let above = bucket - EXACT_US;
    let power = (above >> CUT_BITS) as u32 + FIRST_POWER;
    let cut = above & ((1 << CUT_BITS) - 1);
    let width = 1u64 << power.min(63).saturating_sub(CUT_BITS);
    let begin = (1 << CUT_BITS | cut).saturating_mul(width);
    begin.saturating_add((width - 1) / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_bucket_holds_its_middle_and_they_are_in_order() {
        let last = bucket_of(u64::MAX);
        assert_eq!(last, 495);
        for bucket in 0..=last {
            assert_eq!(bucket_of(middle_of(bucket)), bucket);
            assert!(bucket == 0 || middle_of(bucket - 1) < middle_of(bucket));
        }
    }

    #[test]
    fn nothing_has_no_length() {
        let empty = Histogram::default();
        assert_eq!((empty.count(), empty.mean_us(), empty.max_us()), (0, 0, 0));
        assert_eq!(empty.quantile_us(99), 0);
    }

    proptest! {
        /// Against the sorted lengths themselves, merged from any two halves.
        #[test]
        fn quantiles_are_off_by_a_sixteenth_at_most(
            lengths in prop::collection::vec((0u32..60).prop_flat_map(|bits| 0..=(1u64 << bits)), 1..200),
            cut in any::<prop::sample::Index>(),
            percent in 1u64..=100,
        ) {
            let (mut left, mut right) = (Histogram::default(), Histogram::default());
            let cut = cut.index(lengths.len());
            lengths[..cut].iter().for_each(|us| left.record(*us));
            lengths[cut..].iter().for_each(|us| right.record(*us));
            left.merge(&right);
            let mut sorted = lengths.clone();
            sorted.sort_unstable();
            let rank = (sorted.len() * percent as usize).div_ceil(100).max(1);
            let wanted = sorted[rank - 1];
            let found = left.quantile_us(percent);
            prop_assert!(found.abs_diff(wanted) <= wanted / 16, "{found} for {wanted}");
            prop_assert_eq!(left.count(), sorted.len() as u64);
            prop_assert_eq!(left.max_us(), sorted[sorted.len() - 1]);
            let mean = sorted.iter().sum::<u64>() / sorted.len() as u64;
            prop_assert_eq!(left.mean_us(), mean);
        }
    }
}
