//! What a queue's settings let through: tasks in flight, claims a second, tasks that wait.

use prost::Message;

use super::Refusal;
use crate::proto::durable::{Pace, QueueSettings};
use crate::store::controls::{Control, PACES};
use crate::store::documents::DocumentKey;
use crate::store::{Change, View};

const NS_PER_S: u64 = 1_000_000_000;

/// How many claims a queue lets through at `now_ns` (since 1970), one after the other; `u64::MAX` where it has no limit.
pub fn claims_left(view: &(impl View + ?Sized), queue: &str, now_ns: i64) -> u64 {
    let Some(control) = view.controls().of(queue) else {
        return u64::MAX;
    };
    let settings = &control.settings;
    // Nobody can tell which groups have how many tasks in flight while tasks are being moved to them.
    let is_moving = settings.regrouping.is_some() && control.group_limit() < u64::MAX;
    if settings.is_paused || is_moving {
        return 0;
    }
    let in_flight = view
        .counts()
        .queue(queue)
        .map_or(0, |queue| queue.in_flight);
    let in_flight = match settings.max_in_flight {
        0 => u64::MAX,
        limit => limit.saturating_sub(in_flight),
    };
    in_flight.min(in_pace(view, control, now_ns))
}

/// How many claims the limit of claims a second lets through now.
fn in_pace(view: &(impl View + ?Sized), control: &Control, now_ns: i64) -> u64 {
    let limit = control.settings.max_claims_per_s;
    match limit {
        0 => u64::MAX,
        _ => limit.saturating_sub(used(control, now_ns.max(view.header().clock_ns))),
    }
}

/// How many of the claims that may come at once are used up at `now_ns`, of a queue that limits them.
fn used(control: &Control, now_ns: i64) -> u64 {
    let rests_ns = control.rested_ns.saturating_sub(now_ns).max(0);
    rests_ns
        .unsigned_abs()
        .div_ceil(interval_ns(&control.settings))
}

/// How many of a queue's claims a second are used up at `now_ns`; 0 where they are not limited.
pub fn claims_used(view: &(impl View + ?Sized), queue: &str, now_ns: i64) -> u64 {
    match view.controls().of(queue) {
        Some(control) if control.settings.max_claims_per_s > 0 => {
            used(control, now_ns.max(view.header().clock_ns))
        }
        _ => 0,
    }
}

/// How long a claim is counted for: rounded up, so that never more are let through.
fn interval_ns(settings: &QueueSettings) -> u64 {
    NS_PER_S.div_ceil(settings.max_claims_per_s.max(1))
}

/// When a queue that lets no claim through at `now_ns` does so again, nanoseconds since 1970, because time has
/// passed; none if that is no matter of time.
pub fn next_claim_ns(view: &(impl View + ?Sized), queue: &str, now_ns: i64) -> Option<i64> {
    let control = view.controls().of(queue)?;
    if control.settings.max_claims_per_s == 0 || in_pace(view, control, now_ns) > 0 {
        return None;
    }
    let interval_ns = interval_ns(&control.settings);
    let full_ns = interval_ns.saturating_mul(control.settings.max_claims_per_s - 1);
    let full_ns = i64::try_from(full_ns).unwrap_or(i64::MAX);
    Some(control.rested_ns.saturating_sub(full_ns))
}

/// What a claim from that queue counts against its claims a second; nothing where they are not limited.
pub(super) fn spend(view: &impl View, queue: &str, now_ns: i64) -> Option<Change> {
    let control = view.controls().of(queue)?;
    if control.settings.max_claims_per_s == 0 {
        return None;
    }
    let interval_ns = i64::try_from(interval_ns(&control.settings)).unwrap_or(i64::MAX);
    let pace = Pace {
        rested_ns: control.rested_ns.max(now_ns).saturating_add(interval_ns),
    };
    Some(Change::Document {
        before: view.documents().get(PACES, queue).cloned(),
        key: DocumentKey {
            kind: PACES,
            name: queue.into(),
        },
        after: Some(pace.encode_to_vec().into()),
    })
}

/// Refuses a submit to a queue in which too many tasks wait; `leaves` tasks of it end or leave in the same step.
pub(super) fn check_room(view: &impl View, queue: &str, leaves: u64) -> Result<(), Refusal> {
    let Some(control) = view.controls().of(queue) else {
        return Ok(());
    };
    let max_waiting = control.settings.max_waiting;
    if max_waiting == 0 || view.waiting(queue).saturating_sub(leaves) < max_waiting {
        return Ok(());
    }
    Err(Refusal::QueueFull {
        queue: queue.into(),
        max_waiting,
    })
}
