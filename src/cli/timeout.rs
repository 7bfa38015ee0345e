//! `corndogs timeout`: times out what is due.

use std::time::Duration;

use clap::Args;

use super::answer::{Answer, Failure};
use super::client::{ChangingClient, Service};
use super::fields::time;
use super::human::lines;
use crate::proto::v1alpha1::CleanUpTimedOutRequest;

/// Times out the tasks that are due.
#[derive(Debug, Args)]
pub struct Timeout {
    /// Due at this time: RFC 3339, or nanoseconds since 1970 [default: now].
    #[arg(long, alias = "at-time", value_name = "TIME", value_parser = time, default_value = "0", hide_default_value = true, allow_negative_numbers = true)]
    at: i64,
    /// In this queue [default: in all].
    #[arg(short, long, default_value_t, hide_default_value = true)]
    queue: String,
    #[command(flatten)]
    client: ChangingClient,
}

impl Timeout {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = CleanUpTimedOutRequest {
            at_time: self.at,
            queue: self.queue,
        };
        let rpc = async |service: &mut Service, request| service.clean_up_timed_out(request).await;
        let response = self.client.change(request, Duration::ZERO, rpc).await?;
        Answer::new(self.client.client.format, &response, |r| {
            lines(&[("timed_out", r.timed_out.to_string())])
        })
    }
}
