//! What a failed call means to a client that wants to try again.

use std::error::Error;
use std::io;

use tonic::{Code, Status};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was done: another node may be asked the same.
    NothingDone,
    /// It may have been done or not.
    Unknown,
    /// The server refuses the request as such.
    Refused,
    /// The server is unavailable and does not say whether anything was done: it must.
    Unclear,
}

/// By the contract's words where the server answered, by the kind of the failure where it did not.
pub fn failure(status: &Status) -> Failure {
    if let Some(source) = status.source() {
        return match never_sent(source) {
            true => Failure::NothingDone,
            false => Failure::Unknown,
        };
    }
    let says = |words| status.message().contains(words);
    match status.code() {
        Code::Unavailable if says("the outcome is not known") => Failure::Unknown,
        Code::Unavailable if says("nothing was done") => Failure::NothingDone,
        Code::Unavailable => Failure::Unclear,
        Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => Failure::Unknown,
        _ => Failure::Refused,
    }
}

/// Whether the server can't have seen the request, as every gRPC library finds out.
fn never_sent(error: &(dyn Error + 'static)) -> bool {
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    // A server that goes away names the last request that it took; later ones were not begun.
    let not_taken = |error: &h2::Error| {
        let reason = error.reason();
        (error.is_go_away() && error.is_remote() && reason == Some(h2::Reason::NO_ERROR))
            || (error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM))
    };
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.downcast_ref().is_some_and(refused)
            || cause.downcast_ref().is_some_and(not_taken)
            // The request waited for a connection that ended before.
            || format!("{cause:?}").starts_with("hyper::Error(Canceled")
        {
            return true;
        }
        next = cause.source();
    }
    false
}
