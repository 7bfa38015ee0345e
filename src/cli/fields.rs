//! Flags that are fields of requests, shared by several commands.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use prost_types::Timestamp;
use serde::de::DeserializeOwned;

use super::answer::Failure;
use crate::config::value::seconds;
use crate::proto::v1alpha1::{GetNextTaskRequest, RetryBackoff, SubmitTaskRequest};

/// A payload, written in one of three ways.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Payload {
    /// The payload as text.
    #[arg(long, value_name = "TEXT")]
    payload: Option<String>,
    /// The file that holds the payload; - is stdin.
    #[arg(long, value_name = "FILE")]
    payload_file: Option<PathBuf>,
    /// The payload in base64.
    #[arg(long, value_name = "BASE64", value_parser = base64_bytes)]
    payload_base64: Option<Bytes>,
}

impl Payload {
    /// The payload; empty where none is given.
    pub fn read(self) -> Result<Bytes, Failure> {
        if let Some(path) = self.payload_file {
            return read_input(&path).map_err(|error| {
                Failure::Usage(format!("--payload-file: {}: {error}", path.display()))
            });
        }
        let text = self.payload.map(Bytes::from);
        Ok(text.or(self.payload_base64).unwrap_or_default())
    }
}

fn read_input(path: &Path) -> std::io::Result<Bytes> {
    let mut payload = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut payload)?;
    } else {
        payload = std::fs::read(path)?;
    }
    Ok(payload.into())
}

/// Everything that a submit says.
#[derive(Debug, Args)]
pub struct Submit {
    /// Where the task goes [default: the server's].
    #[arg(short, long, default_value_t, hide_default_value = true)]
    queue: String,
    /// The state it starts in [default: the server's].
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    current_state: String,
    /// The state that a claim takes it to [default: the current state with -working].
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    auto_target_state: String,
    /// Seconds, or a duration such as 10m; 0 is the server's default, negative none.
    #[arg(long, value_parser = seconds, default_value = "0", allow_negative_numbers = true)]
    timeout: i64,
    #[command(flatten)]
    payload: Payload,
    /// Higher ones are claimed first.
    #[arg(long, default_value_t, allow_negative_numbers = true)]
    priority: i64,
    /// The task's uuid, so that a retry submits nothing twice [default: the server makes one].
    #[arg(long, default_value_t, hide_default_value = true)]
    uuid: String,
    /// Not claimable before this time: RFC 3339, or nanoseconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0", hide_default_value = true, allow_negative_numbers = true)]
    not_before: i64,
    /// At most one live task of the queue has this key.
    #[arg(long, value_name = "KEY", default_value_t, hide_default_value = true)]
    unique_key: String,
    /// Kept with the task; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = entry)]
    metadata: Vec<(String, String)>,
    /// The timeout that each claim starts with: seconds, or a duration.
    #[arg(long, value_name = "TIMEOUT", value_parser = seconds, default_value = "0", allow_negative_numbers = true)]
    claim_timeout: i64,
    /// Timed out after that many claims, the task goes to the state dead; 0 is never.
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    max_attempts: i64,
    #[command(flatten)]
    retry_backoff: RetryBackoffFlags,
}

/// How long the next attempt waits after one that failed or timed out.
#[derive(Debug, Args)]
pub struct RetryBackoffFlags {
    /// The next attempt waits after one that failed: the first wait, seconds or a duration.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    retry_initial: Option<i64>,
    /// The longest wait, seconds or a duration; 0 is 365 days.
    #[arg(long, value_name = "DURATION", value_parser = seconds, default_value = "0", requires = "retry_initial")]
    retry_cap: i64,
    /// Each wait is that many times the one before, in percent: 100 is a fixed wait, 0 doubles.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t,
        requires = "retry_initial"
    )]
    retry_factor_percent: i64,
    /// How much of each wait is left to chance, in percent.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t,
        requires = "retry_initial"
    )]
    retry_jitter_percent: i64,
}

impl RetryBackoffFlags {
    fn message(&self) -> Option<RetryBackoff> {
        self.retry_initial.map(|initial| RetryBackoff {
            initial,
            cap: self.retry_cap,
            factor_percent: self.retry_factor_percent,
            jitter_percent: self.retry_jitter_percent,
        })
    }
}

