//! The original's counts of tasks by queue and state. They are kept, so nothing is counted here.

use std::collections::BTreeMap;

use super::convert::count;
use crate::proto::v1alpha1::*;
use crate::store::View;
use crate::store::counts::QueueCounts;

/// The names of all queues.
pub fn queues(view: &dyn View) -> GetQueuesResponse {
    let queues = view.counts().queues();
    GetQueuesResponse {
        queues: queues.map(|(queue, _)| queue.to_string()).collect(),
        total_task_count: count(view.counts().total()),
    }
}

/// The tasks of each queue.
pub fn by_queue(view: &dyn View) -> GetQueueTaskCountsResponse {
    let queues = view.counts().queues();
    GetQueueTaskCountsResponse {
        queue_counts: queues
            .map(|(queue, counts)| (queue.to_string(), count(counts.total)))
            .collect(),
        total_task_count: count(view.counts().total()),
    }
}

/// The tasks of one queue by their state; one that is not there has none.
pub fn by_state(view: &dyn View, queue: &str) -> GetTaskStateCountsResponse {
    let counts = view.counts().queue(queue);
    GetTaskStateCountsResponse {
        count: counts.map_or(0, |counts| count(counts.total)),
        state_counts: counts.map(states).unwrap_or_default(),
        queue: queue.to_owned(),
    }
}

/// The tasks of each queue by their state.
pub fn by_queue_and_state(view: &dyn View) -> GetQueueAndStateCountsResponse {
    let queues = view.counts().queues().map(|(queue, counts)| {
        let row = QueueAndStateCounts {
            queue: queue.to_string(),
            count: count(counts.total),
            state_counts: states(counts),
        };
        (queue.to_string(), row)
    });
    GetQueueAndStateCountsResponse {
        queue_and_state_counts: queues.collect(),
    }
}

fn states(counts: &QueueCounts) -> BTreeMap<String, i64> {
    let states = counts.states.iter();
    states
        .map(|(state, line)| (state.to_string(), count(line.live)))
        .collect()
}
