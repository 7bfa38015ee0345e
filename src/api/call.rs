//! What every call has around it: a deadline, a span, and figures.

use std::future::Future;
use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};
use tracing::{Instrument, Span};

use crate::clock;

/// The deadline is answered this much earlier than the transport would cut the call off.
const HEADROOM: Duration = Duration::from_millis(2);

/// A claim waits for this much less than the client's deadline, or for three quarters of it, so
/// that there is time for its last try: an answer without a task is better than a deadline.
const LAST_TRY: Duration = Duration::from_millis(100);

/// One RPC of the service, with its figures.
pub struct Call {
    method: &'static str,
    seconds: Histogram,
    failures: Counter,
}

impl Call {
    /// Registers the figures of a method.
    pub fn new(method: &'static str) -> Self {
        Self {
            method,
            seconds: histogram!("corndogs_call_seconds", "method" => method),
            failures: counter!("corndogs_call_failures_total", "method" => method),
        }
    }

    /// Its name in the service's definition.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Runs the call within the client's deadline.
    ///
    /// # Errors
    /// What the work says, or that the deadline has passed.
    pub async fn run<T>(
        &self,
        metadata: &MetadataMap,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<Response<T>, Status> {
        let started = clock::monotonic();
        let span = span(self.method, metadata);
        let result = within(deadline(metadata), work)
            .instrument(span.clone())
            .await;
        self.seconds
            .record((clock::monotonic() - started).as_secs_f64());
        if let Err(status) = &result {
            self.failures.increment(1);
            span.in_scope(
                || tracing::debug!(code = ?status.code(), message = status.message(), "refused"),
            );
        }
        result.map(Response::new)
    }
}

/// The call's span, at `debug`. Its request id is the client's `x-request-id`, or a new one.
fn span(method: &'static str, metadata: &MetadataMap) -> Span {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return Span::none();
    }
    let given = metadata.get("x-request-id").and_then(|id| id.to_str().ok());
    let request_id = given.map_or_else(|| clock::random_uuid().to_string(), str::to_owned);
    tracing::debug_span!("call", method, request_id)
}

async fn within<T>(
    deadline: Option<Duration>,
    work: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let Some(deadline) = deadline else {
        return work.await;
    };
    let answer = tokio::time::timeout(deadline.saturating_sub(HEADROOM), work).await;
    answer.unwrap_or_else(|_| {
        let why =
            "the deadline passed; the outcome of a change is not known: it may have been done";
        Err(Status::deadline_exceeded(why))
    })
}

/// How long a claim may wait, from 0 on, within the client's deadline.
pub fn wait(wait_ms: i64, metadata: &MetadataMap) -> Duration {
    let wait = Duration::from_millis(wait_ms.max(0).unsigned_abs());
    let longest = deadline(metadata).map(|deadline| deadline - LAST_TRY.min(deadline / 4));
    wait.min(longest.unwrap_or(wait))
}

/// The client's deadline, as gRPC's `grpc-timeout` gives it: up to eight digits and a unit.
fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_before_the_deadline() {
        let within = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            let text = tonic::metadata::MetadataValue::from_static(text);
            metadata.insert("grpc-timeout", text);
            wait(5000, &metadata)
        };
        assert_eq!(wait(5000, &MetadataMap::new()), Duration::from_secs(5));
        assert_eq!(wait(0, &MetadataMap::new()), Duration::ZERO);
        assert_eq!(within("6S"), Duration::from_secs(5));
        assert_eq!(within("5S"), Duration::from_millis(4900));
        assert_eq!(within("100m"), Duration::from_millis(75));
        assert_eq!(within("0m"), Duration::ZERO);
    }

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        let of = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert(
                "grpc-timeout",
                tonic::metadata::MetadataValue::from_static(text),
            );
            deadline(&metadata)
        };
        assert_eq!(of("5S"), Some(Duration::from_secs(5)));
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(
            of("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        for bad in ["", "S", "5", "-1S", "123456789S", "5x"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
