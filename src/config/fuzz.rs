//! Configuration files and the values of options: refused with the option's name, or read the same once written again.

use std::collections::BTreeMap;
use std::path::Path;

use super::value::{self, Text, list_members};
use super::{Config, OPTIONS, Origin};
use crate::fuzz::{Input, Output, fuzz_target};

fuzz_target!(
    /// A TOML file.
    config_file, 4000, file_seeds, file_run
);
fuzz_target!(
    /// Values of all kinds.
    config_value, 20_000, value_seeds, value_run
);

fn file_run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let file = Path::new("corndogs.toml");
    let none = BTreeMap::new();
    let config = match Config::resolve(&none, &none, Some((file, &text)), "node-1") {
        Ok(config) => config,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(config.max_payload < config.max_message && config.max_message <= 1 << 30);
    assert!(config.default_timeout_s >= 0 && config.snapshot_every > 0);
    assert_eq!(config.settings.len(), OPTIONS.len());
    if let Some(cluster) = &config.cluster {
        assert!(cluster.members.contains_key(&cluster.node_id));
    }
    config.describe();
    // The same values as flags make the same configuration.
    let given = config.settings.iter();
    let given = given.filter(|setting| setting.origin != Origin::Default);
    let flags = given.map(|setting| (setting.name.to_owned(), setting.value.clone()));
    let again = Config::resolve(&flags.collect(), &none, None, "node-1").unwrap();
    let without_origins = |config: Config| Config {
        settings: Vec::new(),
        tls: None,
        peer_tls: None,
        ..config
    };
    assert_eq!(without_origins(again), without_origins(config));
}

fn file_seeds() -> Vec<Vec<u8>> {
    let all: String = OPTIONS
        .iter()
        .filter(|option| !option.default.is_empty())
        .map(|option| format!("{} = {:?}\n", option.name, option.default))
        .collect();
    let cluster = concat!(
        "node-id = \"auto\"\npeer-listen = \"127.0.0.1:5090\"\n",
        "members = \"1=node-1.corndogs:5090,2=node-2.corndogs:5090,3=[::1]:5090\"\n",
        "max-payload = 65536\nmax-message = \"1MiB\"\narchive-retention = 'forever'\n",
    );
    vec![Vec::new(), all.into_bytes(), cluster.into()]
}

fn value_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte();
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    assert!(Text::new(&text).to_string().len() <= 200 * 12 + 10);
    match kind {
        0 => {
            if let Ok(duration) = value::duration(&text) {
                let again = value::duration(&format!("{}ms", duration.as_millis()));
                assert_eq!(again, Ok(duration));
                // A count of nanoseconds never overflows.
                assert!(i64::try_from(duration.as_nanos()).is_ok());
            }
        }
        1 => {
            if let Ok(seconds) = value::seconds(&text) {
                assert_eq!(value::seconds(&seconds.to_string()), Ok(seconds));
            }
        }
        2 => {
            if let Ok(bytes) = value::size(&text) {
                assert!(bytes > 0);
                assert_eq!(value::size(&bytes.to_string()), Ok(bytes));
            }
        }
        3 => {
            if let Ok(address) = value::socket(&text) {
                assert_eq!(value::socket(&address.to_string()), Ok(address));
            }
        }
        4 => {
            if let Ok((host, port)) = value::host_port(&text) {
                assert!(port > 0 && value::is_host(host));
                let again = format!("{host}:{port}");
                assert_eq!(value::host_port(&again), Ok((host, port)));
            }
        }
        5 => {
            if let Ok(members) = value::members(&text) {
                assert!(!members.is_empty() && !members.contains_key(&0));
                assert_eq!(value::members(&list_members(&members)), Ok(members));
            }
        }
        6 => {
            if let Ok(name) = value::name(&text, 255) {
                assert!(!name.is_empty() && name.len() <= 255 && !name.contains('\0'));
            }
        }
        7 => drop(value::level(&text)),
        8 => {
            if let Ok(number) = value::positive(&text) {
                assert!(number > 0);
            }
        }
        _ => {
            if let Ok(Some(duration)) = value::or_word(&text, "off") {
                assert!(!duration.is_zero());
            }
        }
    }
}

fn value_seeds() -> Vec<Vec<u8>> {
    let values = [
        (0, "500ms"),
        (0, "36500d"),
        (1, "-5"),
        (1, "10m"),
        (2, "64KiB"),
        (3, "localhost:5080"),
        (3, "[::]:5080"),
        (4, "node-1.corndogs:5090"),
        (4, "[::1]:5090"),
        (5, "1=a:5090,2=b:5090"),
        (6, "name"),
        (7, "Warning"),
        (8, "100000"),
        (9, "off"),
    ];
    values
        .map(|(kind, text)| {
            let mut seed = Output::default();
            seed.byte(kind).rest(text.as_bytes());
            seed.bytes()
        })
        .into()
}
