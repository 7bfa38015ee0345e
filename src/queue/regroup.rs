//! Regroup: the tasks of a queue whose `group_by` changed are moved to their groups, so many at a time.
//!
//! How far it has come is part of the settings: any leader goes on from there, and another change of `group_by`
//! begins again. Tasks that are submitted meanwhile are in their groups already.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::set_queue::settings_change;
use super::step::{Step, limit};
use super::{Outcome, grouping};
use crate::proto::durable::{Regroup, Regrouping};
use crate::store::{Change, StoreError, View};

pub(super) fn step(view: &impl View, regroup: Regroup) -> Result<Step, StoreError> {
    let limit = limit(regroup.limit);
    let control = view.controls().of(&regroup.queue);
    let settings = control.map(|control| control.settings.clone());
    let cursor = settings
        .as_ref()
        .and_then(|settings| settings.regrouping.clone());
    let (Some(mut settings), Some(cursor)) = (settings, cursor) else {
        let (tasks, more) = (0, false);
        return Ok((Outcome::Regrouped { tasks, more }, Vec::new()));
    };
    let mut after = Uuid::from_slice(&cursor.after).ok();
    let mut changes = Vec::new();
    let mut more = true;
    for _ in 0..limit {
        let Some(before) = view.next_live(after)? else {
            more = false;
            break;
        };
        after = Some(before.uuid);
        if *before.queue == *regroup.queue
            && let Some(moved) = grouping::moved(view, &before, &settings)
        {
            let after = Arc::new(moved);
            changes.push(Change::Replace { before, after });
        }
    }
    let tasks = changes.len() as u64;
    let after = after.map(|uuid| Bytes::copy_from_slice(uuid.as_bytes()));
    settings.regrouping = more.then(|| Regrouping {
        after: after.unwrap_or_default(),
    });
    changes.extend(settings_change(view, &regroup.queue, &settings));
    Ok((Outcome::Regrouped { tasks, more }, changes))
}
