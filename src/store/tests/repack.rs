//! Repacking against a plain map: random changes, and what a reader sees between the groups.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use crate::store::keys::chunk::Chunk;
use crate::store::repack::{CHUNK_ENTRIES, Chunks, repack};

type Entries = Vec<(u32, Uuid)>;

struct Model(BTreeMap<u32, Entries>);

impl Model {
    fn chunk((key, entries): (&u32, &Entries)) -> Chunk<u32> {
        Chunk {
            key: *key,
            entries: entries.clone(),
        }
    }

    fn all(&self) -> Entries {
        self.0.values().flatten().copied().collect()
    }
}

impl Chunks<u32> for Model {
    fn around(&self, key: &u32) -> crate::store::view::Result<Option<Chunk<u32>>> {
        let holding = self.0.range(..=*key).next_back();
        Ok(holding.or_else(|| self.0.iter().next()).map(Self::chunk))
    }

    fn after(&self, key: &u32) -> crate::store::view::Result<Option<Chunk<u32>>> {
        Ok(self.0.range(*key + 1..).next().map(Self::chunk))
    }
}

/// Runs of new keys at the end, removals from the head, and scattered changes.
fn changes() -> impl Strategy<Value = Vec<BTreeMap<u32, bool>>> {
    let scattered = proptest::collection::btree_map(0..2000u32, any::<bool>(), 0..150);
    let run = (0..2000u32, 1..400u32, any::<bool>())
        .prop_map(|(from, length, put)| (from..from + length).map(|key| (key, put)).collect());
    proptest::collection::vec(prop_oneof![scattered, run], 1..12)
}

proptest! {
    #[test]
    fn chunks_hold_what_a_map_holds(rounds in changes()) {
        let mut model = Model(BTreeMap::new());
        let mut expected = BTreeMap::new();
        for (round, changes) in rounds.into_iter().enumerate() {
            let before = expected.clone();
            let value = |key: u32| Uuid::from_u128(u128::from(key) << 32 | round as u128);
            // Only what is there goes, as the overlays see to it.
            let changes: BTreeMap<u32, Option<Uuid>> = changes
                .into_iter()
                .filter(|(key, put)| *put || expected.contains_key(key))
                .map(|(key, put)| (key, put.then(|| value(key))))
                .collect();
            for (key, change) in &changes {
                match change {
                    Some(uuid) => drop(expected.insert(*key, *uuid)),
                    None => drop(expected.remove(key)),
                }
            }
            let stays: Entries = before
                .into_iter()
                .filter(|(key, _)| !changes.contains_key(key))
                .collect();
            let mut groups = Vec::new();
            let rows = changes.iter().map(|(key, change)| (*key, *change));
            repack(&model, rows, |group| {
                groups.push(group);
                Ok(())
            }).unwrap();
            for group in groups {
                for (key, entries) in group {
                    match entries {
                        Some(entries) => drop(model.0.insert(key, entries)),
                        None => drop(model.0.remove(&key)),
                    }
                }
                let seen = model.all();
                let seen_stays: Entries = seen
                    .iter()
                    .filter(|(key, _)| !changes.contains_key(key))
                    .copied()
                    .collect();
                prop_assert_eq!(&seen_stays, &stays, "between groups");
            }
            let all: Entries = expected.iter().map(|(key, uuid)| (*key, *uuid)).collect();
            prop_assert_eq!(model.all(), all);
            for (key, entries) in &model.0 {
                prop_assert!(!entries.is_empty() && entries.len() <= CHUNK_ENTRIES);
                prop_assert!(*key <= entries[0].0, "an entry stands before its chunk");
            }
            let keys: Vec<u32> = model.0.keys().copied().collect();
            for (at, entries) in model.0.values().enumerate() {
                let last = entries.last().unwrap().0;
                prop_assert!(keys.get(at + 1).is_none_or(|next| last < *next));
            }
        }
    }
}
