//! `corndogs queue`: how queues are run.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::answer::{Answer, Failure};
use super::client::{ChangingClient, Client, Service};
use super::human::{blocks, lines, safe, section, time};
use crate::proto::v1alpha1::{
    GetQueueRequest, ListQueueSettingsRequest, ListQueueSettingsResponse, QueueFigures,
    QueueSettings, SetQueueRequest,
};

/// Shows and changes how queues are run.
#[derive(Debug, Subcommand)]
pub enum Queue {
    Set(Box<Set>),
    Get(Get),
    List(List),
    Pause(Pause),
    Resume(Resume),
}

impl Queue {
    pub async fn run(self) -> Result<Answer, Failure> {
        match self {
            Self::Set(command) => command.run().await,
            Self::Get(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Pause(command) => pause(command.queue, true, command.client).await,
            Self::Resume(command) => pause(command.queue, false, command.client).await,
        }
    }
}

/// Changes the settings that are given; 0 takes a limit away.
#[derive(Debug, Args)]
pub struct Set {
    /// The queue.
    queue: String,
    /// The most tasks that workers hold at once.
    #[arg(long, value_name = "TASKS")]
    max_in_flight: Option<i64>,
    /// The metadata key whose value is a task's group; empty for no groups.
    #[arg(long, value_name = "KEY")]
    group_by: Option<String>,
    /// The most tasks of one group that workers hold at once.
    #[arg(long, value_name = "TASKS")]
    max_in_flight_per_group: Option<i64>,
    /// The most claims a second.
    #[arg(long, value_name = "CLAIMS")]
    max_claims_per_s: Option<i64>,
    /// The most live tasks that no worker holds; submits over it are refused.
    #[arg(long, value_name = "TASKS")]
    max_waiting: Option<i64>,
    /// The timeout of submits that give none, in seconds.
    #[arg(long, value_name = "SECONDS")]
    default_timeout: Option<i64>,
    /// The claim timeout of submits that give none, in seconds.
    #[arg(long, value_name = "SECONDS")]
    default_claim_timeout: Option<i64>,
    /// How long ended tasks are kept, in seconds.
    #[arg(long, value_name = "SECONDS")]
    retention: Option<i64>,
    #[command(flatten)]
    client: ChangingClient,
}

impl Set {
    async fn run(self) -> Result<Answer, Failure> {
        let request = SetQueueRequest {
            queue: self.queue,
            paused: None,
            max_in_flight: self.max_in_flight,
            group_by: self.group_by,
            max_in_flight_per_group: self.max_in_flight_per_group,
            max_claims_per_s: self.max_claims_per_s,
            max_waiting: self.max_waiting,
            default_timeout: self.default_timeout,
            default_claim_timeout: self.default_claim_timeout,
            retention: self.retention,
        };
        set(request, self.client).await
    }
}

/// Claims find nothing until the queue is resumed; submits go on.
#[derive(Debug, Args)]
pub struct Pause {
    /// The queue.
    queue: String,
    #[command(flatten)]
    client: ChangingClient,
}

/// Ends a pause.
#[derive(Debug, Args)]
pub struct Resume {
    /// The queue.
    queue: String,
    #[command(flatten)]
    client: ChangingClient,
}

async fn pause(queue: String, paused: bool, client: ChangingClient) -> Result<Answer, Failure> {
    let request = SetQueueRequest {
        queue,
        paused: Some(paused),
        ..SetQueueRequest::default()
    };
    set(request, client).await
}

async fn set(request: SetQueueRequest, client: ChangingClient) -> Result<Answer, Failure> {
    let rpc = async |service: &mut Service, request| service.set_queue(request).await;
    let response = client.change(request, Duration::ZERO, rpc).await?;
    Answer::new(client.client.format, &response, |r| {
        r.settings.as_ref().map(show).unwrap_or_default()
    })
}

/// Shows how a queue is run, and how it stands.
#[derive(Debug, Args)]
pub struct Get {
    /// The queue.
    queue: String,
    #[command(flatten)]
    client: Client,
}

impl Get {
    async fn run(self) -> Result<Answer, Failure> {
        let rpc = async |service: &mut Service, request| service.get_queue(request).await;
        let request = GetQueueRequest { queue: self.queue };
        let response = self.client.read(request, rpc).await?;
        Answer::new(self.client.format, &response, |r| {
            let settings = r.settings.as_ref().map(show).unwrap_or_default();
            let figures = r.figures.as_ref().map(show_figures).unwrap_or_default();
            settings + &section("figures", &figures)
        })
    }
}

/// Lists the queues that have settings.
#[derive(Debug, Args)]
pub struct List {
    /// Only queues whose names come later.
    #[arg(long, value_name = "QUEUE", default_value_t, hide_default_value = true)]
    after: String,
    /// The most queues to show [default: 1000].
    #[arg(long, default_value_t, hide_default_value = true)]
    limit: i64,
    #[command(flatten)]
    client: Client,
}

impl List {
    async fn run(self) -> Result<Answer, Failure> {
        let rpc = async |service: &mut Service, request| service.list_queue_settings(request).await;
        let request = ListQueueSettingsRequest {
            after_queue: self.after,
            limit: self.limit,
        };
        let response = self.client.read(request, rpc).await?;
        let mut answer = Answer::new(
            self.client.format,
            &response,
            |r: &ListQueueSettingsResponse| blocks(r.queues.iter().map(show)),
        )?;
        if let Some(last) = response.queues.last().filter(|_| response.more) {
            answer.note = Some(format!("there are more: --after {:?}", last.queue));
        }
        Ok(answer)
    }
}

fn show(settings: &QueueSettings) -> String {
    let mut pairs = vec![("queue", safe(&settings.queue))];
    if settings.paused {
        pairs.push(("paused", "true".to_owned()));
    }
    if !settings.group_by.is_empty() {
        pairs.push(("group_by", safe(&settings.group_by)));
    }
    let numbers = [
        ("max_in_flight", settings.max_in_flight),
        ("max_in_flight_per_group", settings.max_in_flight_per_group),
        ("max_claims_per_s", settings.max_claims_per_s),
        ("max_waiting", settings.max_waiting),
        ("default_timeout", settings.default_timeout),
        ("default_claim_timeout", settings.default_claim_timeout),
        ("retention", settings.retention),
    ];
    let given = numbers.iter().filter(|(_, number)| *number != 0);
    pairs.extend(given.map(|(name, number)| (*name, number.to_string())));
    lines(&pairs)
}

fn show_figures(figures: &QueueFigures) -> String {
    let mut pairs = vec![
        ("waiting", figures.waiting.to_string()),
        ("in_flight", figures.in_flight.to_string()),
        ("delayed", figures.delayed.to_string()),
        ("claims_used", figures.claims_used.to_string()),
    ];
    if figures.paused_since != 0 {
        pairs.push(("paused_since", time(figures.paused_since)));
    }
    if figures.regrouping {
        pairs.push(("regrouping", "true".to_owned()));
    }
    lines(&pairs)
}
