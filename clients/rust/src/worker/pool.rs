//! A worker's slots: claims for the free ones, and the tasks in the others.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::held::{End, Held};
use super::{Job, Outcome, Summary, Worker};
use crate::retry::{Answer, jittered};
use crate::{Error, Task};

/// How long a claim's answer is waited for when the worker stops: one that is on its way brings tasks that would
/// stay away for their whole lease otherwise.
const LAST_ANSWER: Duration = Duration::from_millis(250);
/// How long to pause, at most, after a claim that no node served.
const PAUSE: Duration = Duration::from_secs(2);

type Claimed = Result<Answer<Vec<Task>>, Error>;

pub struct Pool<H> {
    worker: Worker,
    handler: Arc<H>,
    /// The worker stops: handlers may go on for the grace period.
    stopping: CancellationToken,
    /// The grace period is over.
    halt: CancellationToken,
    /// The claim that is under way. It asks for no more tasks than there are free slots.
    claim: Option<Pin<Box<dyn Future<Output = Claimed> + Send>>>,
    held: JoinSet<End>,
    summary: Summary,
}

impl<H, F, E> Pool<H>
where
    H: Fn(Job) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Outcome, E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    pub fn new(worker: Worker, stopping: CancellationToken, handler: Arc<H>) -> Self {
        Self {
            worker,
            handler,
            stopping,
            halt: CancellationToken::new(),
            claim: None,
            held: JoinSet::new(),
            summary: Summary::default(),
        }
    }

    /// Works until a claim is refused. May be dropped at any moment: what is under way stays in the pool.
    pub async fn work(&mut self) -> Error {
        loop {
            self.claim_if_free(Duration::ZERO);
            let claim = async {
                match &mut self.claim {
                    Some(claim) => claim.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(end) = self.held.join_next() => count(&mut self.summary, end),
                claimed = claim => {
                    self.claim = None;
                    match claimed {
                        Ok(answer) => self.take(answer),
                        Err(error @ (Error::Unavailable { .. } | Error::Exhausted(_))) => {
                            tracing::warn!(%error, "can't claim");
                            self.claim_if_free(jittered(PAUSE));
                        }
                        Err(error) => return error,
                    }
                }
            }
        }
    }

    /// Ends what is held: finished within the grace period, or given back.
    pub async fn stop(mut self) -> Summary {
        self.stopping.cancel();
        let grace_ends = Instant::now() + self.worker.settings.grace;
        if let Some(claim) = self.claim.take()
            && let Ok(Ok(answer)) = timeout(LAST_ANSWER, claim).await
        {
            for task in answer.message {
                self.held.spawn(self.hold(task).release());
            }
        }
        // What ends in time is counted here; the rest is told to halt.
        while let Ok(Some(end)) = timeout_at(grace_ends, self.held.join_next()).await {
            count(&mut self.summary, end);
        }
        self.halt.cancel();
        while let Some(end) = self.held.join_next().await {
            count(&mut self.summary, end);
        }
        self.summary
    }

    fn claim_if_free(&mut self, pause: Duration) {
        let taken = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let free = self.worker.settings.concurrency.saturating_sub(taken);
        if self.claim.is_some() || free == 0 {
            return;
        }
        let Worker { client, claim, .. } = self.worker.clone();
        self.claim = Some(Box::pin(async move {
            tokio::time::sleep(pause).await;
            client.claim_tries(claim, free).await
        }));
    }

    fn take(&mut self, answer: Answer<Vec<Task>>) {
        // The answer to a claim that was tried before may be as old as the first try.
        let beat_at_once = answer.tries > 1;
        for task in answer.message {
            let held = self.hold(task);
            self.held
                .spawn(held.work(self.handler.clone(), beat_at_once));
        }
    }

    fn hold(&self, task: Task) -> Held {
        Held {
            client: self.worker.client.clone(),
            task: Arc::new(task),
            settings: self.worker.settings.clone(),
            stopping: self.stopping.clone(),
            halt: self.halt.clone(),
        }
    }
}

fn count(summary: &mut Summary, end: Result<End, tokio::task::JoinError>) {
    let figure = match end {
        Ok(End::Completed) => &mut summary.completed,
        Ok(End::Moved) => &mut summary.moved,
        Ok(End::GivenBack) => &mut summary.given_back,
        Ok(End::Dead) => &mut summary.dead,
        Ok(End::Lost) => &mut summary.lost,
        Ok(End::Released) => &mut summary.released,
        Ok(End::Unknown) | Err(_) => &mut summary.unknown,
    };
    *figure += 1;
}
