//! Commands for one task: submit, look up, claim, update.

use std::time::Duration;

use clap::Args;

use super::answer::{Answer, Failure};
use super::client::{ChangingClient, Client, Service};
use super::fields::{Claim, Payload, Submit};
use super::human;
use crate::config::value::seconds;
use crate::proto::v1alpha1::{GetTaskRequest, GetTaskResponse, Task, UpdateTaskRequest};

/// What is said when a call found no task to act on.
const NO_MATCH: &str = "no live task has that uuid, queue and state";

/// The answer of an act that was meant for one task.
pub fn acted(answer: Answer, task: Option<&Task>) -> Answer {
    match task {
        Some(_) => answer,
        None => answer.unmatched(NO_MATCH),
    }
}

/// A task for people; nothing where there is none.
pub fn show(task: Option<&Task>) -> String {
    task.map(human::task).unwrap_or_default()
}

/// Submits a task.
#[derive(Debug, Args)]
pub struct SubmitTask {
    #[command(flatten)]
    submit: Submit,
    #[command(flatten)]
    client: ChangingClient,
}

impl SubmitTask {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = self.submit.request()?;
        let rpc = async |service: &mut Service, request| service.submit_task(request).await;
        let response = self.client.change(request, Duration::ZERO, rpc).await?;
        Answer::new(self.client.client.format, &response, |r| {
            show(r.task.as_ref())
        })
    }
}

/// Looks a task up, live or archived.
#[derive(Debug, Args)]
pub struct GetTask {
    /// The task.
    #[arg(long)]
    uuid: String,
    /// Not looked at; the uuid is enough.
    #[arg(short, long, default_value_t, hide_default_value = true)]
    #[allow(dead_code)]
    queue: String,
    #[command(flatten)]
    client: Client,
}

impl GetTask {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = GetTaskRequest { uuid: self.uuid };
        let rpc = async |service: &mut Service, request| service.get_task(request).await;
        let response = self.client.read(request, rpc).await?;
        let answer = Answer::new(self.client.format, &response, show_whole)?;
        Ok(if response.task.is_some() {
            answer
        } else {
            answer.unmatched("no task has that uuid")
        })
    }
}

/// A task for people, and where it stands.
fn show_whole(response: &GetTaskResponse) -> String {
    let stands = [
        (response.is_archived, "is_archived"),
        (response.is_delayed, "is_delayed"),
        (response.is_in_flight, "is_in_flight"),
    ];
    let stands = stands.iter().filter(|(holds, _)| *holds);
    let stands: Vec<_> = stands.map(|(_, word)| (*word, "true".to_owned())).collect();
    show(response.task.as_ref()) + &human::lines(&stands)
}

/// Claims the best task there is.
#[derive(Debug, Args)]
pub struct NextTask {
    #[command(flatten)]
    claim: Claim,
    #[command(flatten)]
    client: ChangingClient,
}

impl NextTask {
    pub async fn run(self) -> Result<Answer, Failure> {
        let (request, wait) = self.claim.request();
        let rpc = async |service: &mut Service, request| service.get_next_task(request).await;
        let response = self.client.change(request, wait, rpc).await?;
        let answer = Answer::new(self.client.client.format, &response, |r| {
            show(r.task.as_ref())
        })?;
        Ok(if response.task.is_some() {
            answer
        } else {
            answer.nothing("no task is available")
        })
    }
}

/// Changes a live task's state, payload, priority and timeout.
#[derive(Debug, Args)]
pub struct UpdateTask {
    /// The task.
    #[arg(long)]
    uuid: String,
    /// The queue it must be in.
    #[arg(short, long)]
    queue: String,
    /// The state it must be in [default: submitted].
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    current_state: String,
    /// The state it goes to [default: updated].
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    new_state: String,
    /// The state that the next claim takes it to [default: the new state with -working].
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    auto_target_state: String,
    /// Its timeout from now on: seconds, or a duration such as 10m; 0 or negative is none.
    #[arg(long, value_parser = seconds, default_value = "0", allow_negative_numbers = true)]
    timeout: i64,
    #[command(flatten)]
    payload: Payload,
    /// Its priority from now on.
    #[arg(long, default_value_t, allow_negative_numbers = true)]
    priority: i64,
    /// The claim it must be in: the attempt that the claim answered; 0 is any.
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    attempt: i64,
    #[command(flatten)]
    client: ChangingClient,
}

impl UpdateTask {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = UpdateTaskRequest {
            uuid: self.uuid,
            queue: self.queue,
            current_state: self.current_state,
            auto_target_state: self.auto_target_state,
            timeout: self.timeout,
            new_state: self.new_state,
            payload: self.payload.read()?,
            priority: self.priority,
            attempt: self.attempt,
        };
        let rpc = async |service: &mut Service, request| service.update_task(request).await;
        let response = self.client.change(request, Duration::ZERO, rpc).await?;
        let answer = Answer::new(self.client.client.format, &response, |r| {
            show(r.task.as_ref())
        })?;
        Ok(acted(answer, response.task.as_ref()))
    }
}
