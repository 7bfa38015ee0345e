//! The connection that a client command makes, and how it can fail.

use std::error::Error;
use std::net::Ipv6Addr;
use std::time::Duration;

use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use super::answer::{Failure, Format};
use super::human;
use super::tls::Tls;
use crate::config::value::{Text, duration, host_port, is_host};
use crate::proto::v1alpha1::corndogs_service_client::CorndogsServiceClient;
use crate::tls::Connector;

const VARIABLE: &str = "CORNDOGS_ADDRESS";
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 5080;
/// What HTTP/2 says to a server that answers with a TLS alert.
const NO_FRAME: &str = "frame with invalid size";
/// Answers of any size that a server can be configured for.
pub const MAX_MESSAGE: usize = 1 << 30;

/// The service as a command calls it.
pub type Service = CorndogsServiceClient<Channel>;

/// Flags of every client command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection and output")]
pub struct Client {
    /// The server; else the variable CORNDOGS_ADDRESS, else 127.0.0.1.
    #[arg(short = 'a', long, value_name = "HOST[:PORT]")]
    address: Option<String>,
    /// The server's port, where the address has none [default: 5080].
    #[arg(short = 'p', long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// How long to wait for the answer; a claim's --wait-ms comes on top.
    #[arg(long, value_name = "DURATION", value_parser = deadline, default_value = "30s")]
    pub deadline: Duration,
    /// How the result is shown.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    #[command(flatten)]
    tls: Tls,
}

/// Flags of the commands that change something.
#[derive(Debug, Args)]
pub struct ChangingClient {
    #[command(flatten)]
    pub client: Client,
    /// Makes a retry with the same key answer as the first call did.
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// `HOST:PORT` of the server.
    pub fn target(&self) -> Result<String, Failure> {
        resolve(self.address.as_deref(), self.port)
    }

    /// A connection to the server.
    pub async fn connect(&self) -> Result<Channel, Failure> {
        let tls = self.tls.connector()?;
        connect(&self.target()?, tls.as_ref(), self.deadline).await
    }

    /// One call that changes nothing.
    pub async fn read<Q, R>(
        &self,
        request: Q,
        rpc: impl AsyncFnOnce(&mut Service, Request<Q>) -> Result<Response<R>, Status>,
    ) -> Result<R, Failure> {
        let mut service = service(self.connect().await?);
        let answer = self.in_time(rpc(&mut service, self.timed(request))).await?;
        Ok(answer.into_inner())
    }

    /// The request with its deadline, so that the server too stops working on it.
    pub fn timed<Q>(&self, request: Q) -> Request<Q> {
        let mut request = Request::new(request);
        request.set_timeout(self.deadline);
        request
    }

    /// What comes within the deadline; a failure names the address.
    pub async fn in_time<R>(
        &self,
        answer: impl Future<Output = Result<R, Status>>,
    ) -> Result<R, Failure> {
        self.within(self.deadline, "", answer).await
    }

    async fn within<R>(
        &self,
        limit: Duration,
        consequence: &str,
        answer: impl Future<Output = Result<R, Status>>,
    ) -> Result<R, Failure> {
        let reason = match tokio::time::timeout(limit, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) => refusal(&status),
            Err(_) => format!("no answer within {limit:?}{consequence}"),
        };
        Err(Failure::Failed(format!("{}: {reason}", self.target()?)))
    }
}

impl ChangingClient {
    /// One call that may change something and may take `wait` longer.
    pub async fn change<Q, R>(
        &self,
        request: Q,
        wait: Duration,
        rpc: impl AsyncFnOnce(&mut Service, Request<Q>) -> Result<Response<R>, Status>,
    ) -> Result<R, Failure> {
        let rpc = async |channel, request| rpc(&mut service(channel), request).await;
        self.change_over(request, wait, rpc).await
    }

    /// The same, of another service.
    pub async fn change_over<Q, R>(
        &self,
        request: Q,
        wait: Duration,
        rpc: impl AsyncFnOnce(Channel, Request<Q>) -> Result<Response<R>, Status>,
    ) -> Result<R, Failure> {
        let channel = self.client.connect().await?;
        let limit = self.client.deadline.saturating_add(wait);
        let mut request = Request::new(request);
        request.set_timeout(limit);
        if let Some(key) = &self.idempotency_key {
            request
                .metadata_mut()
                .insert("idempotency-key", key.clone());
        }
        let answer = rpc(channel, request);
        let unknown = "; whether it was done is not known";
        Ok(self
            .client
            .within(limit, unknown, answer)
            .await?
            .into_inner())
    }
}

