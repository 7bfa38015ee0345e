//! `corndogs schedule …`: tasks that are submitted by the calendar.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use tonic::Request;
use tonic::transport::Channel;

use super::answer::{Answer, Failure};
use super::client::{ChangingClient, Client, MAX_MESSAGE};
use super::fields::Submit;
use super::human::{blocks, lines, safe, section, task, time};
use crate::proto::v1alpha1::schedule_service_client::ScheduleServiceClient;
use crate::proto::v1alpha1::*;

const NO_SCHEDULE: &str = "there is no schedule of that name";

type Service = ScheduleServiceClient<Channel>;

/// Tasks that are submitted by the calendar.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    Put(Box<Put>),
    Get(Get),
    List(List),
    Delete(Delete),
    Run(Run),
}

impl ScheduleCommand {
    pub async fn run(self) -> Result<Answer, Failure> {
        match self {
            Self::Put(command) => command.run().await,
            Self::Get(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Delete(command) => command.run().await,
            Self::Run(command) => command.run().await,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Missed {
    /// The latest one comes to a task.
    Last,
    /// Each comes to a task, up to the latest 1,000.
    All,
    /// None comes to a task that is more than 5 seconds late.
    None,
}

/// Puts a schedule in, or another one in its place.
#[derive(Debug, Args)]
pub struct Put {
    /// The schedule.
    name: String,
    /// Five fields: minute, hour, day of month, month, day of week; six: a second before them; or @daily and the like.
    #[arg(long)]
    cron: String,
    /// An IANA name, as Europe/Berlin [default: UTC].
    #[arg(long, value_name = "NAME", default_value_t, hide_default_value = true)]
    time_zone: String,
    /// No tick comes.
    #[arg(long)]
    paused: bool,
    /// What becomes of ticks that passed while no node could see to them.
    #[arg(long, value_enum, default_value_t = Missed::Last)]
    missed: Missed,
    #[command(flatten, next_help_heading = "What each tick submits")]
    task: Submit,
    #[command(flatten)]
    client: ChangingClient,
}

impl Put {
    async fn run(self) -> Result<Answer, Failure> {
        let missed = match self.missed {
            Missed::Last => MissedTicks::Last,
            Missed::All => MissedTicks::All,
            Missed::None => MissedTicks::None,
        };
        let request = PutScheduleRequest {
            name: self.name,
            cron: self.cron,
            time_zone: self.time_zone,
            paused: self.paused,
            missed: missed.into(),
            task: Some(self.task.request()?),
        };
        let rpc = async |channel, request| service(channel).put_schedule(request).await;
        let response = self
            .client
            .change_over(request, Duration::ZERO, rpc)
            .await?;
        Answer::new(self.client.client.format, &response, |r| {
            show(r.schedule.as_ref())
        })
    }
}

/// Shows a schedule and its next ticks.
#[derive(Debug, Args)]
pub struct Get {
    /// The schedule.
    name: String,
    /// How many of the next ticks to show, up to 100.
    #[arg(long, value_name = "N", default_value_t = 5)]
    ticks: i32,
    #[command(flatten)]
    client: Client,
}

impl Get {
    async fn run(self) -> Result<Answer, Failure> {
        let request = GetScheduleRequest {
            name: self.name,
            ticks: self.ticks,
        };
        let mut service = service(self.client.connect().await?);
        let answer = service.get_schedule(self.client.timed(request));
        let response = self.client.in_time(answer).await?.into_inner();
        let answer = Answer::new(self.client.format, &response, |r| show(r.schedule.as_ref()))?;
        Ok(matched(answer, response.schedule.is_some()))
    }
}

/// Shows all schedules by name.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    client: Client,
}

impl List {
    async fn run(self) -> Result<Answer, Failure> {
        let mut service = service(self.client.connect().await?);
        let mut all = ListSchedulesResponse::default();
        loop {
            let after = all.schedules.last().map(|schedule| schedule.name.clone());
            let request = ListSchedulesRequest {
                after: after.unwrap_or_default(),
                limit: 1000,
            };
            let request: Request<_> = self.client.timed(request);
            let page = self.client.in_time(service.list_schedules(request)).await?;
            let page = page.into_inner();
            let more = page.more && !page.schedules.is_empty();
            all.schedules.extend(page.schedules);
            if !more {
                break;
            }
        }
        let answer = Answer::new(self.client.format, &all, |r| {
            blocks(r.schedules.iter().map(|schedule| show(Some(schedule))))
        })?;
        Ok(match all.schedules.is_empty() {
            true => answer.nothing("there are no schedules"),
            false => answer,
        })
    }
}

/// Takes a schedule away; tasks that it submitted stay.
#[derive(Debug, Args)]
pub struct Delete {
    /// The schedule.
    name: String,
    #[command(flatten)]
    client: ChangingClient,
}

impl Delete {
    async fn run(self) -> Result<Answer, Failure> {
        let request = DeleteScheduleRequest { name: self.name };
        let rpc = async |channel, request| service(channel).delete_schedule(request).await;
        let response = self
            .client
            .change_over(request, Duration::ZERO, rpc)
            .await?;
        let answer = Answer::new(self.client.client.format, &response, |r| {
            show(r.schedule.as_ref())
        })?;
        Ok(matched(answer, response.schedule.is_some()))
    }
}

/// Submits a schedule's task once now, paused or not.
#[derive(Debug, Args)]
pub struct Run {
    /// The schedule.
    name: String,
    #[command(flatten)]
    client: ChangingClient,
}

impl Run {
    async fn run(self) -> Result<Answer, Failure> {
        let request = RunScheduleRequest { name: self.name };
        let rpc = async |channel, request| service(channel).run_schedule(request).await;
        let response = self
            .client
            .change_over(request, Duration::ZERO, rpc)
            .await?;
        let answer = Answer::new(self.client.client.format, &response, |r| {
            r.task.as_ref().map(task).unwrap_or_default()
        })?;
        Ok(matched(answer, response.task.is_some()))
    }
}

fn service(channel: Channel) -> Service {
    Service::new(channel).max_decoding_message_size(MAX_MESSAGE)
}

fn matched(answer: Answer, is_there: bool) -> Answer {
    match is_there {
        true => answer,
        false => answer.unmatched(NO_SCHEDULE),
    }
}

/// A schedule for people.
fn show(schedule: Option<&Schedule>) -> String {
    let Some(schedule) = schedule else {
        return String::new();
    };
    let or = |text: &str, empty: &str| match text {
        "" => empty.to_owned(),
        text => safe(text),
    };
    let at = |ns: i64| match ns {
        0 => "none".to_owned(),
        ns => time(ns),
    };
    let pairs = [
        ("name", safe(&schedule.name)),
        ("cron", safe(&schedule.cron)),
        ("time_zone", or(&schedule.time_zone, "UTC")),
        ("paused", schedule.paused.to_string()),
        ("missed", missed(schedule.missed()).to_owned()),
        ("next_tick", at(schedule.next_tick)),
        ("last_tick", at(schedule.last_tick)),
        ("last_task_uuid", or(&schedule.last_task_uuid, "none")),
        ("submitted", schedule.submitted.to_string()),
        ("skipped", schedule.skipped.to_string()),
    ];
    let mut text = lines(&pairs);
    if !schedule.next_ticks.is_empty() {
        let ticks = schedule.next_ticks.iter();
        let ticks: Vec<String> = ticks.map(|tick| time(*tick)).collect();
        text.push_str(&section("next_ticks", &ticks.join("\n")));
    }
    if let Some(task) = &schedule.task {
        let states = format!("{} > {}", task.current_state, task.auto_target_state);
        let pairs = [
            ("queue", safe(&task.queue)),
            ("states", safe(&states)),
            ("payload", format!("{} bytes", task.payload.len())),
        ];
        text.push_str(&section("task", &lines(&pairs)));
    }
    text
}

fn missed(missed: MissedTicks) -> &'static str {
    match missed {
        MissedTicks::Last => "last",
        MissedTicks::All => "all",
        MissedTicks::None => "none",
    }
}
