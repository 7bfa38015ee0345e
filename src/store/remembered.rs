//! Remembered answers in the layers, with the order in which they are forgotten.

use std::sync::Arc;

use super::answer::{Answer, Expiry, Footprint};
use super::disk::Rows;
use super::keys::{Answers, Expiries};
use super::record::Name;
use super::state::State;
use super::view::Result;
use super::{StoreError, View};

/// About what a remembered answer takes in memory, with its index entry and without its outcome.
pub(super) const ANSWER_BYTES: usize = 450;
/// The same on disk.
pub(super) const HELD_ANSWER: u64 = 200;

impl State {
    pub(super) fn remember(&mut self, key: &Name, answer: &Arc<Answer>) -> Result<()> {
        let there = match self.answers.recent(key) {
            Some(row) => row.is_some(),
            // Whoever remembers has looked; looking again is for tests.
            None => cfg!(debug_assertions) && self.answer(key)?.is_some(),
        };
        if there {
            return Err(damaged(key, "is remembered already"));
        }
        self.loose_bytes += answer.outcome.len();
        self.held_bytes += HELD_ANSWER + answer.outcome.len() as u64;
        self.answers.insert(key.clone(), answer.clone());
        self.expiries
            .insert(answer.expiry(key), answer.footprint(key));
        self.awaited.tell(key);
        Ok(())
    }

    pub(super) fn forget(&mut self, expiry: &Expiry, footprint: &Footprint) -> Result<()> {
        let there = self
            .expiries
            .get(expiry, &Rows::<Expiries>::of(self.disk()?))?;
        if there.as_ref() != Some(footprint) {
            return Err(damaged(&expiry.key, "is not the one to be forgotten"));
        }
        if cfg!(debug_assertions) && self.answer(&expiry.key)?.is_none() {
            return Err(damaged(&expiry.key, "is missing"));
        }
        self.expiries.remove(expiry);
        let recent = self.answers.remove(&expiry.key);
        let in_memory = recent.map_or(0, |answer| answer.outcome.len());
        self.loose_bytes = self.loose_bytes.saturating_sub(in_memory);
        let held = HELD_ANSWER + footprint.outcome_bytes;
        self.held_bytes = self.held_bytes.saturating_sub(held);
        Ok(())
    }

    /// Compares all answers with their index; the sum of their hashes. Reads everything.
    pub(super) fn check_answers(&self) -> Result<u64> {
        let mut hash = 0u64;
        let (mut answers, mut expiries) = (0u64, 0u64);
        let expiry_rows = Rows::<Expiries>::of(self.disk()?);
        let mut after = None;
        let answer_rows = Rows::<Answers>::of(self.disk()?);
        while let Some((key, answer)) = self.answers.next(after.as_ref(), &answer_rows)? {
            let footprint = answer.footprint(&key);
            hash = hash.wrapping_add(footprint.hash);
            answers += 1;
            let kept = self.expiries.get(&answer.expiry(&key), &expiry_rows)?;
            if kept != Some(footprint) {
                return Err(damaged(&key, "is not as its index says"));
            }
            after = Some(key);
        }
        let mut after = None;
        while let Some((expiry, _)) = self.expiries.next(after.as_ref(), &expiry_rows)? {
            expiries += 1;
            after = Some(expiry);
        }
        if answers == expiries {
            return Ok(hash);
        }
        let detail = format!("{answers} answers have {expiries} index entries");
        Err(StoreError::damaged("answers", detail))
    }
}

fn damaged(key: &str, detail: &str) -> StoreError {
    StoreError::damaged("answers", format!("the answer of key {key:?} {detail}"))
}
