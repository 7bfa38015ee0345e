//! One ordered keyspace: recent changes over a base that only checkpoints change.
//!
//! From top to bottom: the active overlay takes changes; the frozen one, if any,
//! is being written to the base; the base is what the last checkpoint left. While
//! the frozen overlay is being written the base holds some of it already, which is
//! harmless: whatever the frozen overlay touches is decided there.
//!
//! Between checkpoints a key of a lower layer can only become shadowed, never
//! visible again. So each lower layer has a cursor before which all is known to be
//! shadowed, and the first visible key costs O(log n) after a million removals.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use super::overlay::Overlay;
use super::view::Result;

/// How many base keys are read at once when the head moves on.
const READ_AHEAD: usize = 32;

/// What lies below the overlays.
pub trait Base<K, V> {
    /// One value.
    fn get(&self, key: &K) -> Result<Option<V>>;

    /// Up to `limit` keys in order, from a bound on. Fewer only if there are no more.
    fn read(&self, from: Bound<&K>, limit: usize) -> Result<Vec<(K, V)>>;

    /// The same, but for keys that are not wanted, and it may stop once the values take `bytes`
    /// bytes. Returns how far it came, too: none if that was the end.
    fn read_some(
        &self,
        from: Bound<&K>,
        limit: usize,
        bytes: usize,
        wanted: &dyn Fn(&K) -> bool,
    ) -> Result<Part<K, V>>;
}

/// Rows in key order, and the last key that was looked at; none if no more are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<K, V> {
    /// The rows.
    pub rows: Vec<(K, V)>,
    /// Where to go on.
    pub resume: Option<K>,
}

impl<K: Clone, V> Part<K, V> {
    /// What a base read in one piece: fewer than `limit` rows only if there are no more.
    pub fn of(mut rows: Vec<(K, V)>, limit: usize, wanted: &dyn Fn(&K) -> bool) -> Self {
        let last = rows.last().filter(|_| rows.len() == limit);
        let resume = last.map(|(key, _)| key.clone());
        rows.retain(|(key, _)| wanted(key));
        Self { rows, resume }
    }
}

/// An ordered keyspace in layers. The base is handed in, since it is shared.
#[derive(Debug)]
pub struct Layered<K, V> {
    active: Overlay<K, V>,
    frozen: Option<Arc<Overlay<K, V>>>,
    heads: RefCell<Heads<K, V>>,
}

/// Where the visible keys of the lower layers begin.
#[derive(Debug)]
struct Heads<K, V> {
    /// All frozen puts before are shadowed by the active overlay.
    frozen: From<K>,
    /// Base keys that were read already; all keys before are shadowed.
    ahead: VecDeque<(K, V)>,
    /// Where the base keys after those begin.
    rest: From<K>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum From<K> {
    Start,
    At(K),
    After(K),
    End,
}

impl<K> From<K> {
    fn bound(&self) -> Option<Bound<&K>> {
        match self {
            From::Start => Some(Bound::Unbounded),
            From::At(key) => Some(Bound::Included(key)),
            From::After(key) => Some(Bound::Excluded(key)),
            From::End => None,
        }
    }
}

impl<K, V> Default for Layered<K, V> {
    fn default() -> Self {
        let heads = Heads {
            frozen: From::Start,
            ahead: VecDeque::new(),
            rest: From::Start,
        };
        Self {
            active: Overlay::default(),
            frozen: None,
            heads: RefCell::new(heads),
        }
    }
}

impl<K: Ord + Clone, V: Clone> Layered<K, V> {
    /// Puts a key that is not there.
    pub fn insert(&mut self, key: K, value: V) {
        self.active.insert(key, value);
    }

    /// Puts a key that is there. Hands out the value if it was a recent one.
    pub fn replace(&mut self, key: K, value: V) -> Option<V> {
        self.active.replace(key, value)
    }

    /// Takes away a key that is there. Hands out the value if it was a recent one.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.active.remove(key)
    }

