//! What a failed call means.

use std::error::Error;
use std::io;

use tonic::{Code, Status};

use crate::history::Outcome;

/// In doubt it is unknown: a call that is taken for failed, and was done, would be a violation that is none.
pub fn failure(status: &Status) -> Outcome {
    let why = format!("{:?}: {}", status.code(), status.message());
    if let Some(source) = status.source() {
        return match was_refused(source) {
            true => Outcome::Fail(why),
            false => Outcome::Unknown(why),
        };
    }
    match status.code() {
        Code::FailedPrecondition => Outcome::Fenced(why),
        Code::Unavailable if status.message().contains("nothing was done") => Outcome::Fail(why),
        Code::InvalidArgument | Code::AlreadyExists | Code::ResourceExhausted => Outcome::Fail(why),
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
