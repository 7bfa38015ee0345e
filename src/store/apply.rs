//! How a change moves rows and indexes.

use std::sync::Arc;

use super::controls::SETTINGS;
use super::disk::Rows;
use super::groups::line_name;
use super::keys::{Buckets, Live};
use super::record::{Bucket, BucketKey, Position, Task};
use super::state::{HELD_ARCHIVED, HELD_LIVE, State};
use super::view::Result;
use super::{Change, Changes, StoreError, View};

impl Changes for State {
    fn begin_entry(&mut self, now_ns: i64) -> i64 {
        self.in_entry = true;
        self.ledger.begin_entry(now_ns)
    }

    fn record(&mut self, change: Change) -> Result<()> {
        match &change {
            Change::Submit(task) => self.submit(task)?,
            Change::Replace { before, after }
            | Change::TimeOut { before, after }
            | Change::Fail { before, after } => {
                self.replace(before, after)?;
            }
            Change::Complete { before, after } | Change::Cancel { before, after } => {
                self.archive(before, after)?;
            }
            Change::Expire { key, bucket } => self.expire(key, bucket)?,
            Change::Remember { key, answer } => self.remember(key, answer)?,
            Change::Forget { expiry, footprint } => self.forget(expiry, footprint)?,
            // The ledger keeps them.
            Change::Document { .. } => {}
        }
        self.note_loosened(&change);
        self.ledger.absorb(&change)?;
        self.follow(&change)
    }

    fn end_entry(&mut self, position: Position) -> Result<()> {
        for (key, bucket) in self.ledger.end_entry(position)? {
            self.buckets.insert(key, bucket);
        }
        self.in_entry = false;
        let header = self.ledger.header();
        self.hashes.note(header.position.index, header.state_hash);
        Ok(())
    }
}

impl State {
    /// Makes sure that a change goes out from the row that is there.
    fn check_row(&self, before: &Arc<Task>) -> Result<()> {
        let same = |row: &Arc<Task>| Arc::ptr_eq(row, before) || row == before;
        let recent = self.live.recent(&before.uuid);
        let is_row = match recent {
            Some(row) => row.is_some_and(same),
            None => {
                let read = self
                    .last_read
                    .borrow()
                    .as_ref()
                    .is_some_and(|row| Arc::ptr_eq(row, before));
                read || self
                    .disk()?
                    .get::<Live>(&before.uuid)?
                    .as_ref()
                    .is_some_and(same)
            }
        };
        if is_row {
            return Ok(());
        }
        Err(StoreError::damaged(
            "tasks",
            format!("task {} is not the row to be changed", before.uuid),
        ))
    }

    fn submit(&mut self, task: &Arc<Task>) -> Result<()> {
        let there = match self.live.recent(&task.uuid) {
            Some(row) => row.is_some(),
            // Whoever submits has looked; looking again is for tests.
            None => cfg!(debug_assertions) && self.live(task.uuid)?.is_some(),
        };
        if there {
            return Err(StoreError::damaged(
                "tasks",
                format!("task {} exists already", task.uuid),
            ));
        }
        self.loose_bytes += task.memory_bytes();
        self.held_bytes += HELD_LIVE + task.loose_bytes() as u64;
        self.live.insert(task.uuid, task.clone());
        self.insert_waiting(task);
        self.hold_key(task)?;
        if let Some(deadline) = task.deadline() {
            self.deadlines.insert(deadline, task.uuid);
        }
        Ok(())
    }

    fn replace(&mut self, before: &Arc<Task>, after: &Arc<Task>) -> Result<()> {
        self.check_row(before)?;
        self.forget_row(|state| state.live.replace(after.uuid, after.clone()));
        self.loose_bytes += after.memory_bytes();
        let grown = self.held_bytes + after.loose_bytes() as u64;
        self.held_bytes = grown.saturating_sub(before.loose_bytes() as u64);
        let moved = before.current_state != after.current_state
            || before.place() != after.place()
            || before.group() != after.group()
            || before.is_delayed != after.is_delayed;
        if moved {
            self.remove_waiting(before);
            self.insert_waiting(after);
        } else if before.is_in_flight() != after.is_in_flight() {
            self.delayed.touch(after);
        }
        if before.deadline() == after.deadline() {
            return Ok(());
        }
        if let Some(deadline) = before.deadline() {
            self.deadlines.remove(&deadline);
        }
        if let Some(deadline) = after.deadline() {
            self.deadlines.insert(deadline, after.uuid);
        }
        Ok(())
    }

