//! The three places that a value can come from, and the machine's name.

use std::collections::BTreeMap;
use std::path::Path;

use super::origin::bad;
use super::value::Text;
use super::{CONFIG_VARIABLE, ConfigError, ConfigOption, OPTIONS, Origin};

/// An option's value and who set it.
pub(super) fn given(
    option: &ConfigOption,
    flags: &BTreeMap<String, String>,
    env: &BTreeMap<String, String>,
    file: &BTreeMap<&'static str, (String, Origin)>,
) -> (String, Origin) {
    if let Some(value) = flags.get(option.name) {
        return (value.clone(), Origin::Flag(option.name));
    }
    for variable in option.variables() {
        if let Some(value) = env.get(&variable).filter(|value| !value.is_empty()) {
            return (value.clone(), Origin::Variable(variable));
        }
    }
    match file.get(option.name) {
        Some((value, origin)) => (value.clone(), origin.clone()),
        None => (option.default.to_owned(), Origin::Default),
    }
}

/// The file's keys, each of which must be an option, with their values as text.
pub(super) fn read_file(
    path: &Path,
    text: &str,
) -> Result<BTreeMap<&'static str, (String, Origin)>, ConfigError> {
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| ConfigError::File {
            file: path.to_owned(),
            reason: error.to_string(),
        })?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let Some(option) = OPTIONS.iter().find(|option| option.name == key) else {
            return Err(ConfigError::UnknownKey {
                file: path.to_owned(),
                key: Text::new(&key),
            });
        };
        let origin = Origin::File(path.to_owned(), option.name);
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            other => {
                return Err(bad(
                    &origin,
                    &other.to_string(),
                    "must be a string or a whole number".to_owned(),
                ));
            }
        };
        values.insert(option.name, (value, origin));
    }
    Ok(values)
}

/// The variables that are ours.
pub(super) fn environment() -> Result<BTreeMap<String, String>, ConfigError> {
    let ours = OPTIONS.iter().flat_map(ConfigOption::variables);
    let mut env = BTreeMap::new();
    for name in ours.chain([CONFIG_VARIABLE.to_owned()]) {
        let Some(value) = std::env::var_os(&name) else {
            continue;
        };
        let Ok(value) = value.into_string() else {
            return Err(bad(
                &Origin::Variable(name),
                "(not UTF-8)",
                "must be UTF-8".to_owned(),
            ));
        };
        env.insert(name, value);
    }
    Ok(env)
}

/// What the machine is called; in a pod, the pod's name.
pub(super) fn host_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}
