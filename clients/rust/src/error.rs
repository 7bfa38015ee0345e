//! What can go wrong, by what a caller can do about it.

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};

/// Why a call did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another claim holds the task, or held it since: the lease that this call was made under is over.
    #[error("the lease is over: {0}")]
    LeaseLost(String),
    /// There is no such task in that queue and state.
    #[error("there is no such task in that queue and state")]
    NotFound,
    /// The uuid, or uuid and unique key together, belong to something else.
    #[error("it exists already: {0}")]
    AlreadyExists(String),
    /// The request breaks a limit; the text names field and limit.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Something is full, or a message is too large: trying again at once would not help.
    #[error("exhausted: {0}")]
    Exhausted(String),
    /// No node served the call in time. Nothing was done, or it is not known whether it was.
    #[error(
        "no node served the call within {elapsed:?} ({tries} tries); the last one said: {last}"
    )]
    Unavailable {
        /// How often it was tried.
        tries: u32,
        /// Over how long.
        elapsed: Duration,
        /// What the last try came to.
        last: Box<Status>,
    },
    /// The server refused the call for another reason.
    #[error("refused: {0}")]
    Refused(Box<Status>),
    /// A payload is not what it was taken for, or can't be written.
    #[error("payload: {0}")]
    Payload(#[from] serde_json::Error),
    /// An address or an option can't be used.
    #[error("{0}")]
    Options(String),
    /// An answer that no server of this protocol gives.
    #[error("not a valid answer: {0}")]
    Protocol(String),
}

impl Error {
    /// Whether the task that a call was about is not the caller's any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::LeaseLost(_) | Self::NotFound)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::FailedPrecondition => Self::LeaseLost(message),
            Code::AlreadyExists => Self::AlreadyExists(message),
            Code::InvalidArgument => Self::Invalid(message),
            Code::ResourceExhausted | Code::OutOfRange => Self::Exhausted(message),
            _ => Self::Refused(Box::new(status)),
        }
    }
}

/// Whether another try, at another node, can come to something else.
pub(crate) fn is_retryable(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => true,
        // A broken connection, not a server's word.
        Code::Unknown | Code::Internal => status.source().is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_meaning() {
        let of = |code| Error::from(Status::new(code, "why"));
        assert!(matches!(of(Code::FailedPrecondition), Error::LeaseLost(why) if why == "why"));
        assert!(matches!(of(Code::InvalidArgument), Error::Invalid(_)));
        assert!(matches!(of(Code::AlreadyExists), Error::AlreadyExists(_)));
        assert!(matches!(of(Code::OutOfRange), Error::Exhausted(_)));
        assert!(matches!(of(Code::Unimplemented), Error::Refused(_)));
        assert!(of(Code::FailedPrecondition).is_lost() && Error::NotFound.is_lost());
        assert!(!of(Code::InvalidArgument).is_lost());
    }

    #[test]
    fn only_what_another_node_may_do_is_tried_again() {
        for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled] {
            assert!(is_retryable(&Status::new(code, "")), "{code:?}");
        }
        let others = [
            Code::FailedPrecondition,
            Code::InvalidArgument,
            Code::ResourceExhausted,
            Code::Internal,
            Code::Unknown,
        ];
        for code in others {
            assert!(!is_retryable(&Status::new(code, "")), "{code:?}");
        }
        let mut broken = Status::unknown("transport error");
        broken.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
        assert!(is_retryable(&broken));
    }
}
