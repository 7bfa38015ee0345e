//! Which tasks a filter fits.

use crate::proto::durable::{Condition, Filter};
use crate::store::counts::Counts;
use crate::store::record::Task;

/// Whether all that the filter says is so.
pub fn fits(filter: &Filter, task: &Task) -> bool {
    fits_name(&filter.queue, &task.queue)
        && fits_name(&filter.current_state, &task.current_state)
        && fits_name(&filter.worker, &task.worker)
        && fits_time(
            filter.submitted_from_ns,
            filter.submitted_before_ns,
            task.submit_time_ns,
        )
        && fits_time(
            filter.updated_from_ns,
            filter.updated_before_ns,
            task.update_time_ns,
        )
        && fits_condition(filter.is_in_flight.as_ref(), task.is_in_flight())
        && fits_condition(filter.is_delayed.as_ref(), task.is_delayed)
        && fits_metadata(filter, task)
}

/// Whether there may be live tasks that it fits, as far as counts tell: saves looking at all.
pub fn may_fit_live(filter: &Filter, counts: &Counts) -> bool {
    if filter.queue.is_empty() {
        return counts.total() > 0;
    }
    let Some(queue) = counts.queue(&filter.queue) else {
        return false;
    };
    let holds_state = || queue.states.contains_key(filter.current_state.as_str());
    let wants_held = filter.is_in_flight.is_some_and(|wanted| wanted.holds);
    (filter.current_state.is_empty() || holds_state()) && (!wants_held || queue.in_flight > 0)
}

fn fits_name(wanted: &str, name: &str) -> bool {
    wanted.is_empty() || wanted == name
}

fn fits_time(from_ns: i64, before_ns: i64, at_ns: i64) -> bool {
    at_ns >= from_ns && (before_ns == 0 || at_ns < before_ns)
}

fn fits_condition(wanted: Option<&Condition>, holds: bool) -> bool {
    wanted.is_none_or(|wanted| wanted.holds == holds)
}

fn fits_metadata(filter: &Filter, task: &Task) -> bool {
    if filter.metadata.is_empty() {
        return true;
    }
    let Some(extras) = &task.extras else {
        return false;
    };
    let mut wanted = filter.metadata.iter();
    wanted.all(|(key, value)| extras.metadata.get(key) == Some(value))
}
