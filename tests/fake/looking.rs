//! Answers that tell what was asked about tasks.

use corndogs::proto::v1alpha1::*;

use super::{NONE, task};

/// A submit and a claim.
pub fn history(request: &GetTaskHistoryRequest) -> GetTaskHistoryResponse {
    let transition = |kind: &str, from: &str, to: &str, attempt| Transition {
        time: attempt * 1_000_000_000,
        kind: kind.into(),
        from_state: from.into(),
        to_state: to.into(),
        worker: request.uuid.clone(),
        attempt,
    };
    let transitions = [
        transition("submitted", "", "a", 0),
        transition("claimed", "a", "a-working", 1),
    ];
    let transitions = transitions.into_iter().filter(|_| request.uuid != NONE);
    GetTaskHistoryResponse {
        transitions: transitions.collect(),
        dropped: 0,
    }
}

/// Two pages of one task each; the token tells which. Its fields are the filter's.
pub fn list(request: ListTasksRequest) -> ListTasksResponse {
    let filter = request.filter.unwrap_or_default();
    let Some(mut task) = task(&request.page_token, &filter.queue, &filter.current_state) else {
        return ListTasksResponse::default();
    };
    task.worker = filter.worker;
    task.metadata = filter.metadata;
    task.priority = request.page_size.into();
    let listed = ListedTask {
        task: Some(task),
        is_archived: filter.is_archived.unwrap_or(filter.or_archived),
        is_delayed: filter.is_delayed.unwrap_or(false),
        is_in_flight: filter.is_in_flight.unwrap_or(false),
    };
    let next_page_token = match request.page_token.as_str() {
        "" => "second",
        _ => "",
    };
    ListTasksResponse {
        tasks: vec![listed],
        next_page_token: next_page_token.into(),
    }
}

/// The figures of an act on many.
pub fn bulk(target: Option<BulkTarget>) -> (i64, i64, String) {
    let target = target.unwrap_or_default();
    let filter = target.filter.unwrap_or_default();
    let matched = i64::from(filter.queue != NONE) * 7;
    let changed = if target.include_in_flight {
        matched
    } else {
        target.max_tasks
    };
    (matched, changed, filter.current_state)
}
