//! `corndogs dead`: tasks that used up their attempts.

use clap::{Args, Subcommand};

use super::answer::{Answer, Failure};
use super::bulk::{self, Reach};
use super::client::{ChangingClient, Client};
use super::looking;
use crate::proto::v1alpha1::{ListTasksRequest, RequeueTasksRequest, TaskFilter};

const DEAD: &str = "dead";

/// Looks at the tasks that are dead, requeues them, or purges them.
#[derive(Debug, Subcommand)]
pub enum Dead {
    List(List),
    Requeue(Requeue),
    Purge(Purge),
}

impl Dead {
    pub async fn run(self) -> Result<Answer, Failure> {
        match self {
            Dead::List(command) => command.run().await,
            Dead::Requeue(command) => command.run().await,
            Dead::Purge(command) => command.run().await,
        }
    }
}

fn dead(queue: String) -> TaskFilter {
    TaskFilter {
        queue,
        current_state: DEAD.to_owned(),
        ..TaskFilter::default()
    }
}

/// Lists all dead tasks; in JSON, a line for each.
#[derive(Debug, Args)]
pub struct List {
    /// Those of this queue [default: of all].
    #[arg(short, long, default_value_t, hide_default_value = true)]
    queue: String,
    /// With their payloads.
    #[arg(long)]
    with_payload: bool,
    #[command(flatten)]
    client: Client,
}

impl List {
    async fn run(self) -> Result<Answer, Failure> {
        let request = ListTasksRequest {
            filter: Some(dead(self.queue)),
            with_payload: self.with_payload,
            ..ListTasksRequest::default()
        };
        looking::list_all(&self.client, request).await
    }
}

/// Puts dead tasks back where they were claimed, their attempts starting anew.
#[derive(Debug, Args)]
pub struct Requeue {
    /// Those of this queue [default: of all].
    #[arg(short, long, default_value_t, hide_default_value = true)]
    queue: String,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    client: ChangingClient,
}

impl Requeue {
    async fn run(self) -> Result<Answer, Failure> {
        let request = RequeueTasksRequest {
            target: Some(self.reach.target(dead(self.queue))),
            ..RequeueTasksRequest::default()
        };
        bulk::requeue(&self.client, request).await
    }
}

/// Cancels dead tasks: they go to the archive.
#[derive(Debug, Args)]
pub struct Purge {
    /// Those of this queue [default: of all].
    #[arg(short, long, default_value_t, hide_default_value = true)]
    queue: String,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    client: ChangingClient,
}

impl Purge {
    async fn run(self) -> Result<Answer, Failure> {
        bulk::cancel(&self.client, self.reach.target(dead(self.queue))).await
    }
}
