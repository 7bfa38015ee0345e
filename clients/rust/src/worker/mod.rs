//! Works off the tasks of a queue.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{Claim, Client, Error};
use pool::Pool;

mod give_back;
mod held;
mod job;
mod pool;
mod signal;

pub use job::{Job, Outcome};
pub use signal::stop_signal;

/// The shortest lease: the server counts in seconds.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
/// The most tasks that one claim may ask for.
const MOST_SLOTS: u32 = 1000;
/// How long a claim stands in line before it is renewed.
const WAIT: Duration = Duration::from_secs(20);

/// Claims tasks, runs a handler on each, and ends them as the handler says.
///
/// It never claims more tasks than it has free slots, and stands in line at the server where there is none: no
/// polling. While a handler runs its lease is extended at a third of its length. If the lease is lost all the same,
/// [`Job::cancelled`] says so, what the handler comes to is dropped, and it is aborted if it goes on for longer than
/// the grace period. A handler that fails or panics gives its task back, with what
/// it said as [`crate::Task::last_error`].
#[derive(Debug, Clone)]
#[must_use = "a worker does nothing until it runs"]
pub struct Worker {
    client: Client,
    claim: Claim,
    settings: Settings,
}

/// What holds for each task.
#[derive(Debug, Clone)]
struct Settings {
    concurrency: u32,
    lease: Duration,
    grace: Duration,
    retry_delay: Duration,
}

/// What a worker did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Tasks that were completed, with a next one or without.
    pub completed: u64,
    /// Tasks that were moved on to another state.
    pub moved: u64,
    /// Tasks that went back, since the handler asked for it, failed, or panicked.
    pub given_back: u64,
    /// Tasks that went to the state `dead`.
    pub dead: u64,
    /// Tasks whose lease was lost.
    pub lost: u64,
    /// Tasks that went back unfinished when the worker stopped.
    pub released: u64,
    /// Tasks of which it is not known how they ended: no node served the call in time. Those that did not end go
    /// back when their lease is over.
    pub unknown: u64,
}

impl Worker {
    /// A worker for a queue's tasks in the state `submitted`: one at a time, with a lease of 30 seconds, named after
    /// the process.
    pub fn new(client: Client, queue: impl Into<String>) -> Self {
        let settings = Settings {
            concurrency: 1,
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            retry_delay: Duration::from_secs(1),
        };
        let claim = Claim::of(queue)
            .wait(WAIT)
            .lease(settings.lease)
            .worker(format!("rust-{}", std::process::id()));
        Self {
            client,
            claim,
            settings,
        }
    }

    /// Takes tasks from this state.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.claim = self.claim.state(state);
        self
    }

    /// Takes tasks from these queues too, the best of all first.
    pub fn queues<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.claim = self.claim.queues(queues);
        self
    }

    /// How many tasks it works on at the same time: 1 to 1,000.
    pub fn concurrency(mut self, slots: u32) -> Self {
        self.settings.concurrency = slots.clamp(1, MOST_SLOTS);
        self
    }

    /// What its claims call it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.claim = self.claim.worker(name);
        self
    }

    /// How long a task stays away after this process has died; at least a second. It does not bound how long a
    /// handler may take.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.max(SHORTEST_LEASE);
        self.claim = self.claim.lease(self.settings.lease);
        self
    }

    /// How long handlers may go on after the worker was told to stop, or their lease was lost: 10 s by default.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// After what time a task that has no backoff of its own, and whose handler failed, panicked, or asked for another
    /// try without saying when, can be claimed again: 1 s by default. Zero means at once.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.settings.retry_delay = delay;
        self
    }

    /// Works until the process gets SIGTERM or Ctrl-C; see [`Self::run_until`].
    ///
    /// # Errors
    /// As [`Self::run_until`].
    pub async fn run<H, F, E>(self, handler: H) -> Result<Summary, Error>
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Outcome, E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        self.run_until(stop_signal(), handler).await
    }

    /// Works until `stop` comes. Then it claims nothing more, lets handlers go on for the grace period, and gives
    /// back at once what is not finished by then.
    ///
    /// A cluster that can't be reached is waited for. Dropping the future ends the handlers at once; their tasks go
    /// back when their leases are over.
    ///
    /// # Errors
    /// What the server refuses a claim for, as [`Error::Invalid`] for a name that is none. The worker stops in the
    /// same way then.
    pub async fn run_until<H, F, E>(
        self,
        stop: impl Future<Output = ()>,
        handler: H,
    ) -> Result<Summary, Error>
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Outcome, E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let stopping = CancellationToken::new();
        let mut pool = Pool::new(self, stopping, Arc::new(handler));
        let ended = tokio::select! {
            () = stop => Ok(()),
            refused = pool.work() => Err(refused),
        };
        let summary = pool.stop().await;
        ended.map(|()| summary)
    }
}
