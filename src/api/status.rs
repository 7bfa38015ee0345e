//! Errors to gRPC codes: the one file that decides which.

use tonic::{Code, Status};

use crate::node::NodeError;
use crate::queue::Refusal;
use crate::raft::ChangeFailure;

/// A request that is refused before anything is proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A field breaks a limit. Names field and limit, never a long input.
    #[error("{field}: {limit}")]
    Field {
        /// The field's path, as in `next_task.queue`.
        field: String,
        /// What it must be.
        limit: String,
    },
    /// A field or call that this version doesn't know how to honour.
    #[error("{what} is not supported by this version yet; nothing was done")]
    Unsupported {
        /// The field or call.
        what: String,
    },
}

impl Invalid {
    /// The same in a message that is part of another one: `path` goes before the field.
    pub fn within(self, path: &str) -> Self {
        match self {
            Self::Field { field, limit } => Self::Field {
                field: format!("{path}.{field}"),
                limit,
            },
            Self::Unsupported { what } => Self::Unsupported {
                what: format!("{path}.{what}"),
            },
        }
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        let code = match &invalid {
            Invalid::Field { .. } => Code::InvalidArgument,
            Invalid::Unsupported { .. } => Code::Unimplemented,
        };
        Self::new(code, invalid.to_string())
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::StaleAttempt { .. } => Code::FailedPrecondition,
            Refusal::UuidTaken { .. } | Refusal::KeyTaken { .. } => Code::AlreadyExists,
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