impl Submit {
    /// The request that the flags make.
    pub fn request(self) -> Result<SubmitTaskRequest, Failure> {
        let metadata = metadata(self.metadata)?;
        Ok(SubmitTaskRequest {
            queue: self.queue,
            current_state: self.current_state,
            auto_target_state: self.auto_target_state,
            timeout: self.timeout,
            payload: self.payload.read()?,
            priority: self.priority,
            uuid: self.uuid,
            not_before: self.not_before,
            unique_key: self.unique_key,
            metadata,
            claim_timeout: self.claim_timeout,
            max_attempts: self.max_attempts,
            retry_backoff: self.retry_backoff.message(),
        })
    }
}

/// Everything that a claim says.
#[derive(Debug, Args)]
pub struct Claim {
    /// Where to look [default: the server's, unless --queues is given].
    #[arg(short, long, default_value_t, hide_default_value = true)]
    queue: String,
    /// One more queue to look in; may be repeated.
    #[arg(long, value_name = "QUEUE")]
    queues: Vec<String>,
    /// The state to look for [default: the server's].
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    current_state: String,
    /// Seconds, or a duration such as 10m; 0 keeps the task's, negative clears it.
    #[arg(long, value_name = "TIMEOUT", value_parser = seconds, default_value = "0", allow_negative_numbers = true)]
    override_timeout: i64,
    /// The state that the claim takes the task to, in place of its auto target state.
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    override_current_state: String,
    /// The state that a timeout takes it to, in place of the one it was in.
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    override_auto_target_state: String,
    /// Who claims.
    #[arg(long, value_name = "NAME", default_value_t, hide_default_value = true)]
    worker: String,
    /// How many milliseconds to wait for a task, up to 60000.
    #[arg(
        long,
        value_name = "MS",
        default_value_t,
        allow_negative_numbers = true
    )]
    wait_ms: i64,
}

impl Claim {
    /// The request that the flags make, and how much longer it may take.
    pub fn request(self) -> (GetNextTaskRequest, Duration) {
        let wait = Duration::from_millis(self.wait_ms.clamp(0, 60_000).unsigned_abs());
        let request = GetNextTaskRequest {
            queue: self.queue,
            current_state: self.current_state,
            override_timeout: self.override_timeout,
            override_current_state: self.override_current_state,
            override_auto_target_state: self.override_auto_target_state,
            worker: self.worker,
            wait_ms: self.wait_ms,
            queues: self.queues,
        };
        (request, wait)
    }
}

/// The claimed task that a worker is done with, or goes on with.
#[derive(Debug, Args)]
pub struct Target {
    /// The task.
    #[arg(long)]
    pub uuid: String,
    /// The queue it must be in.
    #[arg(short, long)]
    pub queue: String,
    /// The state it must be in.
    #[arg(long, value_name = "STATE")]
    pub current_state: String,
    /// The claim it must be in: the attempt that the claim answered; 0 is any.
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    pub attempt: i64,
}

/// Nanoseconds since 1970, of RFC 3339 too.
pub fn time(text: &str) -> Result<i64, String> {
    if let Ok(nanoseconds) = text.parse() {
        return Ok(nanoseconds);
    }
    let reason = "must be RFC 3339, such as 2026-01-31T12:00:00Z, or nanoseconds since 1970";
    let time = Timestamp::from_str(text).map_err(|_| reason.to_owned())?;
    time.seconds
        .checked_mul(1_000_000_000)
        .and_then(|ns| ns.checked_add(i64::from(time.nanos)))
        .ok_or_else(|| "must be between the years 1678 and 2262".to_owned())
}

/// A request in JSON.
pub fn from_json<M: DeserializeOwned>(text: &str) -> Result<M, String> {
    // A derived reader would take an array for the fields in their order, and an empty one for a request.
    if !text.trim_start().starts_with('{') {
        return Err("must be a JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Pairs of `--metadata`, each key once.
pub fn metadata(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failure> {
    let mut metadata = BTreeMap::new();
    for (key, value) in pairs {
        if metadata.contains_key(&key) {
            return Err(Failure::Usage(format!(
                "--metadata: two values for {key:?}"
            )));
        }
        metadata.insert(key, value);
    }
    Ok(metadata)
}

/// A pair of `--metadata`.
pub fn entry(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn base64_bytes(text: &str) -> Result<Bytes, String> {
    STANDARD
        .decode(text)
        .map(Bytes::from)
        .map_err(|error| error.to_string())
}
