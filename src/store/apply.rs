//! How a change moves rows and indexes.

use std::sync::Arc;

use super::disk::Rows;
use super::keys::{Buckets, Live};
use super::record::{Bucket, Position, Task};
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
            Change::Replace { before, after } | Change::TimeOut { before, after } => {
                self.replace(before, after)?;
            }
            Change::Complete { before, after } | Change::Cancel { before, after } => {
                self.archive(before, after)?;
            }
            Change::Expire { index, bucket } => self.expire(*index, bucket)?,
            Change::Remember { key, answer } => self.remember(key, answer)?,
            Change::Forget { expiry, footprint } => self.forget(expiry, footprint)?,
        }
        self.ledger.absorb(&change)
    }

    fn end_entry(&mut self, position: Position) -> Result<()> {
        if let Some((index, bucket)) = self.ledger.end_entry(position)? {
            self.buckets.insert(index, bucket);
        }
        self.in_entry = false;
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
        self.payload_bytes += task.payload.len();
        self.held_bytes += HELD_LIVE + task.payload.len() as u64;
        self.live.insert(task.uuid, task.clone());
        self.lines
            .insert(&task.queue, &task.current_state, task.place(), task.uuid);
        if let Some(deadline) = task.deadline() {
            self.deadlines.insert(deadline, task.uuid);
        }
        Ok(())
    }

    fn replace(&mut self, before: &Arc<Task>, after: &Arc<Task>) -> Result<()> {
        self.check_row(before)?;
        self.forget_payload(|state| state.live.replace(after.uuid, after.clone()));
        self.payload_bytes += after.payload.len();
        let grown = self.held_bytes + after.payload.len() as u64;
        self.held_bytes = grown.saturating_sub(before.payload.len() as u64);
        let moved = before.current_state != after.current_state || before.place() != after.place();
        if moved {
            self.lines
                .remove(&before.queue, &before.current_state, &before.place());
            self.lines.insert(
                &after.queue,
                &after.current_state,
                after.place(),
                after.uuid,
            );
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
        self.forget_payload(|state| state.live.remove(&before.uuid));
        let grown = self.held_bytes + HELD_ARCHIVED;
        self.held_bytes = grown.saturating_sub(HELD_LIVE + before.payload.len() as u64);
        self.lines
            .remove(&before.queue, &before.current_state, &before.place());
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

    fn expire(&mut self, index: u64, bucket: &Bucket) -> Result<()> {
        let there = self
            .buckets
            .get(&index, &Rows::<Buckets>::of(self.disk()?))?;
        if there.as_ref() != Some(bucket) {
            return Err(StoreError::damaged(
                "buckets",
                format!("bucket {index} is not the one to be forgotten"),
            ));
        }
        self.buckets.remove(&index);
        for uuid in &bucket.uuids {
            if cfg!(debug_assertions) && self.archived(*uuid)?.is_none() {
                return Err(StoreError::damaged(
                    "archive",
                    format!("task {uuid} of bucket {index} is not there"),
                ));
            }
            self.archive.remove(uuid);
        }
        let held = HELD_ARCHIVED * bucket.uuids.len() as u64;
        self.held_bytes = self.held_bytes.saturating_sub(held);
        Ok(())
    }

    fn forget_payload(&mut self, change: impl FnOnce(&mut Self) -> Option<Arc<Task>>) {
        let old = change(self).map_or(0, |old| old.payload.len());
        self.payload_bytes = self.payload_bytes.saturating_sub(old);
    }
}
