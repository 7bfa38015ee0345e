//! The server's configuration: flag over environment over file, validated once.
//!
//! An option is a line in [`OPTIONS`], a field of [`Config`] and its default there.

mod node_id;
mod options;
mod origin;
mod sources;
#[cfg(test)]
mod tests;
mod tls;
pub mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use node_id::NodeId;
pub use options::{ConfigOption, OPTIONS};
use origin::bad;
pub use origin::{ConfigError, Origin, Setting};
use sources::{environment, given, host_name, read_file};
use value::Text;

use crate::tls::{PeerFiles, ServerFiles};

/// The flag that names the TOML file; it is no key of that file.
pub const CONFIG_FLAG: &str = "config";
/// Names it too.
const CONFIG_VARIABLE: &str = "CORNDOGS_CONFIG";

const GIB: usize = 1 << 30;

/// What a server runs with. Every value has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// All the node's data.
    pub data_dir: PathBuf,
    /// Client gRPC.
    pub listen: SocketAddr,
    /// Metrics, probes, dashboard.
    pub http_listen: SocketAddr,
    /// Unset on a single node.
    pub cluster: Option<Cluster>,
    /// Clients are served with TLS; unset without.
    pub tls: Option<ServerFiles>,
    /// The peers of a cluster are served, and called, with TLS; unset without.
    pub peer_tls: Option<PeerFiles>,
    /// Log entries between two snapshots, at least 1.
    pub snapshot_every: u64,
    /// How often due tasks are timed out without being asked; `None` is off.
    pub timeout_sweep: Option<Duration>,
    /// How long archived tasks stay; `None` is for ever.
    pub archive_retention: Option<Duration>,
    /// How often all rows on the disk are read and compared; `None` is never.
    pub scrub_every: Option<Duration>,
    /// How long idempotency keys are kept.
    pub idempotency_window: Duration,
    /// The longest payload of a task, in bytes.
    pub max_payload: usize,
    /// The longest gRPC message, in bytes; more than `max_payload`.
    pub max_message: usize,
    /// The queue of submits and claims that name none.
    pub default_queue: String,
    /// The state of submits and claims that name none.
    pub default_state: String,
    /// The timeout in seconds of submits that name none; 0 is none.
    pub default_timeout_s: i64,
    /// What is logged.
    pub log_level: LevelFilter,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Every option's value as it was written, and where it came from.
    pub settings: Vec<Setting>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./corndogs-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 5080)),
            http_listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            cluster: None,
            tls: None,
            peer_tls: None,
            snapshot_every: 100_000,
            timeout_sweep: Some(Duration::from_secs(1)),
            archive_retention: Some(Duration::from_secs(7 * 24 * 3600)),
            scrub_every: Some(Duration::from_secs(24 * 3600)),
            idempotency_window: Duration::from_secs(600),
            max_payload: 1 << 20,
            max_message: 16 << 20,
            default_queue: "default".to_owned(),
            default_state: "submitted".to_owned(),
            default_timeout_s: 0,
            log_level: LevelFilter::INFO,
            log_format: LogFormat::Human,
            settings: Vec::new(),
        }
    }
}

/// This node's place in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// One of the members.
    pub node_id: u64,
    /// Where the peers' connections are taken.
    pub peer_listen: SocketAddr,
    /// `HOST:PORT` of every member by its id.
    pub members: BTreeMap<u64, String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// The values that were given, and what they make so far.
#[derive(Default)]
struct Draft {
    config: Config,
    node_id: Option<NodeId>,
    peer_listen: Option<SocketAddr>,
    members: Option<BTreeMap<u64, String>>,
}

impl Config {
    /// Resolves the flags given with the process's environment, the file that either names, and the machine's name.
    pub fn load(flags: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let env = environment()?;
        let host_name = host_name();
        let named = flags
            .get(CONFIG_FLAG)
            .map(|path| (Origin::Flag(CONFIG_FLAG), path))
            .or_else(|| {
                let path = env.get(CONFIG_VARIABLE).filter(|path| !path.is_empty())?;
                Some((Origin::Variable(CONFIG_VARIABLE.to_owned()), path))
            });
        let Some((origin, path)) = named else {
            return Self::resolve(flags, &env, None, &host_name);
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| bad(&origin, path, error.to_string()))?;
        Self::resolve(flags, &env, Some((Path::new(path), &text)), &host_name)
    }

