//! A server that answers from what it is asked, for tests of the command line.

pub mod looking;
pub mod queues;

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use corndogs::proto::cluster::change_request::Change;
use corndogs::proto::cluster::cluster_service_server::{ClusterService, ClusterServiceServer};
use corndogs::proto::cluster::{
    BackupChunk, BackupRequest, ChangeRequest, ChangeResponse, Node, StatusRequest, StatusResponse,
};
use corndogs::proto::v1alpha1::corndogs_service_server::{CorndogsService, CorndogsServiceServer};
use corndogs::proto::v1alpha1::*;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, async_trait};

/// The uuid of no task; the queue that is empty.
pub const NONE: &str = "none";

/// Serves in the background until the tests end.
pub fn start() -> SocketAddr {
    serve(Fake {
        backup_breaks: false,
    })
}

/// The same, but backups end with an error.
pub fn start_breaking() -> SocketAddr {
    serve(Fake {
        backup_breaks: true,
    })
}

fn serve(fake: Fake) -> SocketAddr {
    let (tell, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            tonic::transport::Server::builder()
                .add_service(CorndogsServiceServer::new(fake).max_decoding_message_size(1 << 30))
                .add_service(ClusterServiceServer::new(fake))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
    });
    address.recv().unwrap()
}

#[derive(Clone, Copy)]
struct Fake {
    backup_breaks: bool,
}

type Answer<T> = Result<Response<T>, Status>;

/// The task that the request names, unless it is none.
fn task(uuid: &str, queue: &str, current_state: &str) -> Option<Task> {
    (uuid != NONE && queue != NONE).then(|| Task {
        uuid: uuid.into(),
        queue: queue.into(),
        current_state: current_state.into(),
        ..Task::default()
    })
}

/// The submitted task, field by field.
fn submitted(request: SubmitTaskRequest) -> Task {
    Task {
        uuid: request.uuid,
        queue: request.queue,
        current_state: request.current_state,
        auto_target_state: request.auto_target_state,
        timeout: request.timeout,
        payload: request.payload,
        priority: request.priority,
        not_before: request.not_before,
        unique_key: request.unique_key,
        metadata: request.metadata,
        claim_timeout: request.claim_timeout,
        max_attempts: request.max_attempts,
        retry_backoff: request.retry_backoff,
        ..Task::default()
    }
}

/// A claimed task that tells the request's fields.
fn claimed(request: &GetNextTaskRequest) -> Option<Task> {
    let mut task = task("", &request.queue, &request.override_current_state)?;
    task.auto_target_state = request.override_auto_target_state.clone();
    task.timeout = request.override_timeout;
    task.worker = request.worker.clone();
    task.unique_key = request.queues.join("+");
    task.attempt = request.wait_ms;
    Some(task)
}

fn completed(request: CompleteTaskRequest) -> CompleteTaskResponse {
    let task = task(&request.uuid, &request.queue, "completed");
    let next_task = task.as_ref().and(request.next_task).map(submitted);
    CompleteTaskResponse { task, next_task }
}

#[async_trait]
impl CorndogsService for Fake {
    async fn submit_task(&self, request: Request<SubmitTaskRequest>) -> Answer<SubmitTaskResponse> {
        let key = request.metadata().get("idempotency-key").cloned();
        match request.get_ref().queue.as_str() {
            "refuse" => return Err(Status::invalid_argument("queue: no\x1b[2J")),
            "hang" => tokio::time::sleep(Duration::from_secs(60)).await,
            _ => {}
        }
        let mut task = submitted(request.into_inner());
        if let Some(key) = key {
            task.worker = key.to_str().unwrap().to_owned();
        }
        queues::submit(&task);
        Ok(Response::new(SubmitTaskResponse { task: Some(task) }))
    }

    async fn get_task_state_by_id(
        &self,
        request: Request<GetTaskStateByIdRequest>,
    ) -> Answer<GetTaskStateByIdResponse> {
        let request = request.into_inner();
        let task = task(&request.uuid, &request.queue, "submitted");
        Ok(Response::new(GetTaskStateByIdResponse { task }))
    }

    async fn get_next_task(
        &self,
        request: Request<GetNextTaskRequest>,
    ) -> Answer<GetNextTaskResponse> {
        let kept = queues::claim(&request.get_ref().queue);
        let task = kept.unwrap_or_else(|| claimed(request.get_ref()));
        Ok(Response::new(GetNextTaskResponse { task }))
    }

    async fn update_task(&self, request: Request<UpdateTaskRequest>) -> Answer<UpdateTaskResponse> {
        let request = request.into_inner();
        let mut task = task(&request.uuid, &request.queue, &request.new_state);
        if let Some(task) = &mut task {
            task.auto_target_state = request.auto_target_state;
            task.timeout = request.timeout;
            task.payload = request.payload;
            task.priority = request.priority;
            task.attempt = request.attempt;
            task.worker = request.current_state;
        }
        Ok(Response::new(UpdateTaskResponse { task }))
    }

