//! Commands for many tasks in one call. Requests come as JSON lines on stdin.

use std::io::BufRead;
use std::time::Duration;

use clap::Args;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Failure};
use super::client::{ChangingClient, Service};
use super::fields::{Claim, from_json};
use super::finish::show_completed;
use super::human::{blocks, task};
use crate::proto::v1alpha1::{
    CompleteTasksRequest, CompleteTasksResponse, GetNextTasksRequest, SubmitTasksRequest,
};

/// Submits all of the tasks or none; they are JSON lines on stdin.
///
/// Each line is a SubmitTaskRequest with the names of its fields, the payload in base64.
#[derive(Debug, Args)]
pub struct SubmitTasks {
    #[command(flatten)]
    client: ChangingClient,
}

impl SubmitTasks {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = SubmitTasksRequest {
            tasks: requests(std::io::stdin().lock())?,
        };
        let rpc = async |service: &mut Service, request| service.submit_tasks(request).await;
        let response = self.client.change(request, Duration::ZERO, rpc).await?;
        Answer::new(self.client.client.format, &response, |r| {
            blocks(r.tasks.iter().map(task))
        })
    }
}

/// Claims several tasks, as many as there are.
#[derive(Debug, Args)]
pub struct NextTasks {
    #[command(flatten)]
    claim: Claim,
    /// The most to claim, 1 to 1000.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_tasks: i32,
    #[command(flatten)]
    client: ChangingClient,
}

impl NextTasks {
    pub async fn run(self) -> Result<Answer, Failure> {
        let (next, wait) = self.claim.request();
        let request = GetNextTasksRequest {
            next: Some(next),
            max_tasks: self.max_tasks,
        };
        let rpc = async |service: &mut Service, request| service.get_next_tasks(request).await;
        let response = self.client.change(request, wait, rpc).await?;
        let answer = Answer::new(self.client.client.format, &response, |r| {
            blocks(r.tasks.iter().map(task))
        })?;
        Ok(if response.tasks.is_empty() {
            answer.nothing("no task is available")
        } else {
            answer
        })
    }
}

/// Completes tasks, each on its own; they are JSON lines on stdin.
///
/// Each line is a CompleteTaskRequest with the names of its fields. The exit code is 1 if any did not match.
#[derive(Debug, Args)]
pub struct CompleteTasks {
    #[command(flatten)]
    client: ChangingClient,
}

impl CompleteTasks {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = CompleteTasksRequest {
            tasks: requests(std::io::stdin().lock())?,
        };
        let uuids: Vec<String> = request.tasks.iter().map(|task| task.uuid.clone()).collect();
        let rpc = async |service: &mut Service, request| service.complete_tasks(request).await;
        let response: CompleteTasksResponse =
            self.client.change(request, Duration::ZERO, rpc).await?;
        let answer = Answer::new(self.client.client.format, &response, |r| {
            let completed = r.results.iter().filter(|result| result.task.is_some());
            blocks(completed.map(show_completed))
        })?;
        let unmatched = response
            .results
            .iter()
            .zip(&uuids)
            .filter(|(result, _)| result.task.is_none());
        let unmatched: Vec<&str> = unmatched.map(|(_, uuid)| uuid.as_str()).collect();
        if unmatched.is_empty() {
            return Ok(answer);
        }
        let note = format!(
            "{} of {} did not match: {}",
            unmatched.len(),
            uuids.len(),
            unmatched.join(", ")
        );
        Ok(answer.unmatched(&note))
    }
}

/// One request a line; empty lines are skipped.
pub(super) fn requests<M: DeserializeOwned>(input: impl BufRead) -> Result<Vec<M>, Failure> {
    let mut requests = Vec::new();
    for (index, line) in input.lines().enumerate() {
        let wrong = |reason: String| Failure::Usage(format!("stdin: line {}: {reason}", index + 1));
        let line = line.map_err(|error| wrong(error.to_string()))?;
        if !line.trim().is_empty() {
            requests.push(from_json(&line).map_err(wrong)?);
        }
    }
    if requests.is_empty() {
        return Err(Failure::Usage("stdin: no requests".to_owned()));
    }
    Ok(requests)
}
