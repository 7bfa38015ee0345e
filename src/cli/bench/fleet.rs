//! The connections, and the calls as a worker makes them.

use std::time::Duration;

use bytes::Bytes;
use tonic::{Response, Status};

use crate::cli::answer::Failure;
use crate::cli::client::{Service, connect, refusal, service};
use crate::proto::v1alpha1::{CompleteTaskRequest, GetNextTaskRequest, SubmitTaskRequest, Task};
use crate::tls::Connector;

/// The server's own default timeout could hand a task out twice, rightly.
const NO_TIMEOUT: i64 = -1;

/// All connections.
#[derive(Debug)]
pub struct Fleet {
    connections: Vec<Connection>,
}

/// One connection, shared by several workers.
#[derive(Debug, Clone)]
pub struct Connection {
    target: String,
    service: Service,
    deadline: Duration,
}

impl Fleet {
    /// Connects to the targets in turn.
    pub async fn connect(
        targets: &[String],
        connections: usize,
        tls: Option<&Connector>,
        deadline: Duration,
    ) -> Result<Self, Failure> {
        let mut fleet = Self {
            connections: Vec::with_capacity(connections),
        };
        for target in targets.iter().cycle().take(connections) {
            fleet.connections.push(Connection {
                target: target.clone(),
                service: service(connect(target, tls, deadline).await?),
                deadline,
            });
        }
        Ok(fleet)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// One connection for each worker, in turn.
    pub fn workers(&self, workers: u32) -> impl Iterator<Item = Connection> {
        let all = self.connections.iter().cycle();
        all.take(workers as usize).cloned()
    }
}

impl Connection {
    /// Puts a task in.
    pub async fn submit(&mut self, queue: &str, payload: Bytes) -> Result<(), Failure> {
        let request = SubmitTaskRequest {
            queue: queue.to_owned(),
            payload,
            timeout: NO_TIMEOUT,
            ..SubmitTaskRequest::default()
        };
        let answer = tokio::time::timeout(self.deadline, self.service.submit_task(request)).await;
        match self.answer("SubmitTask", answer)?.task {
            Some(_) => Ok(()),
            None => Err(self.failure("SubmitTask", "an answer without a task")),
        }
    }

    /// Claims a task, if there is one.
    pub async fn claim(&mut self, queue: &str) -> Result<Option<Task>, Failure> {
        let request = GetNextTaskRequest {
            queue: queue.to_owned(),
            ..GetNextTaskRequest::default()
        };
        let answer = tokio::time::timeout(self.deadline, self.service.get_next_task(request)).await;
        Ok(self.answer("GetNextTask", answer)?.task)
    }

    /// Completes a task that was claimed.
    pub async fn complete(&mut self, task: Task) -> Result<(), Failure> {
        let uuid = task.uuid.clone();
        let request = CompleteTaskRequest {
            uuid: task.uuid,
            queue: task.queue,
            current_state: task.current_state,
            attempt: task.attempt,
            ..CompleteTaskRequest::default()
        };
        let answer = tokio::time::timeout(self.deadline, self.service.complete_task(request)).await;
        match self.answer("CompleteTask", answer)?.task {
            Some(_) => Ok(()),
            None => {
                let reason = format!("task {uuid} was claimed, but completing it changed nothing");
                Err(self.failure("CompleteTask", &reason))
            }
        }
    }

    /// What went wrong here.
    pub fn failure(&self, call: &str, reason: &str) -> Failure {
        Failure::Failed(format!("{}: {call}: {reason}", self.target))
    }

    fn answer<R>(
        &self,
        call: &str,
        answer: Result<Result<Response<R>, Status>, tokio::time::error::Elapsed>,
    ) -> Result<R, Failure> {
        match answer {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failure(call, &refusal(&status))),
            Err(_) => {
                let reason = format!("no answer within {:?}", self.deadline);
                Err(self.failure(call, &reason))
            }
        }
    }
}