    fn archive(&mut self, before: &Arc<Task>, after: &Arc<Task>) -> Result<()> {
        self.check_row(before)?;
        self.forget_row(|state| state.live.remove(&before.uuid));
        self.loose_bytes += after.memory_bytes();
        let grown = self.held_bytes + HELD_ARCHIVED;
        self.held_bytes = grown.saturating_sub(HELD_LIVE + before.loose_bytes() as u64);
        self.remove_waiting(before);
        if let Some(key) = before.unique_key() {
            let key = (before.queue.clone(), key.clone());
            self.unique.remove(&key);
        }
        if let Some(deadline) = before.deadline() {
            self.deadlines.remove(&deadline);
        }
        if self.archive.recent(&after.uuid).flatten().is_some() {
            return Err(StoreError::damaged(
                "archive",
                format!("task {} is archived already", after.uuid),
            ));
        }
        self.archive.insert(after.uuid, after.clone());
        Ok(())
    }

    fn expire(&mut self, key: &BucketKey, bucket: &Bucket) -> Result<()> {
        let there = self.buckets.get(key, &Rows::<Buckets>::of(self.disk()?))?;
        if there.as_ref() != Some(bucket) {
            return Err(StoreError::damaged(
                "buckets",
                format!("bucket {key:?} is not the one to be forgotten"),
            ));
        }
        self.buckets.remove(key);
        for uuid in &bucket.uuids {
            if cfg!(debug_assertions) && self.archived(*uuid)?.is_none() {
                return Err(StoreError::damaged(
                    "archive",
                    format!("task {uuid} of bucket {key:?} is not there"),
                ));
            }
            self.forget_row(|state| state.archive.remove(uuid));
        }
        let held = HELD_ARCHIVED * bucket.uuids.len() as u64;
        self.held_bytes = self.held_bytes.saturating_sub(held);
        Ok(())
    }

    /// Puts a task where it waits: among the delayed ones or in its line.
    fn insert_waiting(&mut self, task: &Task) {
        match task.ripening() {
            Some(ripening) => self.delayed.insert(ripening, task),
            None => {
                let (queue, state) = (&task.queue, &task.current_state);
                self.lines.ready().note(queue, state);
                match task.group() {
                    None => self.lines.insert(queue, state, task.place(), task.uuid),
                    Some(group) => {
                        let line = line_name(state, group);
                        self.lines.insert(queue, &line, task.place(), task.uuid);
                        self.delayed.touch(task);
                    }
                }
            }
        }
    }

    fn remove_waiting(&mut self, task: &Task) {
        match task.ripening() {
            Some(ripening) => self.delayed.remove(&ripening, task),
            None => {
                let (queue, state) = (&task.queue, &task.current_state);
                match task.group() {
                    None => self.lines.remove(queue, state, &task.place()),
                    Some(group) => {
                        let line = line_name(state, group);
                        self.lines.remove(queue, &line, &task.place());
                        self.delayed.touch(task);
                    }
                }
            }
        }
    }

    /// Gives a new task its unique key, which must be free.
    fn hold_key(&mut self, task: &Task) -> Result<()> {
        let Some(key) = task.unique_key() else {
            return Ok(());
        };
        if self.unique(&task.queue, key)?.is_some() {
            return Err(StoreError::damaged(
                "unique keys",
                format!("task {} has the key of another one", task.uuid),
            ));
        }
        let key = (task.queue.clone(), key.clone());
        self.unique.insert(key, task.uuid);
        Ok(())
    }

    /// Keeps the heads of groups in step with a change that is absorbed. Costs nothing for tasks of no group.
    fn follow(&mut self, change: &Change) -> Result<()> {
        let (before, after) = change.live_rows();
        if let Some(before) = before {
            self.follow_heads(before)?;
        }
        // All lines of a group are brought in step at once.
        match after {
            Some(after) if before.is_none_or(|before| before.group() != after.group()) => {
                self.follow_heads(after)
            }
            _ => Ok(()),
        }
    }

    /// Notes the queue whose settings change, or that had a task in flight and has it no more.
    fn note_loosened(&mut self, change: &Change) {
        if let Change::Document { key, .. } = change
            && key.kind == SETTINGS
        {
            self.lines.ready().loosened(&key.name);
        }
        if self.ledger.controls().is_empty() {
            return;
        }
        let (before, after) = change.live_rows();
        if let Some(before) = before
            && before.is_in_flight()
            && !after.is_some_and(|after| after.is_in_flight())
        {
            self.lines.ready().loosened(&before.queue);
        }
    }

    /// Forgets what a row held that is no longer in the active overlays.
    fn forget_row(&mut self, change: impl FnOnce(&mut Self) -> Option<Arc<Task>>) {
        let old = change(self).map_or(0, |old| old.memory_bytes());
        self.loose_bytes = self.loose_bytes.saturating_sub(old);
    }
}
