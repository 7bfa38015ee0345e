//! Commands that act on all tasks that some flags fit.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::answer::{Answer, Failure};
use super::client::{ChangingClient, Service};
use super::filter::Filter;
use super::human::lines;
use crate::config::value::seconds;
use crate::proto::v1alpha1::{
    BulkTarget, CancelTasksRequest, CancelTasksResponse, RequeueTasksRequest, RequeueTasksResponse,
    TaskFilter, UpdateTasksRequest,
};

/// Which tasks, and how far it goes.
#[derive(Debug, Args)]
pub struct Target {
    #[command(flatten)]
    filter: Filter,
    /// Every live task is meant: needed where nothing else says which.
    #[arg(long)]
    everything: bool,
    #[command(flatten)]
    reach: Reach,
}

/// How far an act on many tasks goes.
#[derive(Debug, Args)]
pub struct Reach {
    /// Tasks that a worker holds, too.
    #[arg(long)]
    include_in_flight: bool,
    /// The most tasks to change; 0 is all.
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    max_tasks: i64,
    /// The next_page_token of a call that reached --max-tasks.
    #[arg(long, value_name = "TOKEN", default_value_t, hide_default_value = true)]
    page_token: String,
}

impl Reach {
    /// The target that the flags make with a filter.
    pub fn target(self, filter: TaskFilter) -> BulkTarget {
        BulkTarget {
            filter: Some(filter),
            include_in_flight: self.include_in_flight,
            max_tasks: self.max_tasks,
            page_token: self.page_token,
        }
    }
}

impl Target {
    fn message(self) -> Result<BulkTarget, Failure> {
        let filter = self.filter.message()?;
        if filter == TaskFilter::default() && !self.everything {
            let reason = "which tasks? --queue, --current-state or others say it, or --everything";
            return Err(Failure::Usage(reason.to_owned()));
        }
        Ok(self.reach.target(filter))
    }
}

/// Cancels all tasks that the flags fit.
#[derive(Debug, Args)]
pub struct CancelTasks {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    client: ChangingClient,
}

impl CancelTasks {
    pub async fn run(self) -> Result<Answer, Failure> {
        cancel(&self.client, self.target.message()?).await
    }
}

/// Cancels what a target says.
pub async fn cancel(client: &ChangingClient, target: BulkTarget) -> Result<Answer, Failure> {
    let request = CancelTasksRequest {
        target: Some(target),
    };
    let rpc = async |service: &mut Service, request| service.cancel_tasks(request).await;
    let response: CancelTasksResponse = client.change(request, Duration::ZERO, rpc).await?;
    let figures = (response.matched, response.changed);
    show(client, &response, figures, &response.next_page_token)
}

/// Puts all tasks that the flags fit back, to be claimed at once, their attempts starting anew.
#[derive(Debug, Args)]
pub struct RequeueTasks {
    #[command(flatten)]
    target: Target,
    /// Where to [default: back to where they were claimed, if they are dead or in flight].
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    new_state: String,
    /// The state that the next claim takes them to [default: the new state with -working].
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    auto_target_state: String,
    #[command(flatten)]
    client: ChangingClient,
}

impl RequeueTasks {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = RequeueTasksRequest {
            target: Some(self.target.message()?),
            new_state: self.new_state,
            auto_target_state: self.auto_target_state,
        };
        requeue(&self.client, request).await
    }
}

/// Requeues what a request says.
pub async fn requeue(
    client: &ChangingClient,
    request: RequeueTasksRequest,
) -> Result<Answer, Failure> {
    let rpc = async |service: &mut Service, request| service.requeue_tasks(request).await;
    let response: RequeueTasksResponse = client.change(request, Duration::ZERO, rpc).await?;
    let figures = (response.matched, response.changed);
    show(client, &response, figures, &response.next_page_token)
}

/// Changes all tasks that the flags fit; what is not given stays as it is.
#[derive(Debug, Args)]
pub struct UpdateTasks {
    #[command(flatten)]
    target: Target,
    /// The state they go to.
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    new_state: String,
    /// The state that the next claim takes them to [default: the new state with -working].
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    auto_target_state: String,
    /// Their priority from now on.
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i64>,
    /// Their timeout from now on: seconds, or a duration such as 10m; 0 or negative is none.
    #[arg(long, value_parser = seconds, allow_negative_numbers = true)]
    timeout: Option<i64>,
    #[command(flatten)]
    client: ChangingClient,
}

impl UpdateTasks {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = UpdateTasksRequest {
            target: Some(self.target.message()?),
            new_state: self.new_state,
            auto_target_state: self.auto_target_state,
            priority: self.priority,
            timeout: self.timeout,
        };
        let rpc = async |service: &mut Service, request| service.update_tasks(request).await;
        let response = self.client.change(request, Duration::ZERO, rpc).await?;
        let figures = (response.matched, response.changed);
        show(&self.client, &response, figures, &response.next_page_token)
    }
}

fn show(
    client: &ChangingClient,
    response: &impl Serialize,
    (matched, changed): (i64, i64),
    next_page_token: &str,
) -> Result<Answer, Failure> {
    let answer = Answer::new(client.client.format, response, |_| {
        lines(&[
            ("matched", matched.to_string()),
            ("changed", changed.to_string()),
        ])
    })?;
    Ok(match (matched, next_page_token) {
        (0, _) => answer.nothing("no task is meant"),
        (_, "") => answer,
        (_, token) => answer.nothing(&format!("there may be more: --page-token {token}")),
    })
}
