//! Calls about how queues are run: requests to commands, settings to messages.

use tonic::Status;

use super::convert::count;
use super::status::unexpected;
use super::validate::{self, Checked, invalid};
use crate::proto::{durable, v1alpha1 as api};
use crate::queue::{Outcome, limits};
use crate::store::View;

/// The highest limit of tasks, claims or seconds that a queue can have.
const MAX_LIMIT: i64 = 1 << 40;
/// The most claims a second that can be asked for: one a microsecond.
const MAX_CLAIMS_PER_S: i64 = 1_000_000;
/// The most queues of one answer.
const MAX_LISTED: i64 = 1000;

/// What changes a queue's settings.
///
/// # Errors
/// If a field breaks a limit.
pub fn set(request: api::SetQueueRequest) -> Checked<durable::SetQueue> {
    queue(&request.queue)?;
    if let Some(group_by) = &request.group_by {
        validate::name("group_by", group_by)?;
    }
    let limit = |field, number: Option<i64>, highest| {
        let number = number.map(|number| {
            in_range(field, number, highest)?;
            Ok(number.unsigned_abs())
        });
        number.transpose()
    };
    let seconds = |field, number: Option<i64>| {
        let checked = number.map(|number| in_range(field, number, MAX_LIMIT));
        checked.transpose().map(|_| number)
    };
    Ok(durable::SetQueue {
        max_in_flight: limit("max_in_flight", request.max_in_flight, MAX_LIMIT)?,
        max_in_flight_per_group: limit(
            "max_in_flight_per_group",
            request.max_in_flight_per_group,
            MAX_LIMIT,
        )?,
        max_claims_per_s: limit(
            "max_claims_per_s",
            request.max_claims_per_s,
            MAX_CLAIMS_PER_S,
        )?,
        max_waiting: limit("max_waiting", request.max_waiting, MAX_LIMIT)?,
        default_timeout_s: seconds("default_timeout", request.default_timeout)?,
        default_claim_timeout_s: seconds("default_claim_timeout", request.default_claim_timeout)?,
        retention_s: seconds("retention", request.retention)?,
        queue: request.queue,
        is_paused: request.paused,
        group_by: request.group_by,
    })
}

/// A queue's name, which has no default here: nobody should set a queue by mistake.
///
/// # Errors
/// If it is empty, or breaks a limit.
pub fn queue(queue: &str) -> Checked {
    match queue {
        "" => invalid("queue", "must not be empty"),
        queue => validate::name("queue", queue),
    }
}

fn in_range(field: &str, number: i64, highest: i64) -> Checked {
    match (0..=highest).contains(&number) {
        true => Ok(()),
        false => invalid(field, format!("must be from 0 to {highest}, got {number}")),
    }
}

/// The settings that an outcome holds.
///
/// # Errors
/// If it was refused.
pub fn settings_in(queue: &str, outcome: Outcome) -> Result<api::QueueSettings, Status> {
    match outcome {
        Outcome::Queue(kept) => Ok(settings(queue, &kept)),
        Outcome::Refused(refusal) => Err(refusal.into()),
        _ => Err(unexpected()),
    }
}

fn settings(queue: &str, kept: &durable::QueueSettings) -> api::QueueSettings {
    api::QueueSettings {
        queue: queue.to_owned(),
        paused: kept.is_paused,
        max_in_flight: count(kept.max_in_flight),
        group_by: kept.group_by.clone(),
        max_in_flight_per_group: count(kept.max_in_flight_per_group),
        max_claims_per_s: count(kept.max_claims_per_s),
        max_waiting: count(kept.max_waiting),
        default_timeout: kept.default_timeout_s,
        default_claim_timeout: kept.default_claim_timeout_s,
        retention: kept.retention_s,
    }
}

/// How a queue is run, and how it stands at `now_ns`.
pub fn get(view: &dyn View, queue: &str, now_ns: i64) -> api::GetQueueResponse {
    let kept = view.controls().of(queue);
    let kept = kept.map_or_else(Default::default, |control| control.settings.clone());
    let counts = view.counts().queue(queue);
    let states = counts.into_iter().flat_map(|counts| counts.states.values());
    let figures = api::QueueFigures {
        waiting: count(view.waiting(queue)),
        in_flight: count(counts.map_or(0, |counts| counts.in_flight)),
        delayed: count(states.map(|line| line.delayed).sum()),
        claims_used: count(limits::claims_used(view, queue, now_ns)),
        paused_since: kept.paused_since_ns,
        regrouping: kept.regrouping.is_some(),
    };
    api::GetQueueResponse {
        settings: Some(settings(queue, &kept)),
        figures: Some(figures),
    }
}

/// How many queues to list.
///
/// # Errors
/// If a field breaks a limit.
pub fn listed(request: &api::ListQueueSettingsRequest) -> Checked<usize> {
    validate::name("after_queue", &request.after_queue)?;
    in_range("limit", request.limit, MAX_LISTED)?;
    let limit = match request.limit {
        0 => MAX_LISTED,
        limit => limit,
    };
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The settings of so many queues, from the first one after that name on.
pub fn list(view: &dyn View, after: &str, limit: usize) -> api::ListQueueSettingsResponse {
    let mut after = view.controls().after(after);
    let queues = after.by_ref().take(limit);
    let queues = queues.map(|(queue, control)| settings(queue, &control.settings));
    api::ListQueueSettingsResponse {
        queues: queues.collect(),
        more: after.next().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_keep_to_their_ranges() {
        let named = |request: api::SetQueueRequest| {
            set(api::SetQueueRequest {
                queue: "q".into(),
                ..request
            })
        };
        assert!(set(api::SetQueueRequest::default()).is_err());
        assert!(named(api::SetQueueRequest::default()).is_ok());
        let refused = [
            api::SetQueueRequest {
                max_in_flight: Some(-1),
                ..Default::default()
            },
            api::SetQueueRequest {
                max_claims_per_s: Some(MAX_CLAIMS_PER_S + 1),
                ..Default::default()
            },
            api::SetQueueRequest {
                retention: Some(MAX_LIMIT + 1),
                ..Default::default()
            },
            api::SetQueueRequest {
                group_by: Some("a\nb".into()),
                ..Default::default()
            },
        ];
        for request in refused {
            assert!(named(request.clone()).is_err(), "{request:?}");
        }
        let listed_of = |limit| {
            listed(&api::ListQueueSettingsRequest {
                after_queue: String::new(),
                limit,
            })
        };
        assert_eq!(listed_of(0), Ok(1000));
        assert_eq!(listed_of(1000), Ok(1000));
        assert!(listed_of(1001).is_err() && listed_of(-1).is_err());
    }
}
