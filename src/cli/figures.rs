//! Commands that show figures: queues, workers, and what happened when.

use clap::{Args, ValueEnum};

use super::answer::{Answer, Failure};
use super::client::{Client, Service};
use super::fields::time;
use super::human::{safe, table, time as show_time};
use crate::clock;
use crate::config::value::duration;
use crate::proto::v1alpha1::*;

const MORE: &str =
    "there is more: ask for a larger --max, or go on with --after-queue and the like";
const PARTLY: &str = "figures of the window are missing: they took more room than there is";

/// When a window begins and ends.
#[derive(Debug, Args)]
struct Window {
    /// When the window begins: a time, or how long ago, such as 10m [default: an hour before its end].
    #[arg(long, value_name = "TIME", value_parser = since, default_value = "0", hide_default_value = true)]
    since: i64,
    /// When the window ends: a time, or how long ago [default: now].
    #[arg(long, value_name = "TIME", value_parser = since, default_value = "0", hide_default_value = true)]
    until: i64,
}

/// A time, or a duration before now.
fn since(text: &str) -> Result<i64, String> {
    if let Ok(at_ns) = time(text) {
        return Ok(at_ns);
    }
    let ago = duration(text).map_err(|_| {
        "must be RFC 3339, nanoseconds since 1970, or a duration such as 10m".to_owned()
    })?;
    let ago_ns = i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX);
    Ok(clock::wall_ns().saturating_sub(ago_ns).max(1))
}

/// Shows of each queue and state how many tasks wait or are worked on, and what happened lately.
#[derive(Debug, Args)]
pub struct Figures {
    /// The queue [default: all].
    #[arg(short, long, default_value_t, hide_default_value = true)]
    queue: String,
    #[command(flatten)]
    window: Window,
    /// The most queues and states that are shown.
    #[arg(
        long = "max",
        alias = "max-lines",
        value_name = "N",
        default_value_t = 1000
    )]
    max_lines: i32,
    /// Those after this queue ...
    #[arg(long, default_value_t, hide_default_value = true)]
    after_queue: String,
    /// ... and this state.
    #[arg(long, default_value_t, hide_default_value = true)]
    after_state: String,
    #[command(flatten)]
    client: Client,
}

impl Figures {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = GetQueueFiguresRequest {
            queue: self.queue,
            since: self.window.since,
            until: self.window.until,
            max_lines: self.max_lines,
            after_queue: self.after_queue,
            after_state: self.after_state,
        };
        let rpc = async |service: &mut Service, request| service.get_queue_figures(request).await;
        let response = self.client.read(request, rpc).await?;
        let answer = Answer::new(self.client.format, &response, show_lines)?;
        Ok(note(answer, response.has_more, response.is_complete))
    }
}

/// Shows who worked lately, and what came of it.
#[derive(Debug, Args)]
pub struct Workers {
    /// The queue [default: all].
    #[arg(short, long, default_value_t, hide_default_value = true)]
    queue: String,
    #[command(flatten)]
    window: Window,
    /// The most rows that are shown.
    #[arg(
        long = "max",
        alias = "max-workers",
        value_name = "N",
        default_value_t = 1000
    )]
    max_workers: i32,
    /// Those after this queue ...
    #[arg(long, default_value_t, hide_default_value = true)]
    after_queue: String,
    /// ... and this worker ...
    #[arg(long, default_value_t, hide_default_value = true)]
    after_worker: String,
    /// ... and this state.
    #[arg(long, default_value_t, hide_default_value = true)]
    after_state: String,
    #[command(flatten)]
    client: Client,
}

impl Workers {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = GetWorkersRequest {
            queue: self.queue,
            since: self.window.since,
            until: self.window.until,
            max_workers: self.max_workers,
            after_queue: self.after_queue,
            after_worker: self.after_worker,
            after_state: self.after_state,
        };
        let rpc = async |service: &mut Service, request| service.get_workers(request).await;
        let response = self.client.read(request, rpc).await?;
        let answer = Answer::new(self.client.format, &response, show_workers)?;
        Ok(note(answer, response.has_more, response.is_complete))
    }
}

