//! The list of options: one line each.

use std::path::PathBuf;
use std::time::Duration;

use super::value::{duration, level, members, name, or_word, positive, seconds, size, socket};
use super::{Draft, LogFormat, NodeId};

/// An option of `corndogs run`: the flag `--name`, the variable `CORNDOGS_NAME`, the TOML key `name`.
pub struct ConfigOption {
    /// In kebab-case.
    pub name: &'static str,
    /// The variable that the original knew it by.
    pub old_variable: Option<&'static str>,
    /// What stands for the value in the help.
    pub value_name: &'static str,
    /// The default as one would write it; empty where it is not set.
    pub default: &'static str,
    /// One line.
    pub help: &'static str,
    pub(super) set: fn(&mut Draft, &str) -> Result<(), String>,
}

impl ConfigOption {
    /// The environment variables that set it; the first wins.
    pub fn variables(&self) -> impl Iterator<Item = String> + use<> {
        let ours = format!("CORNDOGS_{}", self.name.to_uppercase().replace('-', "_"));
        std::iter::once(ours).chain(self.old_variable.map(str::to_owned))
    }
}

macro_rules! options {
    ($($name:literal $(or $old:literal)?, $value_name:literal, $default:literal, $help:literal, $set:expr;)*) => {
        /// Every option there is.
        pub const OPTIONS: &[ConfigOption] = &[$(ConfigOption {
            name: $name,
            old_variable: options!(@old $($old)?),
            value_name: $value_name,
            default: $default,
            help: $help,
            set: |draft, text| { let set: fn(&mut Draft, &str) -> _ = $set; set(draft, text) },
        }),*];
    };
    (@old) => { None };
    (@old $old:literal) => { Some($old) };
}

options! {
    "data-dir", "DIR", "./corndogs-data", "All the node's data; one process at a time holds it", |d, t| directory(t).map(|v| d.config.data_dir = v);
    "listen", "ADDR", "127.0.0.1:5080", "Where clients are served (gRPC)", |d, t| socket(t).map(|v| d.config.listen = v);
    "http-listen", "ADDR", "127.0.0.1:8080", "Where /metrics, /livez, /readyz and the dashboard are served", |d, t| socket(t).map(|v| d.config.http_listen = v);
    "node-id", "N|auto", "", "This node's id in a cluster; auto: the member whose host has this machine's name", |d, t| NodeId::parse(t).map(|v| d.node_id = Some(v));
    "peer-listen", "ADDR", "", "Where the other nodes of a cluster are served", |d, t| socket(t).map(|v| d.peer_listen = Some(v));
    "members", "ID=HOST:PORT,…", "", "The nodes of a cluster, this one included", |d, t| members(t).map(|v| d.members = Some(v));
    "tls-cert", "FILE", "", "Serves clients with TLS: the certificate, then those between it and its CA, in PEM", |_, t| file(t);
    "tls-key", "FILE", "", "The certificate's private key, in PEM", |_, t| file(t);
    "tls-client-ca", "FILE", "", "Clients must show a certificate that one of these CAs has signed, in PEM", |_, t| file(t);
    "peer-tls-cert", "FILE", "", "TLS between peers: this node's certificate, for both directions, in PEM", |_, t| file(t);
    "peer-tls-key", "FILE", "", "Its private key, in PEM", |_, t| file(t);
    "peer-tls-ca", "FILE", "", "The CAs that sign the nodes' certificates, in PEM", |_, t| file(t);
    "snapshot-every", "N", "100000", "A snapshot after N log entries, once the log has also outgrown the last snapshot", |d, t| positive(t).map(|v| d.config.snapshot_every = v);
    "timeout-sweep", "DURATION|off", "1s", "How often due tasks are timed out without being asked", |d, t| or_word(t, "off").map(|v| d.config.timeout_sweep = v);
    "archive-retention", "DURATION|forever", "7d", "How long completed and canceled tasks stay", |d, t| or_word(t, "forever").map(|v| d.config.archive_retention = v);
    "scrub-every", "DURATION|off", "1d", "How often all rows on the disk are read and compared with what was written", |d, t| or_word(t, "off").map(|v| d.config.scrub_every = v);
    "idempotency-window", "DURATION", "10m", "How long idempotency keys are kept", |d, t| some_time(t).map(|v| d.config.idempotency_window = v);
    "max-payload", "BYTES", "1MiB", "The longest payload of a task", |d, t| size(t).map(|v| d.config.max_payload = v);
    "max-message", "BYTES", "16MiB", "The longest gRPC message", |d, t| size(t).map(|v| d.config.max_message = v);
    "default-queue" or "DEFAULT_QUEUE", "NAME", "default", "The queue of submits and claims that name none", |d, t| name(t, 255).map(|v| d.config.default_queue = v);
    "default-state" or "DEFAULT_STARTING_STATE", "NAME", "submitted", "The state of submits and claims that name none", |d, t| state(t).map(|v| d.config.default_state = v);
    "default-timeout" or "DEFAULT_TIMEOUT", "SECONDS", "0", "The timeout of submits that name none; 0 is none", |d, t| seconds(t).map(|v| d.config.default_timeout_s = v.max(0));
    "log-level" or "LOGLEVEL", "LEVEL", "info", "What is logged: error, warning, info, debug, trace or off", |d, t| level(t).map(|v| d.config.log_level = v);
    "log-format", "human|json", "human", "How it is logged", |d, t| format(t).map(|v| d.config.log_format = v);
}

fn directory(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("must be the path of a directory".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// It is read when the server starts.
fn file(text: &str) -> Result<(), String> {
    if text.is_empty() || text.contains('\0') {
        return Err("must be the path of a file".to_owned());
    }
    Ok(())
}

/// The derived `<state>-working` counts against the limit of 255 bytes too.
fn state(text: &str) -> Result<String, String> {
    name(text, 255 - "-working".len())
}

fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        some => Ok(some),
    }
}

fn format(text: &str) -> Result<LogFormat, String> {
    match text {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be human or json".to_owned()),
    }
}
