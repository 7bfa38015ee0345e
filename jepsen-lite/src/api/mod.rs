//! The wire: requests to calls, and answers to what they mean.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request as Message, Status};

use crate::Failed;
use crate::history::{Act, Answer, Deed, Outcome, Request, Seen, Totals};
use crate::proto::cluster::StatusRequest;
use crate::proto::cluster::cluster_service_client::ClusterServiceClient;
use crate::proto::v1alpha1::corndogs_service_client::CorndogsServiceClient;
use crate::proto::v1alpha1::*;

mod convert;
mod failure;
mod http;

pub use http::http_get;

/// A call is given up after that long: its outcome is unknown then.
pub const CALL_LIMIT: Duration = Duration::from_secs(2);
/// So many tasks make a page of a list.
const PAGE: i32 = 1_000;

/// Where a node is found.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its id.
    pub node: u64,
    /// Where it serves clients.
    pub grpc: SocketAddr,
    /// Where it shows its metrics.
    pub http: SocketAddr,
}

/// Calls to one node.
pub struct Api {
    /// Its id.
    pub node: u64,
    service: CorndogsServiceClient<Channel>,
    cluster: ClusterServiceClient<Channel>,
    http: SocketAddr,
}

impl Api {
    /// A connection that is made with the first call, and again after it broke.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn new(place: &Place) -> Result<Self, Failed> {
        let endpoint = Endpoint::from_shared(format!("http://{}", place.grpc))?;
        let endpoint = endpoint.timeout(CALL_LIMIT).connect_timeout(CALL_LIMIT);
        let channel = endpoint.connect_lazy();
        // A list of a whole queue comes in pages, and a page may be larger than a client's usual limit.
        let service = CorndogsServiceClient::new(channel.clone());
        Ok(Self {
            node: place.node,
            service: service.max_decoding_message_size(64 << 20),
            cluster: ClusterServiceClient::new(channel),
            http: place.http,
        })
    }

    /// Does what is asked, under an idempotency key if there is one, and says how it ended.
    pub async fn call(&self, request: &Request, key: Option<&str>) -> Outcome {
        match self.try_call(request, key).await {
            Ok(answer) => Outcome::Ok(answer),
            Err(status) => failure::failure(&status),
        }
    }

    async fn try_call(&self, request: &Request, key: Option<&str>) -> Result<Answer, Status> {
        let mut service = self.service.clone();
        let task = match request {
            Request::Submit(task) => {
                let message = keyed(convert::submit(task), key);
                service.submit_task(message).await?.into_inner().task
            }
            Request::Claim(claim) => {
                let message = keyed(convert::claim(claim), key);
                service.get_next_task(message).await?.into_inner().task
            }
            Request::Act(act) => return self.act(act, key).await,
            Request::Get { uuid } => {
                let uuid = uuid.clone();
                let answer = service.get_task(GetTaskRequest { uuid }).await?;
                let answer = answer.into_inner();
                let is_archived = answer.is_archived;
                let task = answer.task.map(|task| Seen {
                    is_archived,
                    ..convert::seen(task)
                });
                let task = task.map(Box::new);
                return Ok(Answer::Task { task, next: None });
            }
            Request::List { queue } => return self.list(queue).await,
            Request::States { queue } => {
                let queue = queue.clone();
                let request = GetTaskStateCountsRequest { queue };
                let answer = service.get_task_state_counts(request).await?.into_inner();
                return Ok(Answer::States {
                    count: answer.count,
                    states: answer.state_counts.into_iter().collect(),
                });
            }
            Request::Totals { .. } => return self.totals().await.map(Answer::Totals),
            Request::Status => {
                let answer = self.cluster.clone().status(StatusRequest {}).await?;
                return Ok(Answer::Status(convert::view(answer.into_inner())));
            }
        };
        Ok(convert::answer(task, None))
    }

    async fn act(&self, act: &Act, key: Option<&str>) -> Result<Answer, Status> {
        let mut service = self.service.clone();
        let mut next = None;
        let task = match &act.deed {
            Deed::Update {
                new_state,
                priority,
            } => {
                let message = keyed(convert::update(act, new_state, *priority), key);
                service.update_task(message).await?.into_inner().task
            }
            Deed::Complete { next: submitted } => {
                let message = keyed(convert::complete(act, submitted.as_ref()), key);
                let answer = service.complete_task(message).await?.into_inner();
                next = answer.next_task;
                answer.task
            }
            Deed::Cancel => {
                let message = keyed(convert::cancel(act), key);
                service.cancel_task(message).await?.into_inner().task
            }
            Deed::Fail => {
                let message = keyed(convert::fail(act), key);
                service.fail_task(message).await?.into_inner().task
            }
            Deed::Extend => {
                let message = keyed(convert::extend(act), key);
                service.extend_task(message).await?.into_inner().task
            }
        };
        Ok(convert::answer(task, next))
    }

    async fn list(&self, queue: &str) -> Result<Answer, Status> {
        let mut service = self.service.clone();
        let mut tasks = Vec::new();
        let mut page_token = String::new();
        loop {
            let filter = TaskFilter {
                queue: queue.to_owned(),
                or_archived: true,
                ..Default::default()
            };
            let request = ListTasksRequest {
                filter: Some(filter),
                page_size: PAGE,
                page_token,
                with_payload: true,
            };
            let page = service.list_tasks(request).await?.into_inner();
            tasks.extend(page.tasks.into_iter().filter_map(convert::listed));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(Answer::List { tasks });
            }
        }
    }

    /// One page shows one state of the server, as fresh as any read's.
    async fn totals(&self) -> Result<Totals, Status> {
        let unreadable = |error: io::Error| Status::unknown(format!("the metrics: {error}"));
        let (_, text) = http_get(self.http, "/metrics").await.map_err(unreadable)?;
        let metric = |name: &str| {
            let numbers = text.lines().filter_map(|line| line.strip_prefix(name));
            let numbers = numbers.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            numbers.sum::<f64>() as i64
        };
        // A node that can't vouch for what it knows leaves these out.
        if !text.contains("\ncorndogs_tasks_total ") {
            return Err(Status::unknown("the metrics show no tasks"));
        }
        let ended = [
            "corndogs_completed_tasks_total ",
            "corndogs_canceled_tasks_total ",
        ];
        Ok(Totals {
            live: metric("corndogs_tasks_in_queue{"),
            submitted: metric("corndogs_tasks_total "),
            archived: ended.into_iter().map(metric).sum(),
        })
    }
}

fn keyed<T>(message: T, key: Option<&str>) -> Message<T> {
    let mut message = Message::new(message);
    let value = key.and_then(|key| AsciiMetadataValue::try_from(key).ok());
    if let Some(value) = value {
        message.metadata_mut().insert("idempotency-key", value);
    }
    message
}