    async fn complete_task(
        &self,
        request: Request<CompleteTaskRequest>,
    ) -> Answer<CompleteTaskResponse> {
        Ok(Response::new(completed(request.into_inner())))
    }

    async fn cancel_task(&self, request: Request<CancelTaskRequest>) -> Answer<CancelTaskResponse> {
        let request = request.into_inner();
        let task = task(&request.uuid, &request.queue, "canceled");
        Ok(Response::new(CancelTaskResponse { task }))
    }

    async fn fail_task(&self, request: Request<FailTaskRequest>) -> Answer<FailTaskResponse> {
        let request = request.into_inner();
        let mut task = task(&request.uuid, &request.queue, "failed");
        if let Some(task) = &mut task {
            task.timeout = request.retry_after;
            task.attempt = request.attempt;
            task.worker = request.current_state;
            task.last_error = request.message;
        }
        Ok(Response::new(FailTaskResponse { task }))
    }

    async fn clean_up_timed_out(
        &self,
        request: Request<CleanUpTimedOutRequest>,
    ) -> Answer<CleanUpTimedOutResponse> {
        Ok(Response::new(CleanUpTimedOutResponse {
            timed_out: request.get_ref().at_time,
        }))
    }

    async fn get_queues(&self, _: Request<GetQueuesRequest>) -> Answer<GetQueuesResponse> {
        let queues = vec!["a".to_owned(), "b".to_owned()];
        Ok(Response::new(GetQueuesResponse {
            queues,
            total_task_count: 3,
        }))
    }

    async fn get_queue_task_counts(
        &self,
        _: Request<GetQueueTaskCountsRequest>,
    ) -> Answer<GetQueueTaskCountsResponse> {
        let queue_counts = [("a".to_owned(), 1), ("long".to_owned(), 2)].into();
        Ok(Response::new(GetQueueTaskCountsResponse {
            queue_counts,
            total_task_count: 3,
        }))
    }

    async fn get_task_state_counts(
        &self,
        request: Request<GetTaskStateCountsRequest>,
    ) -> Answer<GetTaskStateCountsResponse> {
        let queue = request.into_inner().queue;
        let state_counts = [("submitted".to_owned(), 1)].into();
        Ok(Response::new(GetTaskStateCountsResponse {
            queue,
            count: 1,
            state_counts,
        }))
    }

    async fn get_queue_and_state_counts(
        &self,
        _: Request<GetQueueAndStateCountsRequest>,
    ) -> Answer<GetQueueAndStateCountsResponse> {
        let state_counts = [("submitted".to_owned(), 1)].into();
        let queue = QueueAndStateCounts {
            queue: "a".to_owned(),
            count: 1,
            state_counts,
        };
        let queue_and_state_counts = [("a".to_owned(), queue)].into();
        Ok(Response::new(GetQueueAndStateCountsResponse {
            queue_and_state_counts,
        }))
    }

    async fn get_task(&self, request: Request<GetTaskRequest>) -> Answer<GetTaskResponse> {
        let uuid = request.into_inner().uuid;
        let mut task = task(&uuid, "", "submitted");
        if let Some(task) = task.as_mut().filter(|_| uuid == "big") {
            task.payload = vec![b'x'; 20 << 20].into();
        }
        Ok(Response::new(GetTaskResponse {
            task,
            is_archived: uuid == "archived",
            ..GetTaskResponse::default()
        }))
    }

    async fn get_task_history(
        &self,
        request: Request<GetTaskHistoryRequest>,
    ) -> Answer<GetTaskHistoryResponse> {
        Ok(Response::new(looking::history(&request.into_inner())))
    }

    async fn list_tasks(&self, request: Request<ListTasksRequest>) -> Answer<ListTasksResponse> {
        Ok(Response::new(looking::list(request.into_inner())))
    }

    async fn cancel_tasks(
        &self,
        request: Request<CancelTasksRequest>,
    ) -> Answer<CancelTasksResponse> {
        let (matched, changed, next_page_token) = looking::bulk(request.into_inner().target);
        Ok(Response::new(CancelTasksResponse {
            matched,
            changed,
            next_page_token,
        }))
    }

    async fn requeue_tasks(
        &self,
        request: Request<RequeueTasksRequest>,
    ) -> Answer<RequeueTasksResponse> {
        let (matched, changed, next_page_token) = looking::bulk(request.into_inner().target);
        Ok(Response::new(RequeueTasksResponse {
            matched,
            changed,
            next_page_token,
        }))
    }

    async fn update_tasks(
        &self,
        request: Request<UpdateTasksRequest>,
    ) -> Answer<UpdateTasksResponse> {
        let (matched, changed, next_page_token) = looking::bulk(request.into_inner().target);
        Ok(Response::new(UpdateTasksResponse {
            matched,
            changed,
            next_page_token,
        }))
    }