    /// The value of a key if the overlays decide about it: none if they don't, `Some(None)` if it is gone.
    pub fn recent(&self, key: &K) -> Option<Option<&V>> {
        let layers = [Some(&self.active), self.frozen.as_deref()];
        for overlay in layers.into_iter().flatten() {
            if let Some(value) = overlay.get(key) {
                return Some(Some(value));
            }
            if overlay.is_gone(key) {
                return Some(None);
            }
        }
        None
    }

    /// The value of a key.
    pub fn get(&self, key: &K, base: &impl Base<K, V>) -> Result<Option<V>> {
        match self.recent(key) {
            Some(value) => Ok(value.cloned()),
            None => base.get(key),
        }
    }

    /// The first key.
    pub fn first(&self, base: &impl Base<K, V>) -> Result<Option<(K, V)>> {
        let active = self.active.puts_from(Bound::Unbounded).next();
        let active = active.map(|(key, value)| (key.clone(), value.clone()));
        let recent = smaller(active, self.first_frozen());
        Ok(smaller(recent, self.first_base(base)?))
    }

    /// The first key after another, or the first of all.
    pub fn next(&self, after: Option<&K>, base: &impl Base<K, V>) -> Result<Option<(K, V)>> {
        let Some(after) = after else {
            return self.first(base);
        };
        let active = self.active.puts_from(Bound::Excluded(after)).next();
        let active = active.map(|(key, value)| (key.clone(), value.clone()));
        let recent = smaller(active, self.next_frozen(after));
        Ok(smaller(recent, self.next_base(after, base)?))
    }

