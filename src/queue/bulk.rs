//! Bulk: one step of an act on all live tasks that a filter fits, in the order of their uuids.

use std::sync::Arc;

use uuid::Uuid;

use super::archive::ended;
use super::outcome::Cursor;
use super::step::{Step, limit, read_uuid, refused};
use super::{Outcome, Refusal, filter, names, transition};
use crate::proto::durable::{self, BulkCursor, bulk::Act};
use crate::store::history::TransitionKind;
use crate::store::record::{Extras, Name, Task};
use crate::store::{Change, StoreError, View};

/// Looks at up to `limit` tasks and changes those that are meant.
///
/// Tasks that came after the first step are not meant: so it ends, whatever is submitted meanwhile.
pub(super) fn step(view: &impl View, now_ns: i64, bulk: durable::Bulk) -> Result<Step, StoreError> {
    let Some(act) = &bulk.act else {
        return Ok(refused(Refusal::Malformed {
            reason: "it says nothing to do",
        }));
    };
    let cursor = match read_cursor(bulk.after.as_ref()) {
        Ok(cursor) => cursor,
        Err(refusal) => return Ok(refused(refusal)),
    };
    let (after, before_seq) = match cursor {
        Some((uuid, 0)) => (Some(uuid), view.header().next_seq),
        Some((uuid, before_seq)) => (Some(uuid), before_seq),
        None => (None, view.header().next_seq),
    };
    let filter = bulk.filter.clone().unwrap_or_default();
    let mut found = Found {
        matched: bulk.already_matched,
        changes: Vec::new(),
        most: match bulk.max_tasks {
            0 => u64::MAX,
            max_tasks => max_tasks.saturating_sub(bulk.already_changed),
        },
    };
    let look = |task: &Arc<Task>, found: &mut Found| {
        if task.seq >= before_seq || !filter::fits(&filter, task) {
            return;
        }
        found.matched += 1;
        if !task.is_in_flight() || bulk.include_in_flight {
            found.changes.extend(change(view, now_ns, act, task));
        }
    };
    let limit = limit(bulk.limit);
    let resume = match filter::may_fit_live(&filter, view.counts()) {
        true => scan(view, after, limit, &mut found, look)?,
        false => None,
    };
    let after = resume.map(|uuid| Cursor { uuid, before_seq });
    let outcome = Outcome::Bulk {
        matched: found.matched,
        changed: bulk.already_changed + found.changes.len() as u64,
        is_done: after.is_none() || found.is_full(),
        after,
    };
    Ok((outcome, found.changes))
}

struct Found {
    matched: u64,
    changes: Vec<Change>,
    most: u64,
}

impl Found {
    fn is_full(&self) -> bool {
        self.changes.len() as u64 >= self.most
    }
}

/// Looks at exactly `limit` tasks, or fewer where there are no more or enough are changed: how
/// many rows a page has is no part of the state. Returns the last one; none where it looked at
/// fewer since there were no more.
fn scan(
    view: &impl View,
    mut after: Option<Uuid>,
    limit: usize,
    found: &mut Found,
    look: impl Fn(&Arc<Task>, &mut Found),
) -> Result<Option<Uuid>, StoreError> {
    let mut left = limit;
    loop {
        let page = view.live_after(after, left)?;
        for task in &page.tasks {
            if left == 0 || found.is_full() {
                return Ok(after);
            }
            look(task, found);
            left -= 1;
            after = Some(task.uuid);
        }
        // Asked before the page's end: whether a full page knows that it is the last one is no
        // part of the state either.
        if left == 0 || found.is_full() {
            return Ok(after);
        }
        after = page.resume;
        if after.is_none() {
            return Ok(None);
        }
    }
}

fn read_cursor(cursor: Option<&BulkCursor>) -> Result<Option<(Uuid, u64)>, Refusal> {
    let cursor = cursor.map(|cursor| Ok((read_uuid(&cursor.uuid)?, cursor.before_seq)));
    cursor.transpose()
}

