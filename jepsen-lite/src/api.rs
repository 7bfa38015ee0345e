//! The wire: requests to calls, and answers to what they mean.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::Failed;
use crate::history::{Answer, Counts, Outcome, Request, Seen, Submitted};
use crate::proto::v1alpha1::corndogs_service_client::CorndogsServiceClient;
use crate::proto::v1alpha1::*;

/// The queue of all tasks.
pub const QUEUE: &str = "jepsen";
/// How long a lease lasts, seconds.
pub const LEASE_S: i64 = 1;
/// A call is given up after that long: its outcome is unknown then.
const CALL_LIMIT: Duration = Duration::from_secs(2);

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
    http: SocketAddr,
}

impl Api {
    /// A connection that is made with the first call, and again after it broke.
    pub fn new(place: &Place) -> Result<Self, Failed> {
        let endpoint = Endpoint::from_shared(format!("http://{}", place.grpc))?;
        let endpoint = endpoint.timeout(CALL_LIMIT).connect_timeout(CALL_LIMIT);
        Ok(Self {
            node: place.node,
            service: CorndogsServiceClient::new(endpoint.connect_lazy()),
            http: place.http,
        })
    }

    /// Does what is asked, and says how it ended.
    pub async fn call(&mut self, request: &Request) -> Outcome {
        match self.try_call(request).await {
            Ok(answer) => Outcome::Ok(answer),
            Err(status) => failure(&status),
        }
    }

    async fn try_call(&mut self, request: &Request) -> Result<Answer, Status> {
        let service = &mut self.service;
        let task = match request {
            Request::Submit(task) => {
                let answer = service.submit_task(submit(task)).await?.into_inner();
                answer.task.map(seen)
            }
            Request::Claim { worker, state } => {
                let answer = service.get_next_task(claim(worker, state)).await?;
                answer.into_inner().task.map(seen)
            }
            Request::Update {
                uuid,
                attempt,
                state,
                new_state,
            } => {
                let update = UpdateTaskRequest {
                    uuid: uuid.clone(),
                    queue: QUEUE.into(),
                    current_state: state.clone(),
                    new_state: new_state.clone(),
                    attempt: *attempt,
                    ..Default::default()
                };
                let answer = service.update_task(update).await?.into_inner();
                answer.task.map(seen)
            }
            Request::Complete {
                uuid,
                attempt,
                state,
                next,
            } => {
                let complete = CompleteTaskRequest {
                    uuid: uuid.clone(),
                    queue: QUEUE.into(),
                    current_state: state.clone(),
                    attempt: *attempt,
                    next_task: next.as_ref().map(submit),
                };
                let answer = service.complete_task(complete).await?.into_inner();
                answer.task.map(seen)
            }
            Request::Get { uuid } => {
                let uuid = uuid.clone();
                let answer = service
                    .get_task(GetTaskRequest { uuid })
                    .await?
                    .into_inner();
                let is_archived = answer.is_archived;
                answer.task.map(|task| Seen {
                    is_archived,
                    ..seen(task)
                })
            }
            Request::Counts => return self.counts().await.map(Answer::Counts),
        };
        Ok(Answer::Task(task))
    }

    /// The states of the queue that hold tasks.
    pub async fn states(&mut self) -> Result<Vec<String>, Status> {
        let queue = QUEUE.to_owned();
        let answer = self
            .service
            .get_task_state_counts(GetTaskStateCountsRequest { queue })
            .await?;
        Ok(answer.into_inner().state_counts.into_keys().collect())
    }

    /// The read comes first: what it waits for, the metrics show as well.
    async fn counts(&mut self) -> Result<Counts, Status> {
        let queues = self.service.get_queues(GetQueuesRequest {}).await?;
        let live = queues.into_inner().total_task_count;
        let unreadable = |error: io::Error| Status::unknown(format!("the metrics: {error}"));
        let (_, text) = http_get(self.http, "/metrics").await.map_err(unreadable)?;
        let metric = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|number| number.trim().parse::<f64>().ok());
            number.ok_or_else(|| Status::unknown(format!("the metrics have no number {name}")))
        };
        let ended =
            metric("corndogs_completed_tasks_total ")? + metric("corndogs_canceled_tasks_total ")?;
        Ok(Counts {
            live,
            submitted: metric("corndogs_tasks_total ")? as i64,
            archived: ended as i64,
        })
    }
}

fn submit(task: &Submitted) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: QUEUE.into(),
        payload: task.payload.clone().into_bytes(),
        uuid: task.uuid.clone(),
        claim_timeout: LEASE_S,
        ..Default::default()
    }
}

fn claim(worker: &str, state: &str) -> GetNextTaskRequest {
    GetNextTaskRequest {
        queue: QUEUE.into(),
        current_state: state.into(),
        worker: worker.into(),
        ..Default::default()
    }
}

fn seen(task: Task) -> Seen {
    Seen {
        uuid: task.uuid,
        payload: String::from_utf8_lossy(&task.payload).into_owned(),
        is_archived: matches!(task.current_state.as_str(), "completed" | "canceled"),
        state: task.current_state,
        attempt: task.attempt,
        update_time_ns: task.update_time,
    }
}

/// What a failed call means. In doubt it is unknown: a call that is taken for failed, and was done, would be a
/// violation that is none.
fn failure(status: &Status) -> Outcome {
    let why = format!("{:?}: {}", status.code(), status.message());
    if let Some(source) = status.source() {
        return match was_refused(source) {
            true => Outcome::Fail(why),
            false => Outcome::Unknown(why),
        };
    }
    match status.code() {
        Code::Unavailable if status.message().contains("nothing was done") => Outcome::Fail(why),
        Code::InvalidArgument
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::ResourceExhausted => Outcome::Fail(why),
        _ => Outcome::Unknown(why),
    }
}

/// Whether nobody took the connection, so that nothing was sent.
fn was_refused(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        let io = cause.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// Status and body of a page; an error where nobody answers in time.
pub async fn http_get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let fetch = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let text = timeout(CALL_LIMIT, fetch).await.map_err(late)??;
    let no_answer = || io::Error::from(io::ErrorKind::InvalidData);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(no_answer)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((code.ok_or_else(no_answer)?, body.to_owned()))
}