/// A connection to `HOST:PORT`, made within the limit.
pub async fn connect(
    target: &str,
    tls: Option<&Connector>,
    limit: Duration,
) -> Result<Channel, Failure> {
    let failed = |reason: &dyn std::fmt::Display| {
        Failure::Failed(format!("cannot connect to {target}: {reason}"))
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{target}"))
        .map_err(|error| failed(&causes(&error)))?
        .tcp_nodelay(true);
    let connected = async {
        match tls {
            None => endpoint.connect().await,
            Some(tls) => endpoint.connect_with_connector(tls.clone()).await,
        }
    };
    match tokio::time::timeout(limit, connected).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) => Err(failed(&causes(&error))),
        Err(_) => Err(failed(&format!("nothing within {limit:?}"))),
    }
}

/// The service over a connection.
pub fn service(channel: Channel) -> Service {
    CorndogsServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE)
}

/// The server's `HOST:PORT` by the flags, else by the variable, else by the defaults.
pub fn resolve(address: Option<&str>, port: Option<u16>) -> Result<String, Failure> {
    let variable = std::env::var(VARIABLE)
        .ok()
        .filter(|value| !value.is_empty());
    target(address, variable.as_deref(), port).map_err(Failure::Usage)
}

/// The address that flags, variable and defaults make.
fn target(flag: Option<&str>, variable: Option<&str>, port: Option<u16>) -> Result<String, String> {
    let (origin, address) = match (flag, variable) {
        (Some(address), _) => ("--address", address),
        (None, Some(address)) => ("environment variable CORNDOGS_ADDRESS", address),
        (None, None) => ("", DEFAULT_HOST),
    };
    let with_port = |host: &str| format!("{host}:{}", port.unwrap_or(DEFAULT_PORT));
    if address.parse::<Ipv6Addr>().is_ok() {
        return Ok(with_port(&format!("[{address}]")));
    }
    if is_host(address) {
        return Ok(with_port(address));
    }
    let (_, own) = host_port(address)
        .map_err(|reason| format!("{origin}: bad value {}: {reason}", Text::new(address)))?;
    match port {
        Some(port) if port != own => Err(format!(
            "--port: bad value {port}: the address {address} has a port already"
        )),
        _ => Ok(address.to_owned()),
    }
}

/// A duration to wait for an answer.
pub fn deadline(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        some => Ok(some),
    }
}

fn idempotency_key(text: &str) -> Result<MetadataValue<Ascii>, String> {
    let reason = "must be 1 to 128 printable ASCII characters";
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if text.is_empty() || text.len() > 128 || !printable {
        return Err(reason.to_owned());
    }
    text.parse().map_err(|_| reason.to_owned())
}

/// The code by its name in gRPC, then what the server says.
pub fn refusal(status: &Status) -> String {
    let mut text = String::new();
    for c in format!("{:?}", status.code()).chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    text.push_str(": ");
    text.push_str(&human::safe(status.message()));
    if let Some(source) = status.source() {
        text.push_str(": ");
        text.push_str(&causes(source));
        if text.ends_with(NO_FRAME) {
            text.push_str("; the server may want TLS (--tls-ca)");
        }
    }
    text
}

/// An error with what it was caused by; tonic's own say nothing but "transport error".
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{idempotency_key, refusal, target};

    #[test]
    fn addresses() {
        for (flag, variable, port, expected) in [
            (None, None, None, "127.0.0.1:5080"),
            (None, None, Some(1), "127.0.0.1:1"),
            (Some("a.b"), None, None, "a.b:5080"),
            (Some("a"), Some("b:1"), None, "a:5080"),
            (None, Some("b:1"), None, "b:1"),
            (Some("a:7"), None, Some(7), "a:7"),
            (Some("[::1]:7"), None, None, "[::1]:7"),
            (Some("[::1]"), None, Some(7), "[::1]:7"),
            (Some("::1"), None, None, "[::1]:5080"),
        ] {
            assert_eq!(target(flag, variable, port).unwrap(), expected);
        }
        for wrong in [
            "",
            "a:",
            ":1",
            "a:0",
            "a:65536",
            "http://a:1",
            "a b",
            "[a]:1",
            "a:+1",
        ] {
            let error = target(Some(wrong), None, None).unwrap_err();
            assert!(
                error.starts_with(&format!("--address: bad value {wrong:?}: ")),
                "{error}"
            );
        }
        let error = target(Some("a:1"), None, Some(2)).unwrap_err();
        assert!(error.contains("a:1"), "{error}");
    }

    #[test]
    fn keys_are_printable_ascii() {
        assert!(idempotency_key(&"k".repeat(128)).is_ok());
        for wrong in ["", "a\tb", "ä", &"k".repeat(129)] {
            assert!(idempotency_key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn refusals_have_the_names_of_grpc() {
        let status = tonic::Status::failed_precondition("no\x1b[1m");
        assert_eq!(refusal(&status), "FAILED_PRECONDITION: no\\u{1b}[1m");
    }
}
