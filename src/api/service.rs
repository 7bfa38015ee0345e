//! `CorndogsService`, call by call.

use std::collections::BTreeMap;
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
use super::{batch, bulk, figures, idempotency, looking, queues, validate};
use crate::node::Node;
use crate::proto::durable::{CancelAll, RequestKey, bulk::Act, command::Kind};
use crate::proto::v1alpha1::corndogs_service_server::CorndogsService;
use crate::proto::v1alpha1::*;
use crate::queue::{Outcome, Row, query};
use crate::store::View;
use crate::store::counts::QueueCounts;

/// Serves the public contract from a node.
#[derive(Clone)]
pub struct Service {
    node: Node,
    translator: Arc<Translator>,
    idempotency_window: Duration,
    calls: Arc<Calls>,
}

/// The figures of each call.
struct Calls {
    submit_task: Call,
    get_task_state_by_id: Call,
    get_next_task: Call,
    update_task: Call,
    complete_task: Call,
    cancel_task: Call,
    clean_up_timed_out: Call,
    get_queues: Call,
    get_queue_task_counts: Call,
    get_task_state_counts: Call,
    get_queue_and_state_counts: Call,
    extend_task: Call,
    submit_tasks: Call,
    get_next_tasks: Call,
    complete_tasks: Call,
    fail_task: Call,
    get_task: Call,
    get_task_history: Call,
    list_tasks: Call,
    cancel_tasks: Call,
    requeue_tasks: Call,
    update_tasks: Call,
    get_queue_figures: Call,
    get_workers: Call,
    get_history: Call,
    set_queue: Call,
    get_queue: Call,
    list_queue_settings: Call,
}

impl Service {
    /// Serves from that node. Answers to calls with an idempotency key are remembered for that long.
    pub fn new(node: Node, translator: Translator, idempotency_window: Duration) -> Self {
        let calls = Calls {
            submit_task: Call::new("SubmitTask"),
            get_task_state_by_id: Call::new("GetTaskStateByID"),
            get_next_task: Call::new("GetNextTask"),
            update_task: Call::new("UpdateTask"),
            complete_task: Call::new("CompleteTask"),
            cancel_task: Call::new("CancelTask"),
            clean_up_timed_out: Call::new("CleanUpTimedOut"),
            get_queues: Call::new("GetQueues"),
            get_queue_task_counts: Call::new("GetQueueTaskCounts"),
            get_task_state_counts: Call::new("GetTaskStateCounts"),
            get_queue_and_state_counts: Call::new("GetQueueAndStateCounts"),
            extend_task: Call::new("ExtendTask"),
            submit_tasks: Call::new("SubmitTasks"),
            get_next_tasks: Call::new("GetNextTasks"),
            complete_tasks: Call::new("CompleteTasks"),
            fail_task: Call::new("FailTask"),
            get_task: Call::new("GetTask"),
            get_task_history: Call::new("GetTaskHistory"),
            list_tasks: Call::new("ListTasks"),
            cancel_tasks: Call::new("CancelTasks"),
            requeue_tasks: Call::new("RequeueTasks"),
            update_tasks: Call::new("UpdateTasks"),
            get_queue_figures: Call::new("GetQueueFigures"),
            get_workers: Call::new("GetWorkers"),
            get_history: Call::new("GetHistory"),
            set_queue: Call::new("SetQueue"),
            get_queue: Call::new("GetQueue"),
            list_queue_settings: Call::new("ListQueueSettings"),
        };
        Self {
            node,
            translator: Arc::new(translator),
            idempotency_window,
            calls: Arc::new(calls),
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

fn state_counts(counts: &QueueCounts) -> BTreeMap<String, i64> {
    let states = counts.states.iter();
    states
        .map(|(state, line)| (state.to_string(), count(line.live)))
        .collect()
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
        let work = async {
            let answer = self.node.read(|view| {
                let counts = view.counts();
                Ok(GetQueuesResponse {
                    queues: counts
                        .queues()
                        .map(|(queue, _)| queue.to_string())
                        .collect(),
                    total_task_count: count(counts.total()),
                })
            });
            Ok(answer.await?)
        };
        self.calls.get_queues.run(request.metadata(), work).await
    }

    async fn get_queue_task_counts(
        &self,
        request: Request<GetQueueTaskCountsRequest>,
    ) -> Result<Response<GetQueueTaskCountsResponse>, Status> {
        let work = async {
            let answer = self.node.read(|view| {
                let queues = view.counts().queues();
                Ok(GetQueueTaskCountsResponse {
                    queue_counts: queues
                        .map(|(queue, counts)| (queue.to_string(), count(counts.total)))
                        .collect(),
                    total_task_count: count(view.counts().total()),
                })
            });
            Ok(answer.await?)
        };
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
            let queue = request.queue;
            let answer = self.node.read(|view| {
                let counts = view.counts().queue(&queue);
                Ok(GetTaskStateCountsResponse {
                    count: counts.map_or(0, |counts| count(counts.total)),
                    state_counts: counts.map(state_counts).unwrap_or_default(),
                    queue: queue.clone(),
                })
            });
            Ok(answer.await?)
        };
        self.calls.get_task_state_counts.run(&metadata, work).await
    }

    async fn get_queue_and_state_counts(
        &self,
        request: Request<GetQueueAndStateCountsRequest>,
    ) -> Result<Response<GetQueueAndStateCountsResponse>, Status> {
        let work = async {
            let answer = self.node.read(|view| {
                let queues = view.counts().queues().map(|(queue, counts)| {
                    let row = QueueAndStateCounts {
                        queue: queue.to_string(),
                        count: count(counts.total),
                        state_counts: state_counts(counts),
                    };
                    (queue.to_string(), row)
                });
                Ok(GetQueueAndStateCountsResponse {
                    queue_and_state_counts: queues.collect(),
                })
            });
            Ok(answer.await?)
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
            Ok(CancelTasksResponse {
                matched: done.matched,
                changed: done.changed,
                next_page_token: done.next_page_token,
            })
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
            Ok(RequeueTasksResponse {
                matched: done.matched,
                changed: done.changed,
                next_page_token: done.next_page_token,
            })
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
            Ok(UpdateTasksResponse {
                matched: done.matched,
                changed: done.changed,
                next_page_token: done.next_page_token,
            })
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
