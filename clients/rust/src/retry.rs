//! One call, tried at one node after another until one answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::error::is_retryable;
use crate::proto::corndogs_service_client::CorndogsServiceClient;
use crate::{Error, Options};

/// The bare service at one node.
pub type Service = CorndogsServiceClient<Channel>;

/// The metadata that makes a retry the same call.
const KEY: &str = "idempotency-key";

/// What is asked of the nodes.
#[derive(Clone)]
pub struct Call {
    /// Names a change, for all its tries. None for reads.
    key: Option<MetadataValue<Ascii>>,
    /// How long the server may wait before it answers.
    wait: Duration,
    /// How long it is tried, the wait not counted. The client's own limit where it is longer.
    within: Duration,
}

impl Call {
    /// A call that changes nothing.
    pub fn read() -> Self {
        Self {
            key: None,
            wait: Duration::ZERO,
            within: Duration::MAX,
        }
    }

    /// A call that changes something: once, however often it is tried.
    pub fn change() -> Self {
        let key = Uuid::new_v4().to_string();
        Self {
            // A uuid is ASCII, so there always is a key.
            key: MetadataValue::try_from(key).ok(),
            ..Self::read()
        }
    }

    /// One that the server may answer that much later.
    pub fn waiting(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// One that is of no use later than that.
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }
}

/// An answer, and how it was come by.
pub struct Answer<R> {
    /// What the server said.
    pub message: R,
    /// How often it was asked; with several tries, the effect may be older than the answer.
    pub tries: u32,
}

/// The nodes of a cluster.
pub struct Nodes {
    services: Vec<Service>,
    /// The one that is asked first: the last that answered.
    preferred: AtomicUsize,
    options: Options,
}

impl Nodes {
    pub fn new(channels: Vec<Channel>, options: Options) -> Self {
        let services = channels.into_iter().map(|channel| {
            let service = Service::new(channel);
            service.max_decoding_message_size(options.max_message)
        });
        let services: Vec<Service> = services.collect();
        // Clients spread over the nodes.
        let first = random_below(services.len() as u64) as usize;
        Self {
            services,
            preferred: AtomicUsize::new(first),
            options,
        }
    }

    /// The node that is asked first.
    pub fn service(&self) -> Service {
        self.services[self.preferred.load(Ordering::Relaxed) % self.services.len()].clone()
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Asks one node after another until one serves the call, or time is up.
    ///
    /// # Errors
    /// [`Error::Unavailable`] then, or what a node refused it for.
    pub async fn call<Q: Clone, R, F>(
        &self,
        call: &Call,
        request: Q,
        rpc: impl Fn(Service, Request<Q>) -> F,
    ) -> Result<Answer<R>, Error>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let begin = Instant::now();
        let total = call.within.min(self.options.retry_for) + call.wait;
        let mut tries = 0;
        loop {
            tries += 1;
            let number = self.preferred.load(Ordering::Relaxed) % self.services.len();
            let left = total.saturating_sub(begin.elapsed());
            let limit =
                (self.options.call_timeout + call.wait).min(left.max(Duration::from_millis(1)));
            let service = self.services[number].clone();
            let asked = rpc(service, timed(request.clone(), call, limit));
            let answer = tokio::time::timeout(limit, asked).await;
            let late = |_| Err(Status::deadline_exceeded("the node did not answer in time"));
            let status = match answer.unwrap_or_else(late) {
                Ok(response) => {
                    let message = response.into_inner();
                    return Ok(Answer { message, tries });
                }
                Err(status) if is_retryable(&status) => status,
                Err(status) => return Err(status.into()),
            };
            self.pass_over(number);
            let address = self.options.address(number);
            tracing::debug!(address, tries, code = ?status.code(), why = status.message(), "another try");
            let pause = self.backoff(tries);
            if begin.elapsed() + pause >= total {
                return Err(Error::Unavailable {
                    tries,
                    elapsed: begin.elapsed(),
                    last: Box::new(status),
                });
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The next node is asked, unless another call has found one meanwhile.
    fn pass_over(&self, number: usize) {
        let next = (number + 1) % self.services.len();
        let _ = self
            .preferred
            .compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A random part of a span that doubles from try to try.
    fn backoff(&self, tries: u32) -> Duration {
        let doubled = 1_u32.checked_shl(tries - 1).unwrap_or(u32::MAX);
        let span = self.options.first_backoff.saturating_mul(doubled);
        jittered(span.min(self.options.longest_backoff))
    }
}

/// A random part of a span: those who failed together don't come back together.
pub fn jittered(span: Duration) -> Duration {
    let span_us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random_below(span_us.saturating_add(1)))
}

fn timed<Q>(request: Q, call: &Call, limit: Duration) -> Request<Q> {
    let mut request = Request::new(request);
    request.set_timeout(limit);
    if let Some(key) = &call.key {
        request.metadata_mut().insert(KEY, key.clone());
    }
    request
}

/// A number below `end`; 0 where there is none.
fn random_below(end: u64) -> u64 {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    random.checked_rem(end).unwrap_or(0)
}

/// What an answer without a task means.
pub fn found<T>(task: Option<T>) -> Result<T, Error> {
    task.ok_or(Error::NotFound)
}
