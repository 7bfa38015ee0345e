//! Commands for a claimed task: complete, cancel, extend.

use std::time::Duration;

use clap::Args;

use super::answer::{Answer, Failure};
use super::client::{ChangingClient, Service};
use super::fields::{Target, from_json};
use super::human::section;
use super::tasks::{acted, show};
use crate::config::value::seconds;
use crate::proto::v1alpha1::{
    CancelTaskRequest, CompleteTaskRequest, CompleteTaskResponse, ExtendTaskRequest,
    SubmitTaskRequest,
};

/// Ends a task as completed.
#[derive(Debug, Args)]
pub struct CompleteTask {
    #[command(flatten)]
    target: Target,
    /// A task to submit in the same step: a SubmitTaskRequest in JSON, the payload in base64.
    #[arg(long, value_name = "JSON", value_parser = from_json::<SubmitTaskRequest>)]
    next_task: Option<SubmitTaskRequest>,
    #[command(flatten)]
    client: ChangingClient,
}

impl CompleteTask {
    pub async fn run(self) -> Result<Answer, Failure> {
        let Target {
            uuid,
            queue,
            current_state,
            attempt,
        } = self.target;
        let request = CompleteTaskRequest {
            uuid,
            queue,
            current_state,
            attempt,
            next_task: self.next_task,
        };
        let rpc = async |service: &mut Service, request| service.complete_task(request).await;
        let response = self.client.change(request, Duration::ZERO, rpc).await?;
        let answer = Answer::new(self.client.client.format, &response, show_completed)?;
        Ok(acted(answer, response.task.as_ref()))
    }
}

/// A completion for people.
pub fn show_completed(response: &CompleteTaskResponse) -> String {
    let mut text = show(response.task.as_ref());
    if response.next_task.is_some() {
        text.push_str(&section("next_task", &show(response.next_task.as_ref())));
    }
    text
}

/// Ends a task as canceled.
#[derive(Debug, Args)]
pub struct CancelTask {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    client: ChangingClient,
}

impl CancelTask {
    pub async fn run(self) -> Result<Answer, Failure> {
        let Target {
            uuid,
            queue,
            current_state,
            attempt,
        } = self.target;
        let request = CancelTaskRequest {
            uuid,
            queue,
            current_state,
            attempt,
        };
        let rpc = async |service: &mut Service, request| service.cancel_task(request).await;
        let response = self.client.change(request, Duration::ZERO, rpc).await?;
        let answer = Answer::new(self.client.client.format, &response, |r| {
            show(r.task.as_ref())
        })?;
        Ok(acted(answer, response.task.as_ref()))
    }
}

/// Restarts a task's timeout from now.
#[derive(Debug, Args)]
pub struct ExtendTask {
    #[command(flatten)]
    target: Target,
    /// Seconds, or a duration such as 10m; 0 keeps the task's, negative clears it.
    #[arg(long, value_parser = seconds, default_value = "0", allow_negative_numbers = true)]
    timeout: i64,
    #[command(flatten)]
    client: ChangingClient,
}

impl ExtendTask {
    pub async fn run(self) -> Result<Answer, Failure> {
        let Target {
            uuid,
            queue,
            current_state,
            attempt,
        } = self.target;
        let request = ExtendTaskRequest {
            uuid,
            queue,
            current_state,
            attempt,
            timeout: self.timeout,
        };
        let rpc = async |service: &mut Service, request| service.extend_task(request).await;
        let response = self.client.change(request, Duration::ZERO, rpc).await?;
        let answer = Answer::new(self.client.client.format, &response, |r| {
            show(r.task.as_ref())
        })?;
        Ok(acted(answer, response.task.as_ref()))
    }
}
