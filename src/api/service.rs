//! `CorndogsService`, call by call.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::call::{self, Call};
use super::convert::{self, Translator, count};
use super::status::unexpected;
use super::validate::Checked;
use super::{batch, bulk, counts, figures, idempotency, looking, queues, validate};
use crate::node::Node;
use crate::proto::durable::{CancelAll, RequestKey, bulk::Act, command::Kind};
use crate::proto::v1alpha1::corndogs_service_server::CorndogsService;
use crate::proto::v1alpha1::*;
use crate::queue::{Outcome, Row, query};
use crate::store::View;

/// Serves the public contract from a node.
#[derive(Clone)]
pub struct Service {
    node: Node,
    translator: Arc<Translator>,
    idempotency_window: Duration,
    calls: Arc<Calls>,
}

/// The figures of each call, by its name in the service's definition.
macro_rules! calls {
    ($($call:ident: $method:literal,)*) => {
        struct Calls {
            $($call: Call,)*
        }

        impl Calls {
            fn new() -> Self {
                Self {
                    $($call: Call::new($method),)*
                }
            }
        }
    };
}

calls! {
    submit_task: "SubmitTask",
    get_task_state_by_id: "GetTaskStateByID",
    get_next_task: "GetNextTask",
    update_task: "UpdateTask",
    complete_task: "CompleteTask",
    cancel_task: "CancelTask",
    clean_up_timed_out: "CleanUpTimedOut",
    get_queues: "GetQueues",
    get_queue_task_counts: "GetQueueTaskCounts",
    get_task_state_counts: "GetTaskStateCounts",
    get_queue_and_state_counts: "GetQueueAndStateCounts",
    extend_task: "ExtendTask",
    submit_tasks: "SubmitTasks",
    get_next_tasks: "GetNextTasks",
    complete_tasks: "CompleteTasks",
    fail_task: "FailTask",
    get_task: "GetTask",
    get_task_history: "GetTaskHistory",
    list_tasks: "ListTasks",
    cancel_tasks: "CancelTasks",
    requeue_tasks: "RequeueTasks",
    update_tasks: "UpdateTasks",
    get_queue_figures: "GetQueueFigures",
    get_workers: "GetWorkers",
    get_history: "GetHistory",
    set_queue: "SetQueue",
    get_queue: "GetQueue",
    list_queue_settings: "ListQueueSettings",
}

impl Service {
    /// Serves from that node. Answers to calls with an idempotency key are remembered for that long.
    pub fn new(node: Node, translator: Translator, idempotency_window: Duration) -> Self {
        Self {
            node,
            translator: Arc::new(translator),
            idempotency_window,
            calls: Arc::new(Calls::new()),
        }
    }

    fn new_uuid(&self) -> impl Fn() -> Uuid {
        || self.node.clock().task_uuid()
    }

    /// The idempotency key of a changing call: read before the request is taken apart.
    fn key(
        &self,
        call: &Call,
        metadata: &MetadataMap,
        request: &impl Message,
    ) -> Checked<Option<RequestKey>> {
        idempotency::key(metadata, call.method(), request, self.idempotency_window)
    }

    /// Proposes what answers with a task or without one.
    async fn task_of(&self, kind: Kind, key: Option<RequestKey>) -> Result<Option<Row>, Status> {
        task_in(self.node.execute(kind, key).await?)
    }
}

/// The task in an outcome, or none.
///
/// # Errors
/// If it is a refusal.
pub(super) fn task_in(outcome: Outcome) -> Result<Option<Row>, Status> {
    match outcome {
        Outcome::Task(task) => Ok(task),
        Outcome::Refused(refusal) => Err(refusal.into()),
        _ => Err(unexpected()),
    }
}

fn message(row: Option<Row>) -> Option<Task> {
    row.as_ref().map(convert::task)
}

