//! Of many intervals, those that contain another: answered for all in one pass, in the order in which they begin.

/// A tree over the ends of intervals. Intervals are put in as they begin; what is asked is put together from those that end
/// late enough.
pub struct Sweep<T> {
    ends: Vec<usize>,
    tree: Vec<T>,
    join: fn(T, T) -> T,
    none: T,
}

impl<T: Copy> Sweep<T> {
    /// Of intervals with those ends. `join` puts two values together, in whatever order; `none` changes nothing.
    pub fn new(ends: impl Iterator<Item = usize>, none: T, join: fn(T, T) -> T) -> Self {
        let mut ends: Vec<usize> = ends.collect();
        ends.sort_unstable();
        ends.dedup();
        let tree = vec![none; 2 * ends.len()];
        Self {
            ends,
            tree,
            join,
            none,
        }
    }

    /// Puts in one that ends there.
    pub fn put(&mut self, end: usize, value: T) {
        let Ok(at) = self.ends.binary_search(&end) else {
            return;
        };
        let mut at = at + self.ends.len();
        while at > 0 {
            if let Some(node) = self.tree.get_mut(at) {
                *node = (self.join)(*node, value);
            }
            at /= 2;
        }
    }

    /// What those come to that end after that place.
    pub fn after(&self, place: usize) -> T {
        let mut from = self.ends.partition_point(|end| *end <= place) + self.ends.len();
        let mut to = 2 * self.ends.len();
        let mut all = self.none;
        let join = self.join;
        let node = |at: usize| self.tree.get(at).copied().unwrap_or(self.none);
        while from < to {
            if from % 2 == 1 {
                all = join(all, node(from));
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                all = join(all, node(to));
            }
            from /= 2;
            to /= 2;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Sweep;

    #[test]
    fn what_ends_later_is_put_together() {
        for ends in [1, 2, 3, 7, 8, 13] {
            let mut sweep = Sweep::new((0..ends).map(|end| end * 10), 0, |one, other| one + other);
            for end in 0..ends {
                sweep.put(end * 10, end + 1);
            }
            for place in 0..ends * 10 + 5 {
                let expected: usize = (0..ends)
                    .filter(|end| end * 10 > place)
                    .map(|end| end + 1)
                    .sum();
                assert_eq!(sweep.after(place), expected, "{ends} ends, after {place}");
            }
        }
    }
}
