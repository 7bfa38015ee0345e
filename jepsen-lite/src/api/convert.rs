//! Between the history's words and the protocol's messages.

use crate::history::{Act, Answer, Claim, ClusterView, NodeView, Seen, Submitted};
use crate::proto::cluster::StatusResponse;
use crate::proto::v1alpha1::*;

pub fn submit(task: &Submitted) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: task.queue.clone(),
        payload: task.payload.clone().into_bytes(),
        priority: task.priority,
        uuid: task.uuid.clone(),
        claim_timeout: task.lease_s,
        ..Default::default()
    }
}

pub fn claim(claim: &Claim) -> GetNextTaskRequest {
    GetNextTaskRequest {
        queue: claim.queue.clone(),
        current_state: claim.state.clone(),
        worker: claim.worker.clone(),
        wait_ms: claim.wait_ms,
        ..Default::default()
    }
}

pub fn update(act: &Act, new_state: &str, priority: i64) -> UpdateTaskRequest {
    UpdateTaskRequest {
        uuid: act.uuid.clone(),
        queue: act.queue.clone(),
        current_state: act.state.clone(),
        attempt: act.attempt,
        new_state: new_state.to_owned(),
        priority,
        ..Default::default()
    }
}

pub fn complete(act: &Act, next: Option<&Submitted>) -> CompleteTaskRequest {
    CompleteTaskRequest {
        uuid: act.uuid.clone(),
        queue: act.queue.clone(),
        current_state: act.state.clone(),
        attempt: act.attempt,
        next_task: next.map(submit),
    }
}

pub fn cancel(act: &Act) -> CancelTaskRequest {
    CancelTaskRequest {
        uuid: act.uuid.clone(),
        queue: act.queue.clone(),
        current_state: act.state.clone(),
        attempt: act.attempt,
    }
}

pub fn fail(act: &Act) -> FailTaskRequest {
    FailTaskRequest {
        uuid: act.uuid.clone(),
        queue: act.queue.clone(),
        current_state: act.state.clone(),
        attempt: act.attempt,
        message: "given back".into(),
        ..Default::default()
    }
}

pub fn extend(act: &Act) -> ExtendTaskRequest {
    ExtendTaskRequest {
        uuid: act.uuid.clone(),
        queue: act.queue.clone(),
        current_state: act.state.clone(),
        attempt: act.attempt,
        ..Default::default()
    }
}

pub fn seen(task: Task) -> Seen {
    Seen {
        uuid: task.uuid,
        queue: task.queue,
        payload: String::from_utf8_lossy(&task.payload).into_owned(),
        is_archived: matches!(task.current_state.as_str(), "completed" | "canceled"),
        state: task.current_state,
        auto_target_state: task.auto_target_state,
        attempt: task.attempt,
        priority: task.priority,
        submit_time_ns: task.submit_time,
        update_time_ns: task.update_time,
        timeout_s: task.timeout,
    }
}

pub fn answer(task: Option<Task>, next: Option<Task>) -> Answer {
    let [task, next] = [task, next].map(|task| task.map(|task| Box::new(seen(task))));
    Answer::Task { task, next }
}

pub fn listed(listed: ListedTask) -> Option<Seen> {
    let is_archived = listed.is_archived;
    listed.task.map(|task| Seen {
        is_archived,
        ..seen(task)
    })
}

/// Nodes that did not answer have nothing to show.
pub fn view(status: StatusResponse) -> ClusterView {
    let nodes = status.nodes.into_iter();
    let nodes = nodes.filter(|node| node.role != "unreachable");
    ClusterView {
        leader: status.leader,
        term: status.term,
        cluster_id: status.cluster_id,
        nodes: nodes
            .map(|node| NodeView {
                id: node.id,
                applied: node.applied_index,
                hash: format!("{:016x}", node.state_hash),
            })
            .collect(),
    }
}