/// What the act does to a task; none if it leaves it alone.
fn change(view: &impl View, now_ns: i64, act: &Act, before: &Arc<Task>) -> Option<Change> {
    let after = match act {
        Act::Cancel(_) => ended(now_ns, before, TransitionKind::Canceled, names::canceled()),
        Act::Requeue(requeue) => requeued(view, now_ns, requeue, before)?,
        Act::Change(change) => changed(view, now_ns, change, before),
    };
    let (before, after) = (before.clone(), Arc::new(after));
    Some(match act {
        Act::Cancel(_) => Change::Cancel { before, after },
        Act::Requeue(_) | Act::Change(_) => Change::Replace { before, after },
    })
}

/// The row as it is put back: claimable now, its attempts starting anew, its lease over.
///
/// The attempt itself goes on, since it is the fencing token.
fn requeued(
    view: &impl View,
    now_ns: i64,
    requeue: &durable::Requeue,
    before: &Task,
) -> Option<Task> {
    let state = |name: &str| {
        let known = [&before.current_state, &before.auto_target_state];
        names::state(view.counts(), &before.queue, &known, name)
    };
    let (current_state, auto_target_state) = match requeue.new_state.as_str() {
        "" => back(before)?,
        new_state => (state(new_state), state(&requeue.auto_target_state)),
    };
    Some(Task {
        current_state,
        auto_target_state,
        timeout_s: 0,
        update_time_ns: now_ns,
        claimed_ns: 0,
        is_delayed: false,
        not_before_ns: match before.is_delayed {
            true => 0,
            false => before.not_before_ns,
        },
        queue: before.queue.clone(),
        history: transition::noted(before, TransitionKind::Requeued, now_ns),
        extras: spared(before),
        payload: before.payload.clone(),
        worker: before.worker.clone(),
        ..*before
    })
}

/// The states in which a dead task, or one in flight, was claimed.
fn back(before: &Task) -> Option<(Name, Name)> {
    let dead = names::dead();
    let back = before.auto_target_state.clone();
    if before.current_state != dead {
        let is_held = before.is_in_flight();
        return is_held.then(|| (back, before.current_state.clone()));
    }
    let mut left = before.history.newest_first().map(|one| &one.from);
    let died_in = match left.find(|from| **from != dead) {
        Some(died_in) => died_in.clone(),
        None => Name::from(format!("{back}-working")),
    };
    (back != dead).then_some((back, died_in))
}

/// Its further fields, in which all attempts up to now count no longer.
fn spared(before: &Task) -> Option<Arc<Extras>> {
    let known = before.extras.as_deref();
    if known.map_or(0, |extras| extras.spared_attempts) == before.attempt {
        return before.extras.clone();
    }
    let extras = Extras {
        spared_attempts: before.attempt,
        ..known.cloned().unwrap_or_default()
    };
    extras.shared()
}

fn changed(view: &impl View, now_ns: i64, change: &durable::Change, before: &Task) -> Task {
    let known = [&before.current_state, &before.auto_target_state];
    let state = |name: &str, kept: &Name| match name {
        "" => kept.clone(),
        name => names::state(view.counts(), &before.queue, &known, name),
    };
    let current_state = state(&change.new_state, &before.current_state);
    let is_held = current_state == before.current_state;
    Task {
        current_state,
        auto_target_state: state(&change.auto_target_state, &before.auto_target_state),
        timeout_s: change
            .timeout_s
            .map_or(before.timeout_s, |number| number.value.max(0)),
        priority: change
            .priority
            .map_or(before.priority, |number| number.value),
        update_time_ns: now_ns,
        claimed_ns: if is_held { before.claimed_ns } else { 0 },
        queue: before.queue.clone(),
        history: transition::noted(before, TransitionKind::Updated, now_ns),
        extras: before.extras.clone(),
        payload: before.payload.clone(),
        worker: before.worker.clone(),
        ..*before
    }
}