    /// The rows after a key, or from the first one on, in key order.
    ///
    /// Takes up to `limit` rows of each layer, and about `bytes` bytes of the base: there may be
    /// none, and more to come.
    pub fn scan(
        &self,
        after: Option<&K>,
        limit: usize,
        bytes: usize,
        base: &impl Base<K, V>,
    ) -> Result<Part<K, V>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let wanted = |key: &K| !self.shadows(key);
        let mut part = base.read_some(from, limit, bytes, &wanted)?;
        let hidden = |key: &K| self.active.shadows(key);
        if let Some(frozen) = &self.frozen {
            add_puts(&mut part, frozen, from, limit, hidden);
        }
        add_puts(&mut part, &self.active, from, limit, |_| false);
        if let Some(resume) = &part.resume {
            part.rows.retain(|(key, _)| key <= resume);
        }
        part.rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(part)
    }

    /// Freezes the active overlay and starts a new one. There must be no frozen one.
    pub fn freeze(&mut self) -> Arc<Overlay<K, V>> {
        debug_assert!(self.frozen.is_none());
        let frozen = Arc::new(std::mem::take(&mut self.active));
        self.frozen = Some(frozen.clone());
        self.heads.get_mut().frozen = From::Start;
        frozen
    }

    /// The frozen overlay is in the base now, all of it.
    pub fn finish(&mut self) {
        let Some(frozen) = self.frozen.take() else {
            return;
        };
        let heads = self.heads.get_mut();
        // What was read ahead may be gone from the base by now, and unlike before nothing hides it.
        if let Some((key, _)) = heads.ahead.pop_front() {
            heads.rest = From::At(key);
        }
        heads.ahead.clear();
        let first_put = frozen.puts_from(Bound::Unbounded).next();
        if let Some((put, _)) = first_put {
            let behind = match &heads.rest {
                From::Start => false,
                From::At(key) | From::After(key) => put <= key,
                From::End => true,
            };
            if behind {
                heads.rest = From::At(put.clone());
            }
        }
    }

    /// The overlay that takes changes.
    pub fn active(&self) -> &Overlay<K, V> {
        &self.active
    }

    /// Whether all that is known is in the base.
    pub fn is_clean(&self) -> bool {
        self.active.is_empty() && self.frozen.is_none()
    }

    fn first_frozen(&self) -> Option<(K, V)> {
        let frozen = self.frozen.as_ref()?;
        let mut heads = self.heads.borrow_mut();
        let mut puts = frozen.puts_from(heads.frozen.bound()?);
        let found = puts.find(|(key, _)| !self.active.shadows(key));
        let found = found.map(|(key, value)| (key.clone(), value.clone()));
        heads.frozen = match &found {
            Some((key, _)) => From::At(key.clone()),
            None => From::End,
        };
        found
    }

    fn next_frozen(&self, after: &K) -> Option<(K, V)> {
        let frozen = self.frozen.as_ref()?;
        let heads = self.heads.borrow();
        let from = match &heads.frozen {
            From::At(key) if key > after => Bound::Included(key),
            From::End => return None,
            _ => Bound::Excluded(after),
        };
        let mut puts = frozen.puts_from(from);
        let found = puts.find(|(key, _)| !self.active.shadows(key))?;
        Some((found.0.clone(), found.1.clone()))
    }

    fn first_base(&self, base: &impl Base<K, V>) -> Result<Option<(K, V)>> {
        let mut heads = self.heads.borrow_mut();
        loop {
            while let Some((key, value)) = heads.ahead.front() {
                if !self.shadows(key) {
                    return Ok(Some((key.clone(), value.clone())));
                }
                heads.ahead.pop_front();
            }
            let Some(from) = heads.rest.bound() else {
                return Ok(None);
            };
            let rows = base.read(from, READ_AHEAD)?;
            heads.rest = match rows.last() {
                Some((key, _)) if rows.len() == READ_AHEAD => From::After(key.clone()),
                _ => From::End,
            };
            heads.ahead = rows.into();
        }
    }

    fn next_base(&self, after: &K, base: &impl Base<K, V>) -> Result<Option<(K, V)>> {
        let Some(first) = self.first_base(base)? else {
            return Ok(None);
        };
        if first.0 > *after {
            return Ok(Some(first));
        }
        let heads = self.heads.borrow();
        let known = heads.ahead.partition_point(|(key, _)| key <= after);
        for (key, value) in heads.ahead.range(known..) {
            if !self.shadows(key) {
                return Ok(Some((key.clone(), value.clone())));
            }
        }
        let mut from = match &heads.rest {
            From::End => return Ok(None),
            From::After(key) if key > after => From::After(key.clone()),
            _ => From::After(after.clone()),
        };
        let mut limit = 2;
        while let Some(bound) = from.bound() {
            let rows = base.read(bound, limit)?;
            let full = rows.len() == limit;
            limit = READ_AHEAD;
            let last = rows.last().map(|(key, _)| key.clone());
            if let Some(row) = rows.into_iter().find(|(key, _)| !self.shadows(key)) {
                return Ok(Some(row));
            }
            from = match last {
                Some(key) if full => From::After(key),
                _ => From::End,
            };
        }
        Ok(None)
    }

    fn shadows(&self, key: &K) -> bool {
        let frozen = self.frozen.as_ref();
        self.active.shadows(key) || frozen.is_some_and(|frozen| frozen.shadows(key))
    }
}

/// Adds up to `limit` puts to what was found below, but for hidden ones, and only as far as that went.
fn add_puts<K: Ord + Clone, V: Clone>(
    part: &mut Part<K, V>,
    overlay: &Overlay<K, V>,
    from: Bound<&K>,
    limit: usize,
    hidden: impl Fn(&K) -> bool,
) {
    for (number, (key, value)) in overlay.puts_from(from).enumerate() {
        if part.resume.as_ref().is_some_and(|resume| key > resume) {
            return;
        }
        if !hidden(key) {
            part.rows.push((key.clone(), value.clone()));
        }
        if number + 1 >= limit {
            part.resume = Some(key.clone());
            return;
        }
    }
}

fn smaller<K: Ord, V>(a: Option<(K, V)>, b: Option<(K, V)>) -> Option<(K, V)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
        (a, b) => a.or(b),
    }
}
