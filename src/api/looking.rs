//! Calls that look at tasks: whole ones, what happened to them, and lists.

use prost::Message;
use tonic::Status;

use super::validate::{self, Checked, invalid};
use super::{convert, page};
use crate::node::Node;
use crate::proto::durable::{Condition, Filter};
use crate::proto::v1alpha1 as api;
use crate::queue::list::Scope;
use crate::queue::transition::{self, Told};
use crate::queue::{Cursor, Row, query};

const LIST_TASKS: &str = "ListTasks";
/// Tasks on a page where the request says nothing.
const DEFAULT_PAGE_TASKS: usize = 100;
/// The most bytes of a page: what gRPC clients take by default, less what is around the tasks.
const MAX_PAGE_BYTES: usize = (4 << 20) - 256;

/// Looks a task up.
///
/// # Errors
/// If the uuid is none, or the node can't answer.
pub async fn task(
    node: &Node,
    request: api::GetTaskRequest,
) -> Result<api::GetTaskResponse, Status> {
    let uuid = validate::uuid("uuid", &request.uuid)?;
    let Some(row) = node.read(|view| query::task(view, uuid)).await? else {
        return Ok(api::GetTaskResponse::default());
    };
    Ok(api::GetTaskResponse {
        task: Some(convert::task(&row)),
        is_archived: is_archived(&row),
        is_delayed: row.is_delayed,
        is_in_flight: row.is_in_flight(),
    })
}

/// Tells what happened to a task.
///
/// # Errors
/// If the uuid is none, or the node can't answer.
pub async fn history(
    node: &Node,
    request: api::GetTaskHistoryRequest,
) -> Result<api::GetTaskHistoryResponse, Status> {
    let uuid = validate::uuid("uuid", &request.uuid)?;
    let Some(row) = node.read(|view| query::task(view, uuid)).await? else {
        return Ok(api::GetTaskHistoryResponse::default());
    };
    let (transitions, dropped) = transition::history(&row);
    Ok(api::GetTaskHistoryResponse {
        transitions: transitions.iter().map(transition).collect(),
        dropped: convert::count(dropped),
    })
}

fn transition(told: &Told) -> api::Transition {
    api::Transition {
        time: told.at_ns,
        kind: told.kind.to_owned(),
        from_state: told.from.to_string(),
        to_state: told.to.to_string(),
        worker: told.worker.to_string(),
        attempt: told.attempt,
    }
}

/// Lists a page of tasks.
///
/// # Errors
/// If a field breaks a limit, or the node can't answer.
pub async fn list(
    node: &Node,
    request: api::ListTasksRequest,
) -> Result<api::ListTasksResponse, Status> {
    let page_tasks = match request.page_size {
        0 => DEFAULT_PAGE_TASKS,
        size => {
            validate::batch("page_size", size)?;
            size.unsigned_abs() as usize
        }
    };
    let given = request.filter.unwrap_or_default();
    let after = page::cursor("page_token", LIST_TASKS, &given, &request.page_token)?;
    let (filter, scope) = filter("filter", &given)?;
    let mut tasks = Vec::new();
    let mut bytes = 0;
    let take = |row: &Row| {
        if tasks.len() >= page_tasks {
            return false;
        }
        let listed = listed(row, request.with_payload);
        // Its tag and length take up to five bytes more.
        bytes += listed.encoded_len() + 5;
        if bytes > MAX_PAGE_BYTES && !tasks.is_empty() {
            return false;
        }
        tasks.push(listed);
        true
    };
    let after = after.map(|after| after.uuid);
    let resume = node.list(&filter, scope, after, take).await?;
    let next_page_token = resume.map_or_else(String::new, |uuid| {
        let before_seq = 0;
        page::token(LIST_TASKS, &given, Cursor { uuid, before_seq })
    });
    Ok(api::ListTasksResponse {
        tasks,
        next_page_token,
    })
}

fn listed(row: &Row, with_payload: bool) -> api::ListedTask {
    let mut task = convert::task(row);
    if !with_payload {
        task.payload.clear();
    }
    api::ListedTask {
        task: Some(task),
        is_archived: is_archived(row),
        is_delayed: row.is_delayed,
        is_in_flight: row.is_in_flight(),
    }
}

fn is_archived(row: &Row) -> bool {
    matches!(row, Row::Archived(_))
}

/// A filter, and where it looks.
///
/// # Errors
/// If a field breaks a limit; it is named behind `path`.
pub fn filter(path: &str, filter: &api::TaskFilter) -> Checked<(Filter, Scope)> {
    let read = || {
        validate::name("queue", &filter.queue)?;
        validate::name("current_state", &filter.current_state)?;
        validate::name("worker", &filter.worker)?;
        validate::metadata("metadata", filter.metadata.iter())?;
        for (field, time) in [
            ("submitted_from", filter.submitted_from),
            ("submitted_before", filter.submitted_before),
            ("updated_from", filter.updated_from),
            ("updated_before", filter.updated_before),
        ] {
            validate::not_negative(field, time)?;
        }
        let scope = match (filter.is_archived, filter.or_archived) {
            (None, true) => Scope::Both,
            (Some(_), true) => return invalid("is_archived", "must not be given with or_archived"),
            (Some(true), false) => Scope::Archived,
            (None | Some(false), false) => Scope::Live,
        };
        let condition = |holds: Option<bool>| holds.map(|holds| Condition { holds });
        let read = Filter {
            queue: filter.queue.clone(),
            current_state: filter.current_state.clone(),
            worker: filter.worker.clone(),
            metadata: filter.metadata.clone(),
            submitted_from_ns: filter.submitted_from,
            submitted_before_ns: filter.submitted_before,
            updated_from_ns: filter.updated_from,
            updated_before_ns: filter.updated_before,
            is_in_flight: condition(filter.is_in_flight),
            is_delayed: condition(filter.is_delayed),
        };
        Ok((read, scope))
    };
    read().map_err(|invalid| invalid.within(path))
}
