//! [`Layered`] against a plain map, with the base written at any moment.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;

use crate::store::layered::{Base, Layered, Part};
use crate::store::overlay::Overlay;
use crate::store::view::Result;

/// A base in memory that counts what it is asked.
#[derive(Default)]
struct Maps {
    rows: BTreeMap<u32, u32>,
    reads: Cell<usize>,
}

impl Base<u32, u32> for Maps {
    fn get(&self, key: &u32) -> Result<Option<u32>> {
        Ok(self.rows.get(key).copied())
    }

    fn read(&self, from: Bound<&u32>, limit: usize) -> Result<Vec<(u32, u32)>> {
        self.reads.set(self.reads.get() + 1);
        let range = self.rows.range((from, Bound::Unbounded)).take(limit);
        Ok(range.map(|(key, value)| (*key, *value)).collect())
    }

    fn read_some(
        &self,
        from: Bound<&u32>,
        limit: usize,
        _bytes: usize,
        wanted: &dyn Fn(&u32) -> bool,
    ) -> Result<Part<u32, u32>> {
        Ok(Part::of(self.read(from, limit)?, limit, wanted))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u32, u32),
    Remove(u32),
    RemoveFirst,
    Freeze,
    Merge(usize),
    Finish,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let keys = 0u32..60;
    let step = prop_oneof![
        6 => (keys.clone(), any::<u32>()).prop_map(|(key, value)| Step::Put(key, value)),
        4 => keys.prop_map(Step::Remove),
        4 => Just(Step::RemoveFirst),
        1 => Just(Step::Freeze),
        2 => (1usize..20).prop_map(Step::Merge),
        1 => Just(Step::Finish),
    ];
    prop::collection::vec(step, 1..300)
}

#[derive(Default)]
struct Pair {
    layered: Layered<u32, u32>,
    base: Maps,
    model: BTreeMap<u32, u32>,
    frozen: Option<(Arc<Overlay<u32, u32>>, usize)>,
}

impl Pair {
    fn put(&mut self, key: u32, value: u32) {
        match self.model.insert(key, value) {
            None => self.layered.insert(key, value),
            Some(_) => drop(self.layered.replace(key, value).is_some()),
        }
    }

    fn remove(&mut self, key: u32) {
        if self.model.remove(&key).is_some() {
            let _ = self.layered.remove(&key);
        }
    }

    fn freeze(&mut self) {
        if self.frozen.is_none() {
            self.frozen = Some((self.layered.freeze(), 0));
        }
    }

    fn merge(&mut self, keys: usize) {
        let Some((overlay, done)) = &mut self.frozen else {
            return;
        };
        for (key, value) in overlay.changes().skip(*done).take(keys) {
            match value {
                Some(value) => drop(self.base.rows.insert(*key, *value).is_some()),
                None => drop(self.base.rows.remove(key).is_some()),
            }
        }
        *done += keys;
    }

    fn finish(&mut self) {
        if self.frozen.is_some() {
            self.merge(usize::MAX / 2);
            self.layered.finish();
            self.frozen = None;
        }
    }

    fn first(&self) -> Option<(u32, u32)> {
        self.layered.first(&self.base).unwrap()
    }

    fn check(&self, near: u32) {
        let first = self
            .model
            .first_key_value()
            .map(|(key, value)| (*key, *value));
        assert_eq!(self.first(), first);
        let next = self
            .model
            .range((Bound::Excluded(near), Bound::Unbounded))
            .next();
        let found = self.layered.next(Some(&near), &self.base).unwrap();
        assert_eq!(found, next.map(|(key, value)| (*key, *value)));
        let found = self.layered.get(&near, &self.base).unwrap();
        assert_eq!(found, self.model.get(&near).copied());
        self.check_scan(near);
    }

    /// Pieces of any size hold all keys after one, each once.
    fn check_scan(&self, near: u32) {
        let limit = 1 + near as usize % 9;
        let (mut found, mut after) = (Vec::new(), Some(near));
        while after.is_some() {
            let part = self.layered.scan(after.as_ref(), limit, 0, &self.base);
            let part = part.unwrap();
            assert!(part.rows.len() <= 3 * limit);
            assert!(part.resume.is_none() || part.resume > after);
            found.extend(part.rows);
            after = part.resume;
        }
        let model = self.model.range((Bound::Excluded(near), Bound::Unbounded));
        assert!(found.iter().map(|(key, value)| (key, value)).eq(model));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn answers_as_a_plain_map(steps in steps()) {
        let mut pair = Pair::default();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put(key, value) => pair.put(key, value),
                Step::Remove(key) => pair.remove(key),
                Step::RemoveFirst => {
                    if let Some((key, _)) = pair.first() {
                        pair.remove(key);
                    }
                }
                Step::Freeze => pair.freeze(),
                Step::Merge(keys) => pair.merge(keys),
                Step::Finish => pair.finish(),
            }
            pair.check((number as u32 * 7) % 61);
        }
        pair.finish();
        pair.freeze();
        pair.finish();
        prop_assert_eq!(&pair.base.rows, &pair.model);
        prop_assert!(pair.layered.is_clean());
    }
}

#[test]
fn what_came_and_went_leaves_no_trace() {
    let mut pair = Pair::default();
    for key in 0..100 {
        pair.put(key, 0);
        pair.put(key, 1);
        pair.remove(key);
    }
    assert!(pair.layered.active().is_empty());
}

#[test]
fn the_head_is_remembered() {
    let mut pair = Pair::default();
    for key in 0..200_000 {
        pair.put(key, key);
    }
    pair.freeze();
    pair.finish();
    for key in 0..100_000 {
        assert_eq!(pair.first(), Some((key, key)));
        pair.remove(key);
    }
    let reads = pair.base.reads.replace(0);
    assert!(
        reads <= 100_000 / 32 + 2,
        "{reads} reads for 100,000 claims"
    );
    for key in 100_000..100_010 {
        assert_eq!(pair.first(), Some((key, key)));
        assert_eq!(
            pair.layered.next(Some(&key), &pair.base).unwrap(),
            Some((key + 1, key + 1))
        );
        pair.remove(key);
    }
    assert!(pair.base.reads.get() <= 1);
    // The removals are frozen and half written, and many more are made on top of new puts.
    for key in 200_000..300_000 {
        pair.put(key, key);
    }
    pair.freeze();
    pair.merge(50_000);
    pair.base.reads.set(0);
    for key in 100_010..300_000 {
        assert_eq!(pair.first(), Some((key, key)));
        pair.remove(key);
    }
    assert_eq!(pair.first(), None);
    let reads = pair.base.reads.replace(0);
    assert!(
        reads <= 200_000 / 32 + 2,
        "{reads} reads for 200,000 claims"
    );
    assert_eq!(pair.first(), None);
    assert_eq!(pair.base.reads.get(), 0);
}
