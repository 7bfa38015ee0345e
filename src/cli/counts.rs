//! Commands that show queues and counts.

use clap::Args;

use super::answer::{Answer, Failure};
use super::client::{Client, Service};
use super::human::{blocks, counts, lines, safe, section};
use crate::proto::v1alpha1::{
    GetQueueAndStateCountsRequest, GetQueueTaskCountsRequest, GetQueuesRequest, GetQueuesResponse,
    GetTaskStateCountsRequest, QueueAndStateCounts,
};

/// Names the queues that hold live tasks.
#[derive(Debug, Args)]
pub struct GetQueues {
    #[command(flatten)]
    client: Client,
}

impl GetQueues {
    pub async fn run(self) -> Result<Answer, Failure> {
        let rpc = async |service: &mut Service, request| service.get_queues(request).await;
        let response = self.client.read(GetQueuesRequest {}, rpc).await?;
        Answer::new(self.client.format, &response, |r: &GetQueuesResponse| {
            let names: Vec<String> = r.queues.iter().map(|name| safe(name)).collect();
            total(r.total_task_count) + &section("queues", &names.join("\n"))
        })
    }
}

/// Counts the live tasks of each queue.
#[derive(Debug, Args)]
pub struct GetQueueTaskCounts {
    #[command(flatten)]
    client: Client,
}

impl GetQueueTaskCounts {
    pub async fn run(self) -> Result<Answer, Failure> {
        let rpc =
            async |service: &mut Service, request| service.get_queue_task_counts(request).await;
        let response = self.client.read(GetQueueTaskCountsRequest {}, rpc).await?;
        Answer::new(self.client.format, &response, |r| {
            total(r.total_task_count) + &section("queue_counts", &counts(&r.queue_counts))
        })
    }
}

/// Counts the live tasks of one queue by state.
#[derive(Debug, Args)]
pub struct GetTaskStateCounts {
    /// The queue.
    #[arg(short, long)]
    queue: String,
    #[command(flatten)]
    client: Client,
}

impl GetTaskStateCounts {
    pub async fn run(self) -> Result<Answer, Failure> {
        let rpc =
            async |service: &mut Service, request| service.get_task_state_counts(request).await;
        let request = GetTaskStateCountsRequest { queue: self.queue };
        let response = self.client.read(request, rpc).await?;
        Answer::new(self.client.format, &response, |r| {
            let head = lines(&[("queue", safe(&r.queue)), ("count", r.count.to_string())]);
            head + &section("state_counts", &counts(&r.state_counts))
        })
    }
}

/// Counts the live tasks of each queue by state.
#[derive(Debug, Args)]
pub struct GetQueueAndStateCounts {
    #[command(flatten)]
    client: Client,
}

impl GetQueueAndStateCounts {
    pub async fn run(self) -> Result<Answer, Failure> {
        let rpc = async |service: &mut Service, request| {
            service.get_queue_and_state_counts(request).await
        };
        let response = self
            .client
            .read(GetQueueAndStateCountsRequest {}, rpc)
            .await?;
        Answer::new(self.client.format, &response, |r| {
            blocks(
                r.queue_and_state_counts
                    .iter()
                    .map(|(name, queue)| show_queue(name, queue)),
            )
        })
    }
}

fn total(count: i64) -> String {
    lines(&[("total_task_count", count.to_string())])
}

fn show_queue(name: &str, queue: &QueueAndStateCounts) -> String {
    let head = lines(&[("queue", safe(name)), ("count", queue.count.to_string())]);
    head + &section("state_counts", &counts(&queue.state_counts))
}
