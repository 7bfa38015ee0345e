//! Set queue: how a queue is run from now on.

use bytes::Bytes;
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
    let after = changed(
        before.cloned().unwrap_or_default(),
        view.counts().queue(&queue).is_some(),
        now_ns,
        set,
    );
    let mut changes = Vec::new();
    // A pace goes before the settings: without them there is none.
    if after.max_claims_per_s == 0 {
        changes.extend(document_change(view, PACES, &queue, None));
    }
    changes.extend(settings_change(view, &queue, &after));
    Ok((Outcome::Queue(after), changes))
}

/// What makes these the settings of a queue, if they are others than before. Where all are as they were at first, none are kept.
pub(super) fn settings_change(
    view: &impl View,
    queue: &str,
    settings: &QueueSettings,
) -> Option<Change> {
    let is_plain = *settings == QueueSettings::default();
    let after = (!is_plain).then(|| settings.encode_to_vec().into());
    document_change(view, SETTINGS, queue, after)
}

fn document_change(
    view: &impl View,
    kind: u8,
    queue: &str,
    after: Option<Bytes>,
) -> Option<Change> {
    let before = view.documents().get(kind, queue).cloned();
    let name = queue.into();
    let key = DocumentKey { kind, name };
    (after != before).then_some(Change::Document { key, before, after })
}

fn changed(
    mut settings: QueueSettings,
    has_tasks: bool,
    now_ns: i64,
    set: SetQueue,
) -> QueueSettings {
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
        settings.regrouping = has_tasks.then(Regrouping::default);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Changes, MemoryStore};

    fn limited(queue: &str) -> SetQueue {
        SetQueue {
            queue: queue.into(),
            max_in_flight: Some(1),
            ..SetQueue::default()
        }
    }

    /// All are in memory: their number is bounded, and what is there can be changed all the same.
    #[test]
    fn so_many_queues_have_settings_and_no_more() {
        let mut store = MemoryStore::new();
        for number in 0..MAX_QUEUES {
            let (_, changes) = step(&store, 1, limited(&number.to_string())).unwrap();
            for change in changes {
                store.record(change).unwrap();
            }
        }
        let (outcome, changes) = step(&store, 1, limited("another")).unwrap();
        let limit = MAX_QUEUES as u64;
        assert_eq!(outcome, Outcome::Refused(Refusal::TooManyQueues { limit }));
        assert!(changes.is_empty());
        let paused = SetQueue {
            is_paused: Some(true),
            ..limited("7")
        };
        let (outcome, changes) = step(&store, 1, paused).unwrap();
        assert!(matches!(outcome, Outcome::Queue(settings) if settings.is_paused));
        assert_eq!(changes.len(), 1);
    }
}