/// Shows how often what happened in each minute, hour or day.
#[derive(Debug, Args)]
pub struct History {
    /// The queue [default: all, added up].
    #[arg(short, long, default_value_t, hide_default_value = true)]
    queue: String,
    /// The state [default: all, added up].
    #[arg(long, default_value_t, hide_default_value = true)]
    current_state: String,
    #[command(flatten)]
    window: Window,
    /// The length of a step [default: the finest that is kept for all of the window].
    #[arg(long)]
    step: Option<Step>,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Step {
    Minute,
    Hour,
    Day,
}

impl History {
    pub async fn run(self) -> Result<Answer, Failure> {
        let request = GetHistoryRequest {
            queue: self.queue,
            current_state: self.current_state,
            since: self.window.since,
            until: self.window.until,
            step_length_s: match self.step {
                None => 0,
                Some(Step::Minute) => 60,
                Some(Step::Hour) => 3600,
                Some(Step::Day) => 86_400,
            },
        };
        let rpc = async |service: &mut Service, request| service.get_history(request).await;
        let response = self.client.read(request, rpc).await?;
        let answer = Answer::new(self.client.format, &response, show_steps)?;
        Ok(note(answer, false, response.is_complete))
    }
}

fn note(answer: Answer, has_more: bool, is_complete: bool) -> Answer {
    match (has_more, is_complete) {
        (true, _) => answer.nothing(MORE),
        (false, false) => answer.nothing(PARTLY),
        _ => answer,
    }
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn window(start: i64, end: i64) -> String {
    format!("from {} to {}\n", show_time(start), show_time(end))
}

fn show_lines(response: &GetQueueFiguresResponse) -> String {
    let mut rows = vec![head(&[
        "queue",
        "state",
        "waiting",
        "in_flight",
        "delayed",
        "oldest",
        "submitted",
        "claimed",
        "completed",
        "canceled",
        "timed_out",
        "dead",
        "failed",
        "waited_p50",
        "waited_p99",
        "worked_p50",
        "worked_p99",
    ])];
    for line in &response.lines {
        let events = line.events.unwrap_or_default();
        let (waited, worked) = (
            line.waited.unwrap_or_default(),
            line.worked.unwrap_or_default(),
        );
        let oldest = match line.oldest_submit_time {
            0 => "-".to_owned(),
            _ => length(line.oldest_age_ms.saturating_mul(1000)),
        };
        let mut row = vec![safe(&line.queue), safe(&line.state)];
        row.extend([line.waiting, line.in_flight, line.delayed].map(|count| count.to_string()));
        row.push(oldest);
        row.extend(counts(&events));
        for lengths in [waited, worked] {
            row.extend(
                [lengths.p50_us, lengths.p99_us].map(|us| match lengths.count {
                    0 => "-".to_owned(),
                    _ => length(us),
                }),
            );
        }
        rows.push(row);
    }
    window(response.window_start, response.window_end) + &table(&rows)
}

fn show_workers(response: &GetWorkersResponse) -> String {
    let mut rows = vec![head(&[
        "queue",
        "worker",
        "state",
        "last_seen",
        "claimed",
        "completed",
        "timed_out",
        "failed",
    ])];
    for worker in &response.workers {
        let last_seen = match worker.last_seen {
            0 => "-".to_owned(),
            at_ns => show_time(at_ns),
        };
        let mut row = vec![
            safe(&worker.queue),
            safe(&worker.worker),
            safe(&worker.state),
            last_seen,
        ];
        let numbers = [
            worker.claimed,
            worker.completed,
            worker.timed_out,
            worker.failed,
        ];
        row.extend(numbers.map(|count| count.to_string()));
        rows.push(row);
    }
    window(response.window_start, response.window_end) + &table(&rows)
}

fn show_steps(response: &GetHistoryResponse) -> String {
    let mut rows = vec![head(&[
        "start",
        "submitted",
        "claimed",
        "completed",
        "canceled",
        "timed_out",
        "dead",
        "failed",
    ])];
    for step in &response.steps {
        let mut row = vec![show_time(step.start)];
        row.extend(counts(&step.events.unwrap_or_default()));
        rows.push(row);
    }
    table(&rows)
}

fn counts(events: &EventCounts) -> [String; 7] {
    [
        events.submitted,
        events.claimed,
        events.completed,
        events.canceled,
        events.timed_out,
        events.dead,
        events.failed,
    ]
    .map(|count| count.to_string())
}

/// A length of time in the unit that suits it.
fn length(us: i64) -> String {
    match us {
        0..1000 => format!("{us}us"),
        1000..1_000_000 => format!("{:.1}ms", us as f64 / 1e3),
        1_000_000..120_000_000 => format!("{:.1}s", us as f64 / 1e6),
        120_000_000..7_200_000_000 => format!("{:.1}m", us as f64 / 6e7),
        _ => format!("{:.1}h", us as f64 / 3.6e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_unit_that_suits_them() {
        for (us, shown) in [
            (0, "0us"),
            (999, "999us"),
            (1500, "1.5ms"),
            (90_000_000, "90.0s"),
            (600_000_000, "10.0m"),
            (86_400_000_000, "24.0h"),
        ] {
            assert_eq!(length(us), shown);
        }
    }

    #[test]
    fn a_window_begins_at_a_time_or_some_time_ago() {
        assert_eq!(since("1970-01-01T00:00:01Z"), Ok(1_000_000_000));
        assert_eq!(since("5"), Ok(5));
        let begin = since("10m").unwrap();
        let ago = clock::wall_ns() - begin;
        assert!((600_000_000_000..610_000_000_000).contains(&ago), "{ago}");
        assert!(since("soon").is_err());
    }
}
