//! A full scan that compares all that is kept in step: for tests, and before a repair.

use std::ops::Bound;
use std::sync::Arc;

use super::counts::{Counts, LineCount};
use super::disk::{Disk, Rows};
use super::groups::line_name;
use super::keys::chunk::{self, Chunk, IndexKey};
use super::keys::{Archive, Buckets, Live, Unique};
use super::layered::{Base, Layered};
use super::packed::Packed;
use super::record::{Deadline, Name, Place, Ripening, Task};
use super::repack::CHUNK_ENTRIES;
use super::state::State;
use super::view::Result;
use super::{StoreError, View, figures};

impl State {
    /// Compares hash, counts and indexes with the rows. Reads everything.
    ///
    /// # Errors
    /// If something does not match, or can't be read.
    pub fn check(&self) -> Result<()> {
        let disk = self.disk()?;
        let mut hash = 0u64;
        let mut counts = Counts::default();
        let mut timeouts = 0u64;
        let mut keys = 0u64;
        each(&self.live, &Rows::<Live>::of(disk), |uuid, task| {
            same("live tasks", &task.uuid, uuid)?;
            hash = hash.wrapping_add(task.hash());
            counts.count(task);
            timeouts += u64::from(task.deadline().is_some());
            keys += u64::from(task.unique_key().is_some());
            self.check_deadline(task)?;
            self.check_later_fields(task)
        })?;
        same("counts", &counts, self.counts())?;
        self.check_lines()?;
        check_chunks::<Place>(disk)?;
        check_chunks::<Deadline>(disk)?;
        check_chunks::<Ripening>(disk)?;
        self.check_delayed()?;
        let mut held = 0u64;
        each(&self.unique, &Rows::<Unique>::of(disk), |_, _| {
            held += 1;
            Ok(())
        })?;
        same("unique keys", &held, &keys)?;
        let mut deadlines = 0u64;
        each(&self.deadlines, &Packed::all(disk), |_, _| {
            deadlines += 1;
            Ok(())
        })?;
        same("deadlines", &deadlines, &timeouts)?;
        let mut archived = 0u64;
        each(&self.archive, &Rows::<Archive>::of(disk), |uuid, task| {
            same("archive", &task.uuid, uuid)?;
            hash = hash.wrapping_add(task.hash());
            archived += 1;
            Ok(())
        })?;
        let mut in_buckets = 0u64;
        each(&self.buckets, &Rows::<Buckets>::of(disk), |_, bucket| {
            let mut sum = 0u64;
            for uuid in &bucket.uuids {
                let task = self.archived(*uuid)?;
                let missing = || damaged("archive", format!("task {uuid} is missing"));
                sum = sum.wrapping_add(task.ok_or_else(missing)?.hash());
                in_buckets += 1;
            }
            same("a bucket's hash", &sum, &bucket.hash_sum)
        })?;
        same("buckets", &in_buckets, &archived)?;
        let hash = hash.wrapping_add(self.check_answers()?);
        let documents = self.documents().all();
        let hash = documents.fold(hash, |hash, (key, value)| {
            hash.wrapping_add(key.hash(value))
        });
        let hash = self.figures().rows().fold(hash, |hash, (key, cell)| {
            hash.wrapping_add(figures::hash(&key, cell))
        });
        same("state hash", &hash, &self.header().state_hash)
    }

    fn check_deadline(&self, task: &Arc<Task>) -> Result<()> {
        let Some(deadline) = task.deadline() else {
            return Ok(());
        };
        let base = Packed::all(self.disk()?);
        same(
            "deadlines",
            &self.deadlines.get(&deadline, &base)?,
            &Some(task.uuid),
        )
    }

    fn check_later_fields(&self, task: &Arc<Task>) -> Result<()> {
        if let Some(key) = task.unique_key() {
            let holder = self.unique(&task.queue, key)?;
            same("unique keys", &holder, &Some(task.uuid))?;
        }
        if let Some(ripening) = task.ripening() {
            let found = self.delayed.get(&ripening, self.disk()?)?;
            same("delayed", &found, &Some(task.uuid))?;
        }
        Ok(())
    }

