//! What the settings of queues mean, as naively as the rest of the model says it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::model::{Answer, Model, Row};
use crate::proto::durable::{Regroup, SetQueue, Submit};

const NS_PER_S: i64 = 1_000_000_000;

/// One queue's settings; 0 means no limit.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    paused: bool,
    in_flight: u64,
    claims_per_s: u64,
    waiting: u64,
    group_by: String,
    per_group: u64,
    /// The last task that was moved to its group, while they are moved.
    regrouping: Option<Uuid>,
    timeout: i64,
    claim_timeout: i64,
    retention: i64,
    /// When claims were let through that still count.
    claimed: Vec<i64>,
}

impl Model {
    pub fn set_queue(&mut self, set: &SetQueue) -> Answer {
        let has_tasks = self.count(&set.queue, |_| true) > 0;
        let limits = self.limits.entry(set.queue.clone()).or_default();
        let group_by = set.group_by.clone().unwrap_or(limits.group_by.clone());
        if limits.group_by != group_by {
            limits.group_by = group_by;
            limits.regrouping = has_tasks.then(Uuid::nil);
        }
        limits.per_group = set.max_in_flight_per_group.unwrap_or(limits.per_group);
        limits.paused = set.is_paused.unwrap_or(limits.paused);
        limits.in_flight = set.max_in_flight.unwrap_or(limits.in_flight);
        limits.waiting = set.max_waiting.unwrap_or(limits.waiting);
        limits.timeout = set.default_timeout_s.unwrap_or(limits.timeout);
        limits.claim_timeout = set.default_claim_timeout_s.unwrap_or(limits.claim_timeout);
        limits.retention = set.retention_s.unwrap_or(limits.retention);
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
        let in_flight = self.count(queue, |row| row.is_held());
        let has_slot = limits.in_flight == 0 || in_flight < limits.in_flight;
        let is_moving = limits.regrouping.is_some() && limits.limits_groups();
        !limits.paused && !is_moving && has_slot && limits.has_token(self.clock)
    }

    /// Whether another task of a task's group may be in flight.
    pub fn lets_group_through(&self, row: &Row) -> bool {
        let limits = self
            .limits
            .get(&row.queue)
            .filter(|_| !row.group.is_empty());
        let Some(limits) = limits.filter(|limits| limits.limits_groups()) else {
            return true;
        };
        let held = self.count(&row.queue, |other| {
            other.is_held() && other.group == row.group
        });
        held < limits.per_group
    }

    pub fn group_of(&self, submit: &Submit) -> String {
        let limits = self.limits.get(&submit.queue);
        limits.map_or_else(String::new, |limits| limits.group_in(&submit.metadata))
    }

    pub fn regroup(&mut self, regroup: &Regroup) -> Answer {
        let Some(limits) = self.limits.get_mut(&regroup.queue) else {
            return Answer::Regrouped(0, false);
        };
        let Some(after) = limits.regrouping else {
            return Answer::Regrouped(0, false);
        };
        let entries = self.tasks.iter_mut();
        let live = entries.filter(|entry| entry.archived.is_none());
        let mut rows: Vec<&mut Row> = live.map(|entry| &mut entry.row).collect();
        rows.sort_by_key(|row| row.uuid);
        rows.retain(|row| row.uuid > after);
        let more = rows.len() >= regroup.limit as usize;
        rows.truncate(regroup.limit as usize);
        let last = rows.last().map_or(after, |row| row.uuid);
        limits.regrouping = more.then_some(last);
        let mut moved = 0;
        for row in rows.iter_mut().filter(|row| row.queue == regroup.queue) {
            let group = limits.group_in(&row.metadata);
            moved += u64::from(group != row.group);
            row.group = group;
        }
        Answer::Regrouped(moved, more)
    }

    pub fn has_retention(&self, queue: &str) -> bool {
        let limits = self.limits.get(queue);
        limits.is_some_and(|limits| limits.retention > 0)
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
        let waiting = self.count(queue, |row| !row.is_held());
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
    fn limits_groups(&self) -> bool {
        self.per_group > 0 && !self.group_by.is_empty()
    }

    fn group_in(&self, metadata: &BTreeMap<String, String>) -> String {
        let value = metadata.get(&self.group_by);
        value
            .filter(|_| !self.group_by.is_empty())
            .cloned()
            .unwrap_or_default()
    }

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
