//! The net changes of one keyspace since some point.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Keys that were put and keys that are gone: apart, so that neither is in the other's way.
#[derive(Debug)]
pub struct Overlay<K, V> {
    puts: BTreeMap<K, Put<V>>,
    gone: BTreeSet<K>,
}

/// A value, and whether its key is known to be in no layer below.
#[derive(Debug)]
struct Put<V> {
    value: V,
    fresh: bool,
}

impl<K, V> Default for Overlay<K, V> {
    fn default() -> Self {
        Self {
            puts: BTreeMap::new(),
            gone: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone, V> Overlay<K, V> {
    /// Puts a key that neither this overlay nor a layer below shows.
    ///
    /// A key that is gone here may still lie below, so it is not fresh.
    pub fn insert(&mut self, key: K, value: V) {
        let fresh = !self.gone.remove(&key);
        self.puts.insert(key, Put { value, fresh });
    }

    /// Puts a key that is there already and hands out the value it had here.
    pub fn replace(&mut self, key: K, value: V) -> Option<V> {
        if let Some(put) = self.puts.get_mut(&key) {
            return Some(std::mem::replace(&mut put.value, value));
        }
        let fresh = false;
        self.puts.insert(key, Put { value, fresh });
        None
    }

    /// Takes away a key that is there and hands out the value it had here.
    ///
    /// A fresh key leaves no trace: below, there is nothing to hide.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let put = self.puts.remove(key);
        if !put.as_ref().is_some_and(|put| put.fresh) {
            self.gone.insert(key.clone());
        }
        put.map(|put| put.value)
    }

    /// The value put here.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.puts.get(key).map(|put| &put.value)
    }

    /// Whether this overlay says that the key is gone.
    pub fn is_gone(&self, key: &K) -> bool {
        self.gone.contains(key)
    }

    /// Whether this overlay decides about the key, whatever lies below.
    pub fn shadows(&self, key: &K) -> bool {
        self.puts.contains_key(key) || self.gone.contains(key)
    }

    /// The puts from a bound on, in order.
    pub fn puts_from<'a>(
        &'a self,
        from: Bound<&K>,
    ) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
        let range = self.puts.range((from, Bound::Unbounded));
        range.map(|(key, put)| (key, &put.value))
    }

    /// All changes in key order; none stands for gone.
    pub fn changes(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        let mut puts = self.puts.iter().peekable();
        let mut gone = self.gone.iter().peekable();
        std::iter::from_fn(move || {
            let put_first = match (puts.peek(), gone.peek()) {
                (Some((put, _)), Some(gone)) => put < gone,
                (put, _) => put.is_some(),
            };
            if put_first {
                return puts.next().map(|(key, put)| (key, Some(&put.value)));
            }
            gone.next().map(|key| (key, None))
        })
    }

    /// How many keys are put.
    pub fn put_count(&self) -> usize {
        self.puts.len()
    }

    /// How many keys it decides about.
    pub fn len(&self) -> usize {
        self.puts.len() + self.gone.len()
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
