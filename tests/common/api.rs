//! The generated client, with answers unpacked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use corndogs::proto::v1alpha1::corndogs_service_client::CorndogsServiceClient;
use corndogs::proto::v1alpha1::schedule_service_client::ScheduleServiceClient;
use corndogs::proto::v1alpha1::*;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::PATIENCE;

pub type Client = CorndogsServiceClient<Channel>;
pub type Tries<T> = Result<T, Status>;

/// What the server may send: the largest message with room to spare.
const MAX_ANSWER: usize = 32 << 20;

/// A connection to a server.
#[derive(Clone)]
pub struct Api {
    pub client: Client,
    pub schedules: ScheduleServiceClient<Channel>,
}

/// The code of an answer.
pub fn code<T>(answer: &Tries<T>) -> Code {
    answer.as_ref().err().map_or(Code::Ok, Status::code)
}

/// Whether the error's text holds all of the words.
pub fn names(status: &Status, words: &[&str]) -> bool {
    words.iter().all(|word| status.message().contains(word))
}

/// A request with an idempotency key.
pub fn keyed<T>(key: &str, request: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(request);
    let key = key.parse().unwrap();
    request.metadata_mut().insert("idempotency-key", key);
    request
}

impl Api {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(endpoint(address).connect().await.unwrap())
    }

    pub fn over(channel: Channel) -> Self {
        Self {
            schedules: ScheduleServiceClient::new(channel.clone()),
            client: Client::new(channel).max_decoding_message_size(MAX_ANSWER),
        }
    }

    /// Dials at the first call, and again after each loss of the connection.
    pub fn lazy(address: SocketAddr) -> Self {
        Self::lazy_within(address, PATIENCE)
    }

    /// The same; a call gives up after that long.
    pub fn lazy_within(address: SocketAddr, limit: Duration) -> Self {
        Self::over(endpoint(address).timeout(limit).connect_lazy())
    }

    pub async fn submit(&mut self, request: SubmitTaskRequest) -> Tries<Task> {
        let answer = self.client.submit_task(request).await?.into_inner();
        Ok(answer.task.expect("a submit answers with a task"))
    }

    pub async fn get(&mut self, uuid: &str) -> Tries<Option<Task>> {
        let request = GetTaskStateByIdRequest {
            uuid: uuid.into(),
            queue: String::new(),
        };
        Ok(self
            .client
            .get_task_state_by_id(request)
            .await?
            .into_inner()
            .task)
    }

    pub async fn claim(&mut self, request: GetNextTaskRequest) -> Tries<Option<Task>> {
        Ok(self.client.get_next_task(request).await?.into_inner().task)
    }

    pub async fn update(&mut self, request: UpdateTaskRequest) -> Tries<Option<Task>> {
        Ok(self.client.update_task(request).await?.into_inner().task)
    }

    pub async fn complete(&mut self, request: CompleteTaskRequest) -> Tries<Option<Task>> {
        Ok(self.client.complete_task(request).await?.into_inner().task)
    }

    /// Both tasks that a completion answers with.
    pub async fn complete_next(
        &mut self,
        request: CompleteTaskRequest,
    ) -> Tries<(Option<Task>, Option<Task>)> {
        let answer = self.client.complete_task(request).await?.into_inner();
        Ok((answer.task, answer.next_task))
    }

    pub async fn cancel(&mut self, request: CancelTaskRequest) -> Tries<Option<Task>> {
        Ok(self.client.cancel_task(request).await?.into_inner().task)
    }

    pub async fn extend(&mut self, request: ExtendTaskRequest) -> Tries<Option<Task>> {
        Ok(self.client.extend_task(request).await?.into_inner().task)
    }

    pub async fn fail(&mut self, request: FailTaskRequest) -> Tries<Option<Task>> {
        Ok(self.client.fail_task(request).await?.into_inner().task)
    }

    pub async fn submit_tasks(&mut self, tasks: Vec<SubmitTaskRequest>) -> Tries<Vec<Task>> {
        let request = SubmitTasksRequest { tasks };
        Ok(self.client.submit_tasks(request).await?.into_inner().tasks)
    }

    pub async fn claim_tasks(
        &mut self,
        next: GetNextTaskRequest,
        max_tasks: i32,
    ) -> Tries<Vec<Task>> {
        let request = GetNextTasksRequest {
            next: Some(next),
            max_tasks,
        };
        let answer = self.client.get_next_tasks(request).await?.into_inner();
        Ok(answer.tasks)
    }

    pub async fn complete_tasks(
        &mut self,
        tasks: Vec<CompleteTaskRequest>,
    ) -> Tries<Vec<CompleteTaskResponse>> {
        let request = CompleteTasksRequest { tasks };
        let answer = self.client.complete_tasks(request).await?.into_inner();
        Ok(answer.results)
    }

    pub async fn history(&mut self, uuid: &str) -> Tries<GetTaskHistoryResponse> {
        let request = GetTaskHistoryRequest { uuid: uuid.into() };
        Ok(self.client.get_task_history(request).await?.into_inner())
    }

    /// All pages of a list, and how many there were.
    pub async fn list(&mut self, request: ListTasksRequest) -> Tries<(Vec<ListedTask>, usize)> {
        let (mut tasks, mut pages, mut page_token) = (Vec::new(), 0, String::new());
        loop {
            let request = ListTasksRequest {
                page_token,
                ..request.clone()
            };
            let page = self.client.list_tasks(request).await?.into_inner();
            tasks.extend(page.tasks);
            pages += 1;
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok((tasks, pages));
            }
        }
    }

    pub async fn clean_up(&mut self, at_time: i64, queue: &str) -> Tries<i64> {
        let request = CleanUpTimedOutRequest {
            at_time,
            queue: queue.into(),
        };
        Ok(self
            .client
            .clean_up_timed_out(request)
            .await?
            .into_inner()
            .timed_out)
    }

    pub async fn queues(&mut self) -> Tries<(Vec<String>, i64)> {
        let answer = self
            .client
            .get_queues(GetQueuesRequest {})
            .await?
            .into_inner();
        Ok((answer.queues, answer.total_task_count))
    }

    pub async fn queue_counts(&mut self) -> Tries<(BTreeMap<String, i64>, i64)> {
        let answer = self
            .client
            .get_queue_task_counts(GetQueueTaskCountsRequest {})
            .await?
            .into_inner();
        Ok((answer.queue_counts, answer.total_task_count))
    }

    pub async fn state_counts(&mut self, queue: &str) -> Tries<GetTaskStateCountsResponse> {
        let request = GetTaskStateCountsRequest {
            queue: queue.into(),
        };
        Ok(self
            .client
            .get_task_state_counts(request)
            .await?
            .into_inner())
    }

    /// Every queue's states: all that the counts tell.
    pub async fn all_counts(&mut self) -> Tries<BTreeMap<String, QueueAndStateCounts>> {
        let request = GetQueueAndStateCountsRequest {};
        Ok(self
            .client
            .get_queue_and_state_counts(request)
            .await?
            .into_inner()
            .queue_and_state_counts)
    }

    pub async fn figures(
        &mut self,
        request: GetQueueFiguresRequest,
    ) -> Tries<GetQueueFiguresResponse> {
        Ok(self.client.get_queue_figures(request).await?.into_inner())
    }

    pub async fn workers(&mut self, request: GetWorkersRequest) -> Tries<GetWorkersResponse> {
        Ok(self.client.get_workers(request).await?.into_inner())
    }

    pub async fn steps(&mut self, request: GetHistoryRequest) -> Tries<GetHistoryResponse> {
        Ok(self.client.get_history(request).await?.into_inner())
    }

    /// A submit and a claim of it: the server serves.
    pub async fn assert_serves(&mut self) {
        let queue = "assert-serves".to_owned();
        let task = self
            .submit(SubmitTaskRequest {
                queue: queue.clone(),
                ..Default::default()
            })
            .await
            .unwrap();
        let claimed = self
            .claim(GetNextTaskRequest {
                queue,
                ..Default::default()
            })
            .await
            .unwrap()
            .unwrap();
        assert_eq!(claimed.uuid, task.uuid);
        assert!(self.complete(target(&claimed)).await.unwrap().is_some());
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    // A call that is never answered fails its test instead of holding it up.
    endpoint
        .timeout(PATIENCE)
        .connect_timeout(Duration::from_secs(10))
        .tcp_nodelay(true)
}

/// The completion of a task as it was answered.
fn target(task: &Task) -> CompleteTaskRequest {
    CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: task.queue.clone(),
        current_state: task.current_state.clone(),
        ..Default::default()
    }
}
