//! What the settings of queues mean, as naively as the rest of the model says it.

use super::model::{Answer, Model, Row};
use crate::proto::durable::{SetQueue, Submit};

const NS_PER_S: i64 = 1_000_000_000;

/// One queue's settings; 0 means no limit.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    paused: bool,
    in_flight: u64,
    claims_per_s: u64,
    waiting: u64,
    timeout: i64,
    claim_timeout: i64,
    /// When claims were let through that still count.
    claimed: Vec<i64>,
}

impl Model {
    pub fn set_queue(&mut self, set: &SetQueue) -> Answer {
        let limits = self.limits.entry(set.queue.clone()).or_default();
        limits.paused = set.is_paused.unwrap_or(limits.paused);
        limits.in_flight = set.max_in_flight.unwrap_or(limits.in_flight);
        limits.waiting = set.max_waiting.unwrap_or(limits.waiting);
        limits.timeout = set.default_timeout_s.unwrap_or(limits.timeout);
        limits.claim_timeout = set.default_claim_timeout_s.unwrap_or(limits.claim_timeout);
        if let Some(claims_per_s) = set.max_claims_per_s {
            limits.claims_per_s = claims_per_s;
            if claims_per_s == 0 {
                limits.claimed.clear();
            }
        }
        Answer::Set
    }

    fn count(&self, queue: &str, counts: impl Fn(&Row) -> bool) -> u64 {
        let live = self.tasks.iter().filter(|entry| entry.archived.is_none());
        let rows = live.map(|entry| &entry.row);
        rows.filter(|row| row.queue == queue && counts(row)).count() as u64
    }

    pub fn lets_through(&self, queue: &str) -> bool {
        let Some(limits) = self.limits.get(queue) else {
            return true;
        };
        let in_flight = self.count(queue, |row| row.claimed);
        let has_slot = limits.in_flight == 0 || in_flight < limits.in_flight;
        !limits.paused && has_slot && limits.has_token(self.clock)
    }

    pub fn note_claim(&mut self, queue: &str) {
        let clock = self.clock;
        if let Some(limits) = self.limits.get_mut(queue)
            && limits.claims_per_s > 0
        {
            limits.claimed.push(clock);
        }
    }

    /// Whether a submit would be one task too many.
    pub fn is_full(&self, queue: &str) -> bool {
        let waiting = self.count(queue, |row| !row.claimed);
        let limits = self.limits.get(queue);
        limits.is_some_and(|limits| limits.waiting > 0 && waiting >= limits.waiting)
    }

    /// The timeouts of a new task.
    pub fn timeouts(&self, submit: &Submit) -> (i64, i64) {
        let limits = self.limits.get(&submit.queue).cloned().unwrap_or_default();
        let timeout = match submit.is_default_timeout && limits.timeout > 0 {
            true => limits.timeout,
            false => submit.timeout_s,
        };
        let claim_timeout = match submit.claim_timeout_s {
            0 => limits.claim_timeout,
            given => given,
        };
        (timeout.max(0), claim_timeout.max(0))
    }
}

impl Limits {
    /// A bucket of tokens that fills evenly: it is full before the first claim.
    fn has_token(&self, clock: i64) -> bool {
        if self.claims_per_s == 0 {
            return true;
        }
        let rate = self.claims_per_s as i64;
        let a_token = (NS_PER_S + rate - 1) / rate;
        let (mut held, mut at) = (rate * a_token, i64::MIN / 2);
        for claimed in &self.claimed {
            held = (rate * a_token).min(held + (claimed - at)) - a_token;
            at = *claimed;
        }
        (rate * a_token).min(held + (clock - at)) >= a_token
    }
}