    /// As many tasks are delayed as are counted, each of them once.
    fn check_delayed(&self) -> Result<()> {
        let mut counts = Counts::default();
        let mut after = None;
        while let Some((ripening, uuid)) = self.next_delayed(after)? {
            let missing = || damaged("delayed", format!("task {uuid} is no live task"));
            let task = self.live(uuid)?.ok_or_else(missing)?;
            same("delayed", &task.ripening(), &Some(ripening))?;
            counts.add(&task.queue, &task.current_state, LineCount::of(&task));
            after = Some(ripening);
        }
        for (queue, states) in self.counts().queues() {
            for (state, kept) in &states.states {
                same("delayed", &counts.of(queue, state), &kept.delayed)?;
            }
        }
        Ok(())
    }

    /// Every line holds as many tasks as are counted as claimable, each in its place.
    fn check_lines(&self) -> Result<()> {
        for (queue, states) in self.counts().queues() {
            for state in states.states.keys() {
                let in_groups = self.counts().groups().claimable(queue, state);
                let found = self.check_line(queue, state, "")?;
                same(
                    "ready index",
                    &(found + in_groups),
                    &self.claimable(queue, state),
                )?;
            }
        }
        for (queue, groups) in self.counts().groups().queues() {
            for (state, group, count) in groups.lines() {
                let found = self.check_line(queue, state, group)?;
                same("ready index", &found, &(count.live - count.delayed))?;
            }
        }
        let heads = self.find_heads()?;
        same("heads of groups", &heads, &self.heads)
    }

    /// How many tasks stand in a line; each must be in its place.
    fn check_line(&self, queue: &Name, state: &Name, group: &str) -> Result<u64> {
        let line = line_name(state, group);
        let mut found = 0u64;
        let mut after = None;
        while let Some((place, uuid)) =
            self.lines
                .next(queue, &line, after.as_ref(), self.disk()?)?
        {
            let task = self.live(uuid)?;
            let stands = task.is_some_and(|task| {
                task.place() == place
                    && task.queue == *queue
                    && task.current_state == *state
                    && task.group().map_or("", |group| group) == group
                    && !task.is_delayed
            });
            same("ready index", &stands, &true)?;
            found += 1;
            after = Some(place);
        }
        Ok(found)
    }
}

/// In the checkpoint the chunks of a line follow each other, and none is too large.
fn check_chunks<K: IndexKey + std::fmt::Debug>(disk: &Disk) -> Result<()> {
    let _packed = disk.packed.read();
    let mut before: Option<(Vec<u8>, K)> = None;
    let mut after: Option<sled::IVec> = None;
    loop {
        let from = match &after {
            Some(after) => Bound::Excluded(&after[..]),
            None => Bound::Unbounded,
        };
        let rows = disk.read_bytes(K::TREE, from, Bound::Unbounded, 1)?;
        let Some((key, value)) = rows.into_iter().next() else {
            return Ok(());
        };
        let (prefix, place) = key.split_at(key.len().saturating_sub(K::WIDTH));
        let chunk: Chunk<K> = chunk::decode(place, &value)?;
        if chunk.entries.len() > CHUNK_ENTRIES {
            let detail = format!("a chunk of {} entries", chunk.entries.len());
            return Err(damaged(K::WHAT, detail));
        }
        if let Some((line, last)) = &before
            && line == prefix
            && *last >= chunk.key
        {
            let detail = format!("the chunk {:?} begins before its place", chunk.key);
            return Err(damaged(K::WHAT, detail));
        }
        let last = chunk.entries.last().map(|(last, _)| *last);
        before = last.map(|last| (prefix.to_vec(), last));
        after = Some(key);
    }
}

/// All values in key order.
fn each<K: Ord + Clone, V: Clone>(
    rows: &Layered<K, V>,
    base: &impl Base<K, V>,
    mut visit: impl FnMut(&K, &V) -> Result<()>,
) -> Result<()> {
    let mut after = None;
    while let Some((key, value)) = rows.next(after.as_ref(), base)? {
        visit(&key, &value)?;
        after = Some(key);
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, kept: &T) -> Result<()> {
    if found == kept {
        return Ok(());
    }
    Err(damaged(
        what,
        format!("{found:?} was found, {kept:?} is kept"),
    ))
}

fn damaged(what: &str, detail: String) -> StoreError {
    StoreError::damaged(what, detail)
}
