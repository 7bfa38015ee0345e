//! Errors to gRPC codes: the one file that decides which.

use tonic::{Code, Status};

use crate::node::NodeError;
use crate::queue::Refusal;
use crate::raft::ChangeFailure;

/// A request that is refused before anything is proposed.
///
/// Names field and limit, never a long input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {limit}")]
pub struct Invalid {
    /// The field's path, as in `next_task.queue`.
    pub field: String,
    /// What it must be.
    pub limit: String,
}

impl Invalid {
    /// The same in a message that is part of another one: `path` goes before the field.
    pub fn within(self, path: &str) -> Self {
        Self {
            field: format!("{path}.{}", self.field),
            ..self
        }
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        Self::invalid_argument(invalid.to_string())
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::StaleAttempt { .. } => Code::FailedPrecondition,
            Refusal::UuidTaken { .. } | Refusal::KeyTaken { .. } => Code::AlreadyExists,
            Refusal::QueueFull { .. }
            | Refusal::TooManyQueues { .. }
            | Refusal::TooManySchedules { .. } => Code::ResourceExhausted,
            Refusal::KeyReused => Code::InvalidArgument,
            Refusal::Malformed { .. } => Code::Internal,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<NodeError> for Status {
    fn from(error: NodeError) -> Self {
        let code = match &error {
            NodeError::TooLarge(_) => Code::ResourceExhausted,
            NodeError::Unavailable(_) | NodeError::Unknown(_) => Code::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ChangeFailure> for Status {
    fn from(failure: ChangeFailure) -> Self {
        match failure {
            ChangeFailure::Refused(why) => Self::failed_precondition(why),
            ChangeFailure::Unavailable(why) => Self::unavailable(why),
        }
    }
}

/// The outcome is of another kind than the command: a bug, said plainly.
pub fn unexpected() -> Status {
    Status::internal("the state machine answered another command")
}