    async fn extend_task(&self, request: Request<ExtendTaskRequest>) -> Answer<ExtendTaskResponse> {
        let request = request.into_inner();
        let mut task = task(&request.uuid, &request.queue, &request.current_state);
        if let Some(task) = &mut task {
            task.timeout = request.timeout;
            task.attempt = request.attempt;
        }
        Ok(Response::new(ExtendTaskResponse { task }))
    }

    async fn submit_tasks(
        &self,
        request: Request<SubmitTasksRequest>,
    ) -> Answer<SubmitTasksResponse> {
        let tasks = request
            .into_inner()
            .tasks
            .into_iter()
            .map(submitted)
            .collect();
        Ok(Response::new(SubmitTasksResponse { tasks }))
    }

    async fn get_next_tasks(
        &self,
        request: Request<GetNextTasksRequest>,
    ) -> Answer<GetNextTasksResponse> {
        let request = request.into_inner();
        let task = claimed(&request.next.unwrap_or_default());
        let tasks = (0..request.max_tasks)
            .filter_map(|_| task.clone())
            .collect();
        Ok(Response::new(GetNextTasksResponse { tasks }))
    }

    async fn complete_tasks(
        &self,
        request: Request<CompleteTasksRequest>,
    ) -> Answer<CompleteTasksResponse> {
        let results = request
            .into_inner()
            .tasks
            .into_iter()
            .map(completed)
            .collect();
        Ok(Response::new(CompleteTasksResponse { results }))
    }

    async fn get_queue_figures(
        &self,
        _: Request<GetQueueFiguresRequest>,
    ) -> Answer<GetQueueFiguresResponse> {
        Ok(Response::new(GetQueueFiguresResponse::default()))
    }

    async fn get_workers(&self, _: Request<GetWorkersRequest>) -> Answer<GetWorkersResponse> {
        Ok(Response::new(GetWorkersResponse::default()))
    }

    async fn get_history(&self, _: Request<GetHistoryRequest>) -> Answer<GetHistoryResponse> {
        Ok(Response::new(GetHistoryResponse::default()))
    }

    async fn set_queue(&self, request: Request<SetQueueRequest>) -> Answer<SetQueueResponse> {
        let request = request.into_inner();
        let settings = QueueSettings {
            queue: request.queue,
            paused: request.paused.unwrap_or_default(),
            max_in_flight: request.max_in_flight.unwrap_or_default(),
            group_by: request.group_by.unwrap_or_default(),
            max_in_flight_per_group: request.max_in_flight_per_group.unwrap_or_default(),
            max_claims_per_s: request.max_claims_per_s.unwrap_or_default(),
            max_waiting: request.max_waiting.unwrap_or_default(),
            default_timeout: request.default_timeout.unwrap_or_default(),
            default_claim_timeout: request.default_claim_timeout.unwrap_or_default(),
            retention: request.retention.unwrap_or_default(),
        };
        let settings = Some(settings);
        Ok(Response::new(SetQueueResponse { settings }))
    }

    async fn get_queue(&self, request: Request<GetQueueRequest>) -> Answer<GetQueueResponse> {
        let settings = QueueSettings {
            queue: request.into_inner().queue,
            paused: true,
            ..QueueSettings::default()
        };
        let figures = QueueFigures {
            waiting: 3,
            in_flight: 2,
            paused_since: 1_700_000_000_000_000_000,
            ..QueueFigures::default()
        };
        Ok(Response::new(GetQueueResponse {
            settings: Some(settings),
            figures: Some(figures),
        }))
    }

    async fn list_queue_settings(
        &self,
        request: Request<ListQueueSettingsRequest>,
    ) -> Answer<ListQueueSettingsResponse> {
        let request = request.into_inner();
        let settings = QueueSettings {
            queue: format!("{}-next", request.after_queue),
            max_in_flight: request.limit,
            ..QueueSettings::default()
        };
        Ok(Response::new(ListQueueSettingsResponse {
            queues: vec![settings],
            more: request.limit == 1,
        }))
    }
}

#[async_trait]
impl ClusterService for Fake {
    async fn change(&self, request: Request<ChangeRequest>) -> Answer<ChangeResponse> {
        match request.into_inner().change {
            Some(Change::Remove(1)) => Err(Status::failed_precondition("node 1 is the only voter")),
            _ => Ok(Response::new(ChangeResponse { leader: 1 })),
        }
    }

    async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusResponse> {
        let node = Node {
            id: 1,
            role: "leader".to_owned(),
            ..Node::default()
        };
        let status = StatusResponse {
            leader: 1,
            nodes: vec![node],
            ..StatusResponse::default()
        };
        Ok(Response::new(status))
    }

    type BackupStream =
        Pin<Box<dyn tokio_stream::Stream<Item = Result<BackupChunk, Status>> + Send>>;

    async fn backup(&self, _: Request<BackupRequest>) -> Answer<Self::BackupStream> {
        let mut chunks = vec![
            Ok(BackupChunk { data: "ab".into() }),
            Ok(BackupChunk { data: "c".into() }),
        ];
        if self.backup_breaks {
            chunks.push(Err(Status::unavailable("shutting down")));
        }
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }
}
