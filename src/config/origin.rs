//! Where values come from, and errors that say so.

use std::fmt;
use std::path::PathBuf;

use super::value::Text;

/// Where a value came from; displayed as an operator would look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A flag of that name.
    Flag(&'static str),
    /// An environment variable.
    Variable(String),
    /// A key of the TOML file.
    File(PathBuf, &'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(path, key) => write!(f, "{}: {key}", path.display()),
        }
    }
}

/// One option as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The option, without dashes in front.
    pub name: &'static str,
    /// Its value as it was written; empty where it is not set.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)?;
        match self.origin {
            Origin::Default => Ok(()),
            _ => write!(f, " ({})", self.origin),
        }
    }
}

/// Why there is no configuration. A usage error: the program exits with 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that its option does not take.
    #[error("{origin}: bad value {value}: {reason}")]
    BadValue {
        /// Who set it.
        origin: Origin,
        /// What was given.
        value: Text,
        /// What would be right.
        reason: String,
    },
    /// A key in the file that is no option.
    #[error("{}: unknown key {key}", file.display())]
    UnknownKey {
        /// The TOML file.
        file: PathBuf,
        /// The key.
        key: Text,
    },
    /// The file cannot be read, or is no TOML.
    #[error("{}: {reason}", file.display())]
    File {
        /// The TOML file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Some of a cluster's options without the others.
    #[error(
        "half a cluster: {given} without {missing}; a cluster needs all three, a single node none"
    )]
    HalfCluster {
        /// The options that are set, with their values.
        given: String,
        /// The options that are not.
        missing: String,
    },
    /// Some of TLS's options without others that they need.
    #[error("half of TLS: {given} without {missing}; {rule}")]
    HalfTls {
        /// The options that are set, with their values.
        given: String,
        /// The options that are not.
        missing: String,
        /// Which ones belong together.
        rule: &'static str,
    },
}

/// `origin` set an option to what it does not take.
pub(super) fn bad(origin: &Origin, value: &str, reason: String) -> ConfigError {
    ConfigError::BadValue {
        origin: origin.clone(),
        value: Text::new(value),
        reason,
    }
}
