//! Commands that look at tasks: what happened to one, and lists.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::answer::{Answer, Failure, Format};
use super::client::{Client, Service};
use super::filter::Filter;
use super::human::{safe, table, time};
use crate::proto::v1alpha1::{
    GetTaskHistoryRequest, GetTaskHistoryResponse, ListTasksRequest, ListTasksResponse, ListedTask,
};

/// Tells what happened to a task, live or archived.
#[derive(Debug, Args)]
pub struct GetTaskHistory {
    /// The task.
    #[arg(long)]
    uuid: String,
    #[command(flatten)]
    client: Client,
}

impl GetTaskHistory {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = GetTaskHistoryRequest { uuid: self.uuid };
        let rpc = async |service: &mut Service, request| service.get_task_history(request).await;
        let response = self.client.read(request, rpc).await?;
        let answer = Answer::new(self.client.format, &response, show_history)?;
        Ok(if response.transitions.is_empty() {
            answer.unmatched("no task has that uuid")
        } else {
            answer
        })
    }
}

fn show_history(response: &GetTaskHistoryResponse) -> String {
    let header = ["time", "kind", "from", "to", "attempt", "worker"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(response.transitions.iter().map(|one| {
        vec![
            time(one.time),
            safe(&one.kind),
            safe(&one.from_state),
            safe(&one.to_state),
            one.attempt.to_string(),
            safe(&one.worker),
        ]
    }));
    let dropped = match response.dropped {
        0 => String::new(),
        dropped => format!("{dropped} before those\n"),
    };
    table(&rows) + &dropped
}

/// Lists tasks in the order of their uuids, page by page.
#[derive(Debug, Args)]
pub struct ListTasks {
    #[command(flatten)]
    filter: Filter,
    /// Archived tasks instead of live ones.
    #[arg(long, conflicts_with = "or_archived")]
    archived: bool,
    /// Archived tasks and live ones.
    #[arg(long)]
    or_archived: bool,
    /// Tasks on a page, up to 1000 [default: 100].
    #[arg(
        long,
        value_name = "N",
        default_value_t,
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    page_size: i32,
    /// The next_page_token of the page before.
    #[arg(long, value_name = "TOKEN", default_value_t, hide_default_value = true)]
    page_token: String,
    /// With their payloads.
    #[arg(long)]
    with_payload: bool,
    /// All pages; in JSON, a line for each task.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    client: Client,
}

impl ListTasks {
    pub async fn run(self) -> Result<Answer, Failure> {
        let mut filter = self.filter.message()?;
        filter.is_archived = self.archived.then_some(true);
        filter.or_archived = self.or_archived;
        let request = ListTasksRequest {
            filter: Some(filter),
            page_size: self.page_size,
            page_token: self.page_token,
            with_payload: self.with_payload,
        };
        match self.all {
            true => list_all(&self.client, request).await,
            false => list(&self.client, request).await,
        }
    }
}

/// One page.
pub async fn list(client: &Client, request: ListTasksRequest) -> Result<Answer, Failure> {
    let response = page(client, request).await?;
    let answer = Answer::new(client.format, &response, |r: &ListTasksResponse| {
        table(&rows(&r.tasks))
    })?;
    Ok(match response.next_page_token.as_str() {
        "" => answer,
        token if client.format == Format::Human => answer.nothing(&format!(
            "there may be more: --page-token {token}, or --all"
        )),
        _ => answer,
    })
}

/// All pages, each shown as it comes.
pub async fn list_all(client: &Client, mut request: ListTasksRequest) -> Result<Answer, Failure> {
    loop {
        let response = page(client, request.clone()).await?;
        let text = match client.format {
            Format::Human if response.tasks.is_empty() => String::new(),
            Format::Human => table(&rows(&response.tasks)),
            Format::Json => json_lines(&response.tasks)?,
        };
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(text.as_bytes());
        match written.and_then(|()| stdout.flush()) {
            Ok(()) => {}
            // A reader that has seen enough, such as `head`, is no failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            Err(error) => {
                let reason = format!("cannot write the answer: {error}");
                return Err(Failure::Failed(reason));
            }
        }
        request.page_token = response.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    Ok(Answer {
        text: String::new(),
        note: None,
        matched: true,
    })
}

async fn page(client: &Client, request: ListTasksRequest) -> Result<ListTasksResponse, Failure> {
    let rpc = async |service: &mut Service, request| service.list_tasks(request).await;
    client.read(request, rpc).await
}

fn json_lines(tasks: &[impl Serialize]) -> Result<String, Failure> {
    let mut text = String::new();
    for task in tasks {
        let line = serde_json::to_string(task)
            .map_err(|error| Failure::Failed(format!("cannot show the answer: {error}")))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// A row a task: what it is, and where it stands.
fn rows(tasks: &[ListedTask]) -> Vec<Vec<String>> {
    let rows = tasks.iter().filter_map(|listed| {
        let task = listed.task.as_ref()?;
        let stands = [
            (listed.is_archived, "archived"),
            (listed.is_delayed, "delayed"),
            (listed.is_in_flight, "in flight"),
        ];
        let stands = stands.iter().find(|(holds, _)| *holds);
        Some(vec![
            safe(&task.uuid),
            safe(&task.queue),
            safe(&task.current_state),
            time(task.update_time),
            format!("attempt {}", task.attempt),
            stands.map_or_else(String::new, |(_, word)| (*word).to_owned()),
            safe(&task.worker),
        ])
    });
    rows.collect()
}
