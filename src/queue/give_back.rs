//! How a task comes out of a lease that ended without an end of the task: by its timeout, or given back as failed.

use super::{backoff, names, transition};
use crate::store::history::TransitionKind;
use crate::store::record::{Name, Task};

const NS_PER_S: i64 = 1_000_000_000;

/// When a task that goes back may be claimed again.
pub(super) enum Retry {
    /// At once.
    AtOnce,
    /// After its own backoff; at once if it has none.
    ByBackoff,
    /// After that many seconds.
    AfterSeconds(i64),
    /// Never: it goes to the state `dead`.
    Never,
}

/// The row after the lease: back in the state that it came from, or dead if its attempts are used up. It keeps its
/// place, and the timeout that claims start with; no timeout runs.
pub(super) fn given_back(now_ns: i64, before: &Task, kind: TransitionKind, retry: &Retry) -> Task {
    let back = before.auto_target_state.clone();
    let (current_state, auto_target_state, not_before_ns) = match is_last(before, retry) {
        true => (names::dead(), back, None),
        false => {
            let not_before_ns = not_before_ns(now_ns, before, retry);
            (back, before.current_state.clone(), not_before_ns)
        }
    };
    let not_before_ns = not_before_ns.unwrap_or(before.not_before_ns);
    Task {
        current_state,
        auto_target_state,
        timeout_s: 0,
        update_time_ns: now_ns,
        claimed_ns: 0,
        not_before_ns,
        is_delayed: not_before_ns > now_ns,
        queue: before.queue.clone(),
        history: transition::noted(before, kind, now_ns),
        extras: before.extras.clone(),
        payload: before.payload.clone(),
        worker: before.worker.clone(),
        ..*before
    }
}

/// The same with the reason that the worker gave.
pub(super) fn with_error(mut task: Task, message: &str) -> Task {
    let known = task.extras.as_ref().map_or("", |extras| &extras.last_error);
    if known != message {
        let mut extras = task.extras.as_deref().cloned().unwrap_or_default();
        extras.last_error = Name::from(message);
        task.extras = extras.shared();
    }
    task
}

fn is_last(before: &Task, retry: &Retry) -> bool {
    let is_used_up = before.max_attempts > 0 && before.counted_attempts() >= before.max_attempts;
    is_used_up || matches!(retry, Retry::Never)
}

/// None if the task may be claimed at once.
fn not_before_ns(now_ns: i64, before: &Task, retry: &Retry) -> Option<i64> {
    let wait_ns = match retry {
        Retry::AtOnce | Retry::Never => return None,
        Retry::AfterSeconds(seconds) => seconds.saturating_mul(NS_PER_S),
        Retry::ByBackoff => {
            let backoff = before.extras.as_ref()?.backoff?;
            backoff::wait_ns(&backoff, before.uuid, before.counted_attempts())
        }
    };
    Some(now_ns.saturating_add(wait_ns))
}
