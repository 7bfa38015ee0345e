//! The history of a task: what each change adds to it, and how it is told.

use crate::store::history::{History, KEPT, Transition, TransitionKind};
use crate::store::record::{Name, Task};

/// The history after a change that ends or changes what `before` is. It is by whoever holds the
/// task until then.
pub(super) fn noted(before: &Task, kind: TransitionKind, now_ns: i64) -> History {
    let worker = match before.is_in_flight() {
        true => before.worker.clone(),
        false => Name::default(),
    };
    before.history.with(Transition {
        at_ns: now_ns,
        kind,
        from: before.current_state.clone(),
        worker,
        attempt: before.attempt,
    })
}

/// The history after a claim by a worker, which makes it that attempt.
pub(super) fn claimed(before: &Task, now_ns: i64, worker: &Name, attempt: i64) -> History {
    before.history.with(Transition {
        at_ns: now_ns,
        kind: TransitionKind::Claimed,
        from: before.current_state.clone(),
        worker: worker.clone(),
        attempt,
    })
}

/// A transition as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Nanoseconds since 1970.
    pub at_ns: i64,
    /// What happened: `submitted`, or the name of a [`TransitionKind`].
    pub kind: &'static str,
    /// The state that it left; empty for a submit.
    pub from: Name,
    /// The state that it led to.
    pub to: Name,
    /// Who claimed it, or held it until then; empty if nobody did, or said no name.
    pub worker: Name,
    /// How often it was claimed by then.
    pub attempt: i64,
}

/// The newest transitions of a task, from the oldest of them on, and how many came before.
///
/// The submit is the first one. Rows that older versions wrote know none of the others.
pub fn history(task: &Task) -> (Vec<Told>, u64) {
    let mut to = task.current_state.clone();
    let mut told = Vec::with_capacity(task.history.kept() as usize + 1);
    for transition in task.history.newest_first() {
        let from = transition.from.clone();
        told.push(Told {
            at_ns: transition.at_ns,
            kind: transition.kind.name(),
            from: from.clone(),
            to: std::mem::replace(&mut to, from),
            worker: transition.worker.clone(),
            attempt: transition.attempt,
        });
    }
    let all = u64::from(task.history.kept()) + u64::from(task.history.dropped()) + 1;
    if task.history.dropped() == 0 {
        told.push(Told {
            at_ns: task.submit_time_ns,
            kind: "submitted",
            from: Name::default(),
            to,
            worker: Name::default(),
            attempt: 0,
        });
    }
    told.truncate(KEPT as usize);
    told.reverse();
    let dropped = all - told.len() as u64;
    (told, dropped)
}
