//! Set queue: how a queue is run from now on.

use prost::Message;

use super::step::{Step, refused};
use super::{Outcome, Refusal};
use crate::proto::durable::{QueueSettings, Regrouping, SetQueue};
use crate::store::controls::{PACES, SETTINGS};
use crate::store::documents::DocumentKey;
use crate::store::{Change, StoreError, View};

/// The most queues with settings: all are in memory.
const MAX_QUEUES: usize = 10_000;

pub(super) fn step(view: &impl View, now_ns: i64, set: SetQueue) -> Result<Step, StoreError> {
    let controls = view.controls();
    let before = controls.of(&set.queue).map(|control| &control.settings);
    if before.is_none() && controls.len() >= MAX_QUEUES {
        return Ok(refused(Refusal::TooManyQueues {
            limit: MAX_QUEUES as u64,
        }));
    }
    let queue = set.queue.clone();
    let after = changed(before.cloned().unwrap_or_default(), now_ns, set);
    let is_plain = after == QueueSettings::default();
    let kept = (!is_plain).then(|| after.encode_to_vec().into());
    let mut changes = Vec::new();
    // A pace goes before the settings: without them there is none.
    let no_pace = if after.max_claims_per_s == 0 {
        Some(None)
    } else {
        None
    };
    for (kind, value) in [(PACES, no_pace), (SETTINGS, Some(kept))] {
        let before = view.documents().get(kind, &queue).cloned();
        if let Some(after) = value.filter(|after| *after != before) {
            let name = queue.as_str().into();
            changes.push(Change::Document {
                key: DocumentKey { kind, name },
                before,
                after,
            });
        }
    }
    Ok((Outcome::Queue(after), changes))
}

fn changed(mut settings: QueueSettings, now_ns: i64, set: SetQueue) -> QueueSettings {
    if let Some(is_paused) = set.is_paused {
        if is_paused != settings.is_paused {
            settings.paused_since_ns = if is_paused { now_ns } else { 0 };
        }
        settings.is_paused = is_paused;
    }
    if let Some(group_by) = set.group_by
        && group_by != settings.group_by
    {
        settings.group_by = group_by;
        // From the first task on, even if an earlier change is still under way.
        settings.regrouping = Some(Regrouping::default());
    }
    let numbers = [
        (&mut settings.max_in_flight, set.max_in_flight),
        (
            &mut settings.max_in_flight_per_group,
            set.max_in_flight_per_group,
        ),
        (&mut settings.max_claims_per_s, set.max_claims_per_s),
        (&mut settings.max_waiting, set.max_waiting),
    ];
    for (number, given) in numbers {
        *number = given.unwrap_or(*number);
    }
    let seconds = [
        (&mut settings.default_timeout_s, set.default_timeout_s),
        (
            &mut settings.default_claim_timeout_s,
            set.default_claim_timeout_s,
        ),
        (&mut settings.retention_s, set.retention_s),
    ];
    for (number, given) in seconds {
        *number = given.map_or(*number, |given| given.max(0));
    }
    settings
}