    /// What flags (by option name), environment variables and a file's text make together on a machine of that name.
    /// An empty variable counts as not set. Other variables are ignored, whatever their names:
    /// Kubernetes sets `CORNDOGS_PORT` and the like beside a service called `corndogs`.
    pub fn resolve(
        flags: &BTreeMap<String, String>,
        env: &BTreeMap<String, String>,
        file: Option<(&Path, &str)>,
        host_name: &str,
    ) -> Result<Self, ConfigError> {
        let file = match file {
            Some((path, text)) => read_file(path, text)?,
            None => BTreeMap::new(),
        };
        let mut draft = Draft::default();
        for option in OPTIONS {
            let (value, origin) = given(option, flags, env, &file);
            if origin != Origin::Default {
                (option.set)(&mut draft, &value).map_err(|reason| bad(&origin, &value, reason))?;
            }
            draft.config.settings.push(Setting {
                name: option.name,
                value,
                origin,
            });
        }
        draft.finish(host_name)
    }

    /// The effective configuration in one line, with the origin of what is not a default.
    pub fn describe(&self) -> String {
        let shown: Vec<String> = self
            .settings
            .iter()
            .filter(|setting| !setting.value.is_empty())
            .map(Setting::to_string)
            .collect();
        shown.join(", ")
    }

    /// An option's value is at fault, for what it is together with others.
    fn refuse(&self, name: &str, reason: String) -> ConfigError {
        let setting = self.settings.iter().find(|setting| setting.name == name);
        let (origin, value) = match setting {
            Some(setting) => (setting.origin.clone(), setting.value.clone()),
            None => (Origin::Default, String::new()),
        };
        bad(&origin, &value, reason)
    }
}

impl Draft {
    /// The checks that concern more than one option.
    fn finish(mut self, host_name: &str) -> Result<Config, ConfigError> {
        self.config.cluster = self.cluster(host_name)?;
        let mut config = self.config;
        config.tls = config.client_side_tls()?;
        config.peer_tls = config.peer_side_tls()?;
        if config.max_message > GIB {
            return Err(config.refuse("max-message", "at most 1GiB".to_owned()));
        }
        if config.max_payload >= config.max_message {
            // Blame the one that was set: a default is nobody's mistake.
            let payload_set = config
                .settings
                .iter()
                .any(|s| s.name == "max-payload" && s.origin != Origin::Default);
            let (name, reason) = if payload_set {
                (
                    "max-payload",
                    format!(
                        "must be less than max-message ({} bytes)",
                        config.max_message
                    ),
                )
            } else {
                (
                    "max-message",
                    format!(
                        "must be more than max-payload ({} bytes)",
                        config.max_payload
                    ),
                )
            };
            return Err(config.refuse(name, reason));
        }
        Ok(config)
    }

    fn cluster(&mut self, host_name: &str) -> Result<Option<Cluster>, ConfigError> {
        let parts = (self.node_id, self.peer_listen, self.members.take());
        let (Some(node_id), Some(peer_listen), Some(members)) = parts else {
            return self.no_cluster().map(|()| None);
        };
        let node_id = node_id
            .among(&members, host_name)
            .map_err(|reason| self.config.refuse("node-id", reason))?;
        if !members.contains_key(&node_id) {
            return Err(self
                .config
                .refuse("members", format!("does not contain node-id {node_id}")));
        }
        Ok(Some(Cluster {
            node_id,
            peer_listen,
            members,
        }))
    }

    fn no_cluster(&self) -> Result<(), ConfigError> {
        let (given, missing): (Vec<_>, Vec<_>) = self
            .config
            .settings
            .iter()
            .filter(|s| ["node-id", "peer-listen", "members"].contains(&s.name))
            .partition(|s| s.origin != Origin::Default);
        if given.is_empty() {
            return Ok(());
        }
        let given: Vec<String> = given
            .iter()
            .map(|s| format!("{} {}", s.origin, Text::new(&s.value)))
            .collect();
        let missing: Vec<String> = missing.iter().map(|s| format!("--{}", s.name)).collect();
        Err(ConfigError::HalfCluster {
            given: given.join(" and "),
            missing: missing.join(" and "),
        })
    }
}

#[cfg(test)]
mod fuzz;
