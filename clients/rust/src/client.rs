//! The calls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::moment::to_s;
use crate::proto::{
    CancelTaskRequest, CompleteTaskRequest, ExtendTaskRequest, GetNextTasksRequest,
    GetQueueAndStateCountsRequest, GetQueuesRequest, GetTaskStateByIdRequest,
    GetTaskStateCountsRequest, SubmitTaskRequest, SubmitTasksRequest,
};
use crate::retry::{Answer, Call, Nodes, Service, found};
use crate::{Claim, Error, Failure, Options, Submit, Task, Update, proto};

/// How many live tasks a queue holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateCounts {
    /// In all.
    pub total: i64,
    /// By state.
    pub states: BTreeMap<String, i64>,
}

/// Calls a cluster. Clones share their connections.
///
/// Every call is tried at one node after another for [`Options::retry_for`], with pauses between; those that change
/// something carry an idempotency key, the same for all tries, and so happen once. All of them can fail with
/// [`Error::Unavailable`] after that time, and with [`Error::Invalid`] where a field breaks a limit.
#[derive(Clone)]
pub struct Client {
    nodes: Arc<Nodes>,
}

impl fmt::Debug for Client {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.nodes.options();
        to.debug_struct("Client").field("options", options).finish()
    }
}

impl Client {
    /// A client of the nodes at these addresses (`HOST:PORT`), once one of them serves. [`Options`] has more.
    ///
    /// # Errors
    /// [`Error::Options`] if an address is none; [`Error::Unavailable`] if no node serves within 30 seconds.
    pub async fn connect<A: Into<String>>(
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<Self, Error> {
        let client = Options::new(addresses).build()?;
        client.get(Uuid::nil()).await?;
        Ok(client)
    }

    pub(crate) fn of(channels: Vec<Channel>, options: Options) -> Self {
        Self {
            nodes: Arc::new(Nodes::new(channels, options)),
        }
    }

    /// The bare service at the node that answered last, for calls that have no method here: without retries and keys.
    #[must_use]
    pub fn service(&self) -> Service {
        self.nodes.service()
    }

    /// A task for a queue, its payload written as JSON; [`Submit::send`] submits it.
    pub fn submit<T: Serialize + ?Sized>(
        &self,
        queue: impl Into<String>,
        payload: &T,
    ) -> Submit<Self> {
        Submit::json(queue, payload).by(self.clone())
    }

    /// A task for a queue, its payload as it is; [`Submit::send`] submits it.
    pub fn submit_bytes(
        &self,
        queue: impl Into<String>,
        payload: impl Into<Bytes>,
    ) -> Submit<Self> {
        Submit::bytes(queue, payload).by(self.clone())
    }

    pub(crate) async fn send(&self, request: SubmitTaskRequest) -> Result<Task, Error> {
        let submit =
            |mut service: Service, request| async move { service.submit_task(request).await };
        let answer = self.nodes.call(&Call::change(), request, submit).await?;
        task(answer.message.task)
    }

    /// Submits up to 1,000 tasks, all of them or none. Answers them in the same order.
    ///
    /// # Errors
    /// As [`Submit::send`], for any of them.
    pub async fn submit_many<C>(
        &self,
        tasks: impl IntoIterator<Item = Submit<C>>,
    ) -> Result<Vec<Task>, Error> {
        let tasks = tasks.into_iter().map(Submit::into_request);
        let tasks = tasks.collect::<Result<Vec<_>, _>>()?;
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let request = SubmitTasksRequest {
            tasks,
            ..Default::default()
        };
        let submit =
            |mut service: Service, request| async move { service.submit_tasks(request).await };
        let answer = self.nodes.call(&Call::change(), request, submit).await?;
        converted(answer.message.tasks)
    }

    /// Looks a task up, live or archived.
    ///
    /// # Errors
    /// What any call can fail for.
    pub async fn get(&self, uuid: Uuid) -> Result<Option<Task>, Error> {
        let request = GetTaskStateByIdRequest {
            uuid: uuid.to_string(),
            queue: String::new(),
            ..Default::default()
        };
        let get = |mut service: Service, request| async move {
            service.get_task_state_by_id(request).await
        };
        let answer = self.nodes.call(&Call::read(), request, get).await?;
        answer.message.task.map(Task::try_from).transpose()
    }

    /// Claims a task; none where there is none, after the claim's wait.
    ///
    /// # Errors
    /// What any call can fail for.
    pub async fn claim(&self, claim: Claim) -> Result<Option<Task>, Error> {
        Ok(self.claim_many(claim, 1).await?.pop())
    }

    /// Claims the best tasks: as many as there are, up to `max` (1 to 1,000).
    ///
    /// # Errors
    /// What any call can fail for.
    pub async fn claim_many(&self, claim: Claim, max: u32) -> Result<Vec<Task>, Error> {
        Ok(self.claim_tries(claim, max).await?.message)
    }

    /// The same, with how often it was tried.
    pub(crate) async fn claim_tries(
        &self,
        claim: Claim,
        max: u32,
    ) -> Result<Answer<Vec<Task>>, Error> {
        let call = Call::change().waiting(claim.wait);
        let request = GetNextTasksRequest {
            next: Some(claim.request),
            max_tasks: i32::try_from(max).unwrap_or(i32::MAX),
            ..Default::default()
        };
        let claim =
            |mut service: Service, request| async move { service.get_next_tasks(request).await };
        let answer = self.nodes.call(&call, request, claim).await?;
        Ok(Answer {
            message: converted(answer.message.tasks)?,
            tries: answer.tries,
        })
    }

    /// Ends a task as completed.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] or [`Error::NotFound`] if it is not as `held` says any more.
    pub async fn complete(&self, held: &Task) -> Result<Task, Error> {
        Ok(self.finish(held, None).await?.0)
    }

    /// Ends a task as completed and submits the next one, both or neither.
    ///
    /// # Errors
    /// As [`Self::complete`] and [`Submit::send`].
    pub async fn complete_with_next(
        &self,
        held: &Task,
        next: Submit,
    ) -> Result<(Task, Task), Error> {
        let (completed, next) = self.finish(held, Some(next.into_request()?)).await?;
        Ok((completed, task(next)?))
    }

    async fn finish(
        &self,
        held: &Task,
        next_task: Option<SubmitTaskRequest>,
    ) -> Result<(Task, Option<proto::Task>), Error> {
        let request = CompleteTaskRequest {
            uuid: held.uuid.to_string(),
            queue: held.queue.clone(),
            current_state: held.state.clone(),
            attempt: held.attempt,
            next_task,
            ..Default::default()
        };
        let complete =
            |mut service: Service, request| async move { service.complete_task(request).await };
        let answer = self.nodes.call(&Call::change(), request, complete).await?;
        Ok((task(answer.message.task)?, answer.message.next_task))
    }

    /// Changes a task's state, and what else the update says.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] or [`Error::NotFound`] if it is not as `held` says any more.
    pub async fn update(&self, held: &Task, update: Update) -> Result<Task, Error> {
        let request = update.request(held);
        let update =
            |mut service: Service, request| async move { service.update_task(request).await };
        let answer = self.nodes.call(&Call::change(), request, update).await?;
        task(answer.message.task)
    }

    /// Gives a claimed task back, as its timeout would; with its attempts used up it goes to the state `dead`.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] or [`Error::NotFound`] if it is not as `held` says any more.
    pub async fn fail(&self, held: &Task, failure: Failure) -> Result<Task, Error> {
        let request = failure.request(held);
        let fail = |mut service: Service, request| async move { service.fail_task(request).await };
        let answer = self.nodes.call(&Call::change(), request, fail).await?;
        task(answer.message.task)
    }

    /// Ends a task as canceled.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] or [`Error::NotFound`] if it is not as `known` says any more: look it up again.
    pub async fn cancel(&self, known: &Task) -> Result<Task, Error> {
        let request = CancelTaskRequest {
            uuid: known.uuid.to_string(),
            queue: known.queue.clone(),
            current_state: known.state.clone(),
            attempt: known.attempt,
            ..Default::default()
        };
        let cancel =
            |mut service: Service, request| async move { service.cancel_task(request).await };
        let answer = self.nodes.call(&Call::change(), request, cancel).await?;
        task(answer.message.task)
    }

    /// Holds a claimed task that much longer, from now on; whole seconds, rounded up.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] or [`Error::NotFound`] if it is not as `held` says any more.
    pub async fn extend(&self, held: &Task, lease: Duration) -> Result<Task, Error> {
        self.extend_within(held, lease, Duration::MAX).await
    }

    /// The same, tried for that long at most.
    pub(crate) async fn extend_within(
        &self,
        held: &Task,
        lease: Duration,
        within: Duration,
    ) -> Result<Task, Error> {
        let request = ExtendTaskRequest {
            uuid: held.uuid.to_string(),
            queue: held.queue.clone(),
            current_state: held.state.clone(),
            attempt: held.attempt,
            timeout: to_s(lease),
            ..Default::default()
        };
        let extend =
            |mut service: Service, request| async move { service.extend_task(request).await };
        let call = Call::change().within(within);
        let answer = self.nodes.call(&call, request, extend).await?;
        task(answer.message.task)
    }

    /// The names of the queues that hold live tasks.
    ///
    /// # Errors
    /// What any call can fail for.
    pub async fn queues(&self) -> Result<Vec<String>, Error> {
        let queues =
            |mut service: Service, request| async move { service.get_queues(request).await };
        let request = GetQueuesRequest::default();
        let answer = self.nodes.call(&Call::read(), request, queues).await?;
        Ok(answer.message.queues)
    }

    /// The live tasks of one queue, counted by state.
    ///
    /// # Errors
    /// What any call can fail for.
    pub async fn counts_of(&self, queue: impl Into<String>) -> Result<StateCounts, Error> {
        let request = GetTaskStateCountsRequest {
            queue: queue.into(),
            ..Default::default()
        };
        let counts = |mut service: Service, request| async move {
            service.get_task_state_counts(request).await
        };
        let answer = self.nodes.call(&Call::read(), request, counts).await?;
        Ok(StateCounts {
            total: answer.message.count,
            states: answer.message.state_counts,
        })
    }

    /// The live tasks of each queue, counted by state.
    ///
    /// # Errors
    /// What any call can fail for.
    pub async fn counts(&self) -> Result<BTreeMap<String, StateCounts>, Error> {
        let counts = |mut service: Service, request| async move {
            service.get_queue_and_state_counts(request).await
        };
        let request = GetQueueAndStateCountsRequest::default();
        let answer = self.nodes.call(&Call::read(), request, counts).await?;
        let of = |counts: proto::QueueAndStateCounts| StateCounts {
            total: counts.count,
            states: counts.state_counts,
        };
        let queues = answer.message.queue_and_state_counts.into_iter();
        Ok(queues.map(|(queue, counts)| (queue, of(counts))).collect())
    }
}

/// The task of an answer that has one if anything was done.
fn task(answered: Option<proto::Task>) -> Result<Task, Error> {
    found(answered)?.try_into()
}

fn converted(tasks: Vec<proto::Task>) -> Result<Vec<Task>, Error> {
    tasks.into_iter().map(Task::try_from).collect()
}
