//! `corndogs fail-task`: gives a claimed task back.

use std::time::Duration;

use clap::Args;

use super::answer::{Answer, Failure};
use super::client::{ChangingClient, Service};
use super::fields::Target;
use super::tasks::{acted, show};
use crate::config::value::seconds;
use crate::proto::v1alpha1::FailTaskRequest;

/// Gives a claimed task back, to be claimed again after its backoff.
#[derive(Debug, Args)]
pub struct FailTask {
    #[command(flatten)]
    target: Target,
    /// Seconds, or a duration such as 10m, until it may be claimed again; 0 is its own backoff, -1 never: it goes to dead.
    #[arg(long, value_name = "DURATION", value_parser = seconds, default_value = "0", allow_negative_numbers = true)]
    retry_after: i64,
    /// Why it failed.
    #[arg(long, default_value_t, hide_default_value = true)]
    message: String,
    #[command(flatten)]
    client: ChangingClient,
}

impl FailTask {
    pub async fn run(self) -> Result<Answer, Failure> {
        let Target {
            uuid,
            queue,
            current_state,
            attempt,
        } = self.target;
        let request = FailTaskRequest {
            uuid,
            queue,
            current_state,
            attempt,
            retry_after: self.retry_after,
            message: self.message,
        };
        let rpc = async |service: &mut Service, request| service.fail_task(request).await;
        let response = self.client.change(request, Duration::ZERO, rpc).await?;
        let answer = Answer::new(self.client.client.format, &response, |r| {
            show(r.task.as_ref())
        })?;
        Ok(acted(answer, response.task.as_ref()))
    }
}