#[tonic::async_trait]
impl CorndogsService for Service {
    async fn submit_task(
        &self,
        request: Request<SubmitTaskRequest>,
    ) -> Result<Response<SubmitTaskResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.submit_task, &metadata, &request)?;
            let submit = self.translator.submit("", request, self.new_uuid())?;
            let task = self.task_of(Kind::Submit(submit), key).await?;
            Ok(SubmitTaskResponse {
                task: message(task),
            })
        };
        self.calls.submit_task.run(&metadata, work).await
    }

    async fn get_task_state_by_id(
        &self,
        request: Request<GetTaskStateByIdRequest>,
    ) -> Result<Response<GetTaskStateByIdResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let uuid = validate::uuid("uuid", &request.uuid)?;
            validate::name("queue", &request.queue)?;
            let task = self.node.read(|view| query::task(view, uuid)).await?;
            let task = message(task);
            Ok(GetTaskStateByIdResponse { task })
        };
        self.calls.get_task_state_by_id.run(&metadata, work).await
    }

    async fn get_next_task(
        &self,
        request: Request<GetNextTaskRequest>,
    ) -> Result<Response<GetNextTaskResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.get_next_task, &metadata, &request)?;
            let wait_ms = request.wait_ms;
            let claim = self.translator.claim(request)?;
            let wait = call::wait(wait_ms, &metadata);
            let task = task_in(self.node.claim(Kind::Claim(claim), key, wait).await?)?;
            Ok(GetNextTaskResponse {
                task: message(task),
            })
        };
        self.calls.get_next_task.run(&metadata, work).await
    }

    async fn update_task(
        &self,
        request: Request<UpdateTaskRequest>,
    ) -> Result<Response<UpdateTaskResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.update_task, &metadata, &request)?;
            let update = self.translator.update(request)?;
            let task = self.task_of(Kind::Update(update), key).await?;
            Ok(UpdateTaskResponse {
                task: message(task),
            })
        };
        self.calls.update_task.run(&metadata, work).await
    }

    async fn complete_task(
        &self,
        request: Request<CompleteTaskRequest>,
    ) -> Result<Response<CompleteTaskResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.complete_task, &metadata, &request)?;
            let complete = self.translator.complete(request, self.new_uuid())?;
            match self.node.execute(Kind::Complete(complete), key).await? {
                Outcome::Completed { task, next_task } => Ok(CompleteTaskResponse {
                    task: message(task),
                    next_task: message(next_task),
                }),
                Outcome::Refused(refusal) => Err(refusal.into()),
                _ => Err(unexpected()),
            }
        };
        self.calls.complete_task.run(&metadata, work).await
    }

    async fn cancel_task(
        &self,
        request: Request<CancelTaskRequest>,
    ) -> Result<Response<CancelTaskResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.cancel_task, &metadata, &request)?;
            let cancel = self.translator.cancel(request)?;
            let task = self.task_of(Kind::Cancel(cancel), key).await?;
            Ok(CancelTaskResponse {
                task: message(task),
            })
        };
        self.calls.cancel_task.run(&metadata, work).await
    }

    async fn clean_up_timed_out(
        &self,
        request: Request<CleanUpTimedOutRequest>,
    ) -> Result<Response<CleanUpTimedOutResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.clean_up_timed_out, &metadata, &request)?;
            validate::not_negative("at_time", request.at_time)?;
            validate::name("queue", &request.queue)?;
            let cleaned_up = self.node.clean_up(request.at_time, &request.queue, key);
            match cleaned_up.await? {
                Outcome::TimedOut { tasks, .. } => Ok(CleanUpTimedOutResponse {
                    timed_out: count(tasks),
                }),
                Outcome::Refused(refusal) => Err(refusal.into()),
                _ => Err(unexpected()),
            }
        };
        self.calls.clean_up_timed_out.run(&metadata, work).await
    }

    async fn get_queues(
        &self,
        request: Request<GetQueuesRequest>,
    ) -> Result<Response<GetQueuesResponse>, Status> {
        let work = async { Ok(self.node.read(|view| Ok(counts::queues(view))).await?) };
        self.calls.get_queues.run(request.metadata(), work).await
    }

    async fn get_queue_task_counts(
        &self,
        request: Request<GetQueueTaskCountsRequest>,
    ) -> Result<Response<GetQueueTaskCountsResponse>, Status> {
        let work = async { Ok(self.node.read(|view| Ok(counts::by_queue(view))).await?) };
        self.calls
            .get_queue_task_counts
            .run(request.metadata(), work)
            .await
    }

    async fn get_task_state_counts(
        &self,
        request: Request<GetTaskStateCountsRequest>,
    ) -> Result<Response<GetTaskStateCountsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            validate::name("queue", &request.queue)?;
            let answer = |view: &dyn View| Ok(counts::by_state(view, &request.queue));
            Ok(self.node.read(answer).await?)
        };
        self.calls.get_task_state_counts.run(&metadata, work).await
    }

    async fn get_queue_and_state_counts(
        &self,
        request: Request<GetQueueAndStateCountsRequest>,
    ) -> Result<Response<GetQueueAndStateCountsResponse>, Status> {
        let work = async {
            Ok(self
                .node
                .read(|view| Ok(counts::by_queue_and_state(view)))
                .await?)
        };
        self.calls
            .get_queue_and_state_counts
            .run(request.metadata(), work)
            .await
    }

    async fn extend_task(
        &self,
        request: Request<ExtendTaskRequest>,
    ) -> Result<Response<ExtendTaskResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.extend_task, &metadata, &request)?;
            let extend = convert::extend(request)?;
            let task = self.task_of(Kind::Extend(extend), key).await?;
            Ok(ExtendTaskResponse {
                task: message(task),
            })
        };
        self.calls.extend_task.run(&metadata, work).await
    }

    async fn submit_tasks(
        &self,
        request: Request<SubmitTasksRequest>,
    ) -> Result<Response<SubmitTasksResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.submit_tasks, &metadata, &request)?;
            let batch = self.translator.submit_tasks(request, self.new_uuid())?;
            let outcome = self.node.execute(Kind::SubmitTasks(batch), key).await?;
            let tasks = batch::tasks(outcome)?;
            Ok(SubmitTasksResponse { tasks })
        };
        self.calls.submit_tasks.run(&metadata, work).await
    }

    async fn get_next_tasks(
        &self,
        request: Request<GetNextTasksRequest>,
    ) -> Result<Response<GetNextTasksResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.get_next_tasks, &metadata, &request)?;
            let wait_ms = request.next.as_ref().map_or(0, |next| next.wait_ms);
            let batch = self.translator.claim_tasks(request)?;
            let wait = call::wait(wait_ms, &metadata);
            let claimed = self.node.claim(Kind::ClaimTasks(batch), key, wait);
            let tasks = batch::tasks(claimed.await?)?;
            Ok(GetNextTasksResponse { tasks })
        };
        self.calls.get_next_tasks.run(&metadata, work).await
    }

    async fn complete_tasks(
        &self,
        request: Request<CompleteTasksRequest>,
    ) -> Result<Response<CompleteTasksResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.complete_tasks, &metadata, &request)?;
            let batch = self.translator.complete_tasks(request, self.new_uuid())?;
            let outcome = self.node.execute(Kind::CompleteTasks(batch), key).await?;
            let results = batch::results(outcome)?;
            Ok(CompleteTasksResponse { results })
        };
        self.calls.complete_tasks.run(&metadata, work).await
    }

    async fn fail_task(
        &self,
        request: Request<FailTaskRequest>,
    ) -> Result<Response<FailTaskResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.fail_task, &metadata, &request)?;
            let fail = convert::fail(request)?;
            let task = self.task_of(Kind::Fail(fail), key).await?;
            Ok(FailTaskResponse {
                task: message(task),
            })
        };
        self.calls.fail_task.run(&metadata, work).await
    }

    async fn get_task(
        &self,
        request: Request<GetTaskRequest>,
    ) -> Result<Response<GetTaskResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = looking::task(&self.node, request);
        self.calls.get_task.run(&metadata, work).await
    }

    async fn get_task_history(
        &self,
        request: Request<GetTaskHistoryRequest>,
    ) -> Result<Response<GetTaskHistoryResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = looking::history(&self.node, request);
        self.calls.get_task_history.run(&metadata, work).await
    }

    async fn list_tasks(
        &self,
        request: Request<ListTasksRequest>,
    ) -> Result<Response<ListTasksResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = looking::list(&self.node, request);
        self.calls.list_tasks.run(&metadata, work).await
    }

    async fn cancel_tasks(
        &self,
        request: Request<CancelTasksRequest>,
    ) -> Result<Response<CancelTasksResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let call = &self.calls.cancel_tasks;
        let work = async {
            let key = self.key(call, &metadata, &request)?;
            let act = Act::Cancel(CancelAll {});
            let done = bulk::run(&self.node, call.method(), request.target, act, key).await?;
            Ok(CancelTasksResponse::from(done))
        };
        call.run(&metadata, work).await
    }

    async fn requeue_tasks(
        &self,
        request: Request<RequeueTasksRequest>,
    ) -> Result<Response<RequeueTasksResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let call = &self.calls.requeue_tasks;
        let work = async {
            let key = self.key(call, &metadata, &request)?;
            let act = bulk::requeue(&request)?;
            let done = bulk::run(&self.node, call.method(), request.target, act, key).await?;
            Ok(RequeueTasksResponse::from(done))
        };
        call.run(&metadata, work).await
    }

    async fn update_tasks(
        &self,
        request: Request<UpdateTasksRequest>,
    ) -> Result<Response<UpdateTasksResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let call = &self.calls.update_tasks;
        let work = async {
            let key = self.key(call, &metadata, &request)?;
            let act = bulk::update(&request)?;
            let done = bulk::run(&self.node, call.method(), request.target, act, key).await?;
            Ok(UpdateTasksResponse::from(done))
        };
        call.run(&metadata, work).await
    }

    async fn get_queue_figures(
        &self,
        request: Request<GetQueueFiguresRequest>,
    ) -> Result<Response<GetQueueFiguresResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let query = figures::queues(request, self.node.clock().now_ns())?;
            Ok(self.node.read(query).await?)
        };
        self.calls.get_queue_figures.run(&metadata, work).await
    }

    async fn get_workers(
        &self,
        request: Request<GetWorkersRequest>,
    ) -> Result<Response<GetWorkersResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let query = figures::workers(request, self.node.clock().now_ns())?;
            Ok(self.node.read(query).await?)
        };
        self.calls.get_workers.run(&metadata, work).await
    }

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<GetHistoryResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let query = figures::history(request, self.node.clock().now_ns())?;
            Ok(self.node.read(query).await?)
        };
        self.calls.get_history.run(&metadata, work).await
    }

    async fn set_queue(
        &self,
        request: Request<SetQueueRequest>,
    ) -> Result<Response<SetQueueResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let key = self.key(&self.calls.set_queue, &metadata, &request)?;
            let set = queues::set(request)?;
            let queue = set.queue.clone();
            let outcome = self.node.execute(Kind::SetQueue(set), key).await?;
            Ok(SetQueueResponse {
                settings: Some(queues::settings_in(&queue, outcome)?),
            })
        };
        self.calls.set_queue.run(&metadata, work).await
    }

    async fn get_queue(
        &self,
        request: Request<GetQueueRequest>,
    ) -> Result<Response<GetQueueResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            queues::queue(&request.queue)?;
            let now_ns = self.node.clock().now_ns();
            let answer = |view: &dyn View| Ok(queues::get(view, &request.queue, now_ns));
            Ok(self.node.read(answer).await?)
        };
        self.calls.get_queue.run(&metadata, work).await
    }

    async fn list_queue_settings(
        &self,
        request: Request<ListQueueSettingsRequest>,
    ) -> Result<Response<ListQueueSettingsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let limit = queues::listed(&request)?;
            let answer = |view: &dyn View| Ok(queues::list(view, &request.after_queue, limit));
            Ok(self.node.read(answer).await?)
        };
        self.calls.list_queue_settings.run(&metadata, work).await
    }
}
