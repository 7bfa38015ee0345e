//! One held task: its handler, its heartbeats, its end.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::give_back::{Went, Why, give_back};
use super::{Job, Outcome, Settings};
use crate::{Client, Error, Task};

/// How long an aborted handler gets to reach a point where it can end.
const ABORT: Duration = Duration::from_secs(1);

/// How a held task ended; what [`super::Summary`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Moved,
    GivenBack,
    Dead,
    Lost,
    Released,
    Unknown,
}

/// A claimed task.
pub struct Held {
    pub client: Client,
    pub task: Arc<Task>,
    pub settings: Settings,
    pub stopping: CancellationToken,
    pub halt: CancellationToken,
}

/// A handler that ends with the one who waits for it.
struct Running<T>(JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Running<T> {
    /// Aborts it, and waits until it has ended; code that never yields goes on.
    async fn end(mut self) {
        self.0.abort();
        let _ = timeout(ABORT, &mut self.0).await;
    }
}

impl Held {
    /// Runs the handler and ends the task as it says, unless the lease is lost or the worker halts before.
    pub async fn work<H, F, E>(self, handler: Arc<H>, beat_at_once: bool) -> End
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Outcome, E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let cancelled = CancellationToken::new();
        let job = Job {
            task: self.task.clone(),
            cancelled: cancelled.clone(),
            stopping: self.stopping.clone(),
        };
        // In a task of its own, also the call: a panic ends that task alone.
        let mut running = Running(tokio::spawn(async move { handler(job).await }));
        tokio::select! {
            biased;
            result = &mut running.0 => self.settle(result).await,
            () = self.until_lost(beat_at_once) => {
                tracing::warn!(uuid = %self.task.uuid, attempt = self.task.attempt, "the lease is lost");
                cancelled.cancel();
                tokio::select! {
                    _ = &mut running.0 => {}
                    () = sleep(self.settings.grace) => running.end().await,
                    () = self.halt.cancelled() => running.end().await,
                }
                End::Lost
            }
            () = self.halt.cancelled() => {
                cancelled.cancel();
                running.end().await;
                self.release().await
            }
        }
    }

    /// Gives the task back, since the worker stops.
    pub async fn release(self) -> End {
        match give_back(&self.client, &self.task, Why::Stopped).await {
            Ok(_) => End::Released,
            Err(error) => self.unsettled(&error),
        }
    }

    /// Extends the lease again and again. Comes when it is lost: the server says so, or could not be told for so
    /// long that it must be taken for lost.
    async fn until_lost(&self, beat_at_once: bool) {
        let lease = self.settings.lease;
        let mut held_until = Instant::now() + lease;
        let mut pause = match beat_at_once {
            true => Duration::ZERO,
            false => lease / 3,
        };
        loop {
            sleep(pause).await;
            let begin = Instant::now();
            let left = held_until.saturating_duration_since(begin);
            if left.is_zero() {
                return;
            }
            match self.client.extend_within(&self.task, lease, left).await {
                Ok(_) => {
                    held_until = begin + lease;
                    pause = lease / 3;
                }
                Err(error) if error.is_lost() => return,
                Err(error) => {
                    tracing::warn!(uuid = %self.task.uuid, %error, "can't extend the lease");
                    pause = lease / 10;
                }
            }
        }
    }

    /// Does what the handler answered.
    async fn settle<E: fmt::Display>(self, result: Result<Result<Outcome, E>, JoinError>) -> End {
        let outcome = match result {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => return self.failed(error.to_string()).await,
            Err(error) => return self.failed(panic_text(error)).await,
        };
        let done = match outcome {
            Outcome::Done => {
                let done = self.client.complete(&self.task).await;
                done.map(|_| End::Completed)
            }
            Outcome::Next(next) => {
                let done = self.client.complete_with_next(&self.task, next).await;
                done.map(|_| End::Completed)
            }
            Outcome::Move(update) => {
                let done = self.client.update(&self.task, update).await;
                done.map(|_| End::Moved)
            }
            Outcome::Retry { after } => {
                let message = "the handler asked for another try".to_owned();
                return self.try_again(message, after).await;
            }
            Outcome::Dead => return self.give_back(Why::Dead).await,
        };
        match done {
            Ok(end) => end,
            Err(error @ Error::Unavailable { .. }) => self.unsettled(&error),
            Err(error) if error.is_lost() => self.unsettled(&error),
            // The server takes the task's end, but not this one: as a next task that is too large.
            Err(error) => self.failed(error.to_string()).await,
        }
    }

    async fn failed(self, error: String) -> End {
        let Task { uuid, attempt, .. } = *self.task;
        tracing::warn!(%uuid, attempt, %error, "a handler failed");
        self.try_again(error, None).await
    }

    async fn try_again(self, message: String, after: Option<Duration>) -> End {
        let default = self.settings.retry_delay;
        let why = Why::Failed {
            message,
            after,
            default,
        };
        self.give_back(why).await
    }

    async fn give_back(self, why: Why) -> End {
        match give_back(&self.client, &self.task, why).await {
            Ok(Went::Back) => End::GivenBack,
            Ok(Went::Dead) => End::Dead,
            Err(error) => self.unsettled(&error),
        }
    }

    /// It could not be told how the task ended: its lease ends it.
    fn unsettled(&self, error: &Error) -> End {
        let Task { uuid, attempt, .. } = *self.task;
        tracing::warn!(%uuid, attempt, %error, "what was done on a task does not count");
        match error.is_lost() {
            true => End::Lost,
            false => End::Unknown,
        }
    }
}

/// What a handler said as it panicked.
fn panic_text(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "the handler was aborted".to_owned();
    };
    let panic: Box<dyn Any + Send> = panic;
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("it panicked: {}", text.unwrap_or_default())
}
