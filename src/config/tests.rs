#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::{Config, LogFormat, OPTIONS};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn resolve(
    flags: &[(&str, &str)],
    env: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Config, String> {
    resolve_on("corndogs-1", flags, env, file)
}

fn resolve_on(
    host_name: &str,
    flags: &[(&str, &str)],
    env: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Config, String> {
    let file = file.map(|text| (Path::new("node.toml"), text));
    Config::resolve(&map(flags), &map(env), file, host_name).map_err(|error| error.to_string())
}

fn refusal(flags: &[(&str, &str)], env: &[(&str, &str)], file: Option<&str>) -> String {
    resolve(flags, env, file).expect_err("must be refused")
}

#[test]
fn the_written_defaults_are_the_defaults() {
    let written: Vec<_> = OPTIONS
        .iter()
        .filter(|o| !o.default.is_empty())
        .map(|o| (o.name, o.default))
        .collect();
    let mut config = resolve(&written, &[], None).unwrap();
    config.settings.clear();
    assert_eq!(config, Config::default());
    let mut config = resolve(&[], &[], None).unwrap();
    config.settings.clear();
    assert_eq!(config, Config::default());
}

#[test]
fn flag_over_environment_over_file() {
    let file = Some("max-payload = 1\nsnapshot-every = \"1\"\ndata-dir = \"/f\"");
    let env = [
        ("CORNDOGS_MAX_PAYLOAD", "2"),
        ("CORNDOGS_SNAPSHOT_EVERY", "2"),
    ];
    let config = resolve(&[("max-payload", "3")], &env, file).unwrap();
    assert_eq!(config.max_payload, 3);
    assert_eq!(config.snapshot_every, 2);
    assert_eq!(config.data_dir, PathBuf::from("/f"));
    let described = config.describe();
    for part in [
        "max-payload=3 (--max-payload)",
        "snapshot-every=2 (environment variable CORNDOGS_SNAPSHOT_EVERY)",
        "data-dir=/f (node.toml: data-dir)",
        "listen=127.0.0.1:5080,",
    ] {
        assert!(described.contains(part), "{part} in {described}");
    }
    assert!(!described.contains("members"), "{described}");
}

#[test]
fn the_variables_of_the_original_work_and_ours_win() {
    let env = [
        ("DEFAULT_QUEUE", "q"),
        ("DEFAULT_STARTING_STATE", "s"),
        ("DEFAULT_TIMEOUT", "30"),
        ("LOGLEVEL", "Warning"),
    ];
    let config = resolve(&[], &env, Some("default-queue = \"file\"")).unwrap();
    assert_eq!(
        (config.default_queue.as_str(), config.default_state.as_str()),
        ("q", "s")
    );
    assert_eq!(
        (config.default_timeout_s, config.log_level),
        (30, LevelFilter::WARN)
    );
    let env = [
        ("LOGLEVEL", "nonsense"),
        ("CORNDOGS_LOG_LEVEL", "debug"),
        ("DEFAULT_QUEUE", ""),
    ];
    let config = resolve(&[], &env, None).unwrap();
    assert_eq!(config.log_level, LevelFilter::DEBUG);
    assert_eq!(config.default_queue, "default");
}

#[test]
fn values_are_read() {
    let config = |name, value| resolve(&[(name, value)], &[], None).unwrap();
    assert_eq!(config("timeout-sweep", "off").timeout_sweep, None);
    assert_eq!(
        config("timeout-sweep", "500ms").timeout_sweep,
        Some(Duration::from_millis(500))
    );
    assert_eq!(
        config("archive-retention", "forever").archive_retention,
        None
    );
    assert_eq!(
        config("archive-retention", "2h").archive_retention,
        Some(Duration::from_secs(7200))
    );
    assert_eq!(
        config("idempotency-window", "1d").idempotency_window,
        Duration::from_secs(86_400)
    );
    assert_eq!(config("max-payload", "64KiB").max_payload, 65_536);
    assert_eq!(config("max-message", "1GiB").max_message, 1 << 30);
    assert_eq!(config("default-timeout", "-1").default_timeout_s, 0);
    assert_eq!(config("default-timeout", "10m").default_timeout_s, 600);
    assert_eq!(config("log-format", "json").log_format, LogFormat::Json);
    assert_eq!(config("listen", "[::]:0").listen.to_string(), "[::]:0");
    assert_eq!(
        config("listen", "localhost:5081").listen.to_string(),
        "127.0.0.1:5081"
    );
}

#[test]
#[allow(clippy::too_many_lines)] // A table.
fn bad_values_name_the_option_and_the_value() {
    let long = "x".repeat(256);
    let no_room_for_working = "x".repeat(248);
    for (name, value) in [
        ("data-dir", ""),
        ("listen", "5080"),
        ("http-listen", "example.com:8080"),
        ("listen", "127.0.0.1:65536"),
        ("node-id", "0"),
        ("node-id", "Auto"),
        ("peer-listen", "here"),
        ("snapshot-every", "0"),
        ("snapshot-every", "-1"),
        ("snapshot-every", "1.5"),
        ("timeout-sweep", "0s"),
        ("timeout-sweep", "1"),
        ("timeout-sweep", "forever"),
        ("archive-retention", "7w"),
        ("archive-retention", "99999999999999999999d"),
        ("archive-retention", "36501d"),
        ("archive-retention", "0d"),
        ("idempotency-window", "0s"),
        ("idempotency-window", "off"),
        ("max-payload", "1MB"),
        ("max-payload", "0"),
        ("max-payload", "-1"),
        ("max-payload", "16MiB"),
        ("max-message", "1048576"),
        ("max-message", "1073741825"),
        ("max-message", "99999999999GiB"),
        ("default-queue", "a\nb"),
        ("default-queue", &long),
        ("default-state", &no_room_for_working),
        ("default-timeout", "soon"),
        ("default-timeout", "500ms"),
        ("log-level", "loud"),
        ("tls-cert", ""),
        ("peer-tls-ca", "a\0b"),
        ("log-format", "xml"),
        ("members", ""),
        ("members", "a:1"),
        ("members", "0=a:1"),
        ("members", "1=a"),
        ("members", "1=a:0"),
        ("members", "1=::1:5081"),
        ("members", "1=a:1,1=b:1"),
        ("members", "1=a:1,2=a:1"),
        ("members", "1=0.0.0.0:1"),
        ("members", "1=a:1,"),
    ] {
        let shown = format!("bad value {}", super::Text::new(value));
        let error = refusal(&[(name, value)], &[], None);
        assert!(
            error.starts_with(&format!("--{name}: {shown}: ")),
            "{error}"
        );
        let variable = format!("CORNDOGS_{}", name.to_uppercase().replace('-', "_"));
        if !value.is_empty() {
            let error = refusal(&[], &[(&variable, value)], None);
            assert!(
                error.starts_with(&format!("environment variable {variable}: {shown}: ")),
                "{error}"
            );
        }
        let file =
            toml::Table::from_iter([(name.to_owned(), toml::Value::from(value))]).to_string();
        let error = refusal(&[], &[], Some(&file));
        assert!(
            error.starts_with(&format!("node.toml: {name}: {shown}: ")),
            "{error}"
        );
    }
    assert!(
        refusal(&[], &[("LOGLEVEL", "loud")], None)
            .starts_with("environment variable LOGLEVEL: bad value")
    );
}

#[test]
fn a_bad_file_is_named() {
    assert_eq!(
        refusal(&[], &[], Some("max_payload = 1")),
        "node.toml: unknown key \"max_payload\""
    );
    assert_eq!(
        refusal(&[], &[], Some("config = \"x\"")),
        "node.toml: unknown key \"config\""
    );
    assert_eq!(
        refusal(&[], &[], Some("[server]\nlisten = \"x\"")),
        "node.toml: unknown key \"server\""
    );
    assert!(
        refusal(&[], &[], Some("max-payload = true"))
            .starts_with("node.toml: max-payload: bad value \"true\"")
    );
    assert!(refusal(&[], &[], Some("max-payload 1")).starts_with("node.toml: "));
    let missing = map(&[("config", "/nowhere/node.toml")]);
    let error = Config::load(&missing)
        .expect_err("there is no such file")
        .to_string();
    assert!(
        error.starts_with("--config: bad value \"/nowhere/node.toml\": "),
        "{error}"
    );
}

#[test]
fn a_cluster_is_whole_or_not_there() {
    let members = "1=a:5081, 2=10.0.0.2:5081,3=[::1]:5081";
    let whole = [
        ("node-id", "2"),
        ("peer-listen", "0.0.0.0:5081"),
        ("members", members),
    ];
    let cluster = resolve(&whole, &[], None).unwrap().cluster.unwrap();
    assert_eq!((cluster.node_id, cluster.members.len()), (2, 3));
    assert_eq!(cluster.members[&3], "[::1]:5081");
    for missing in 0..3 {
        let mut half = whole.to_vec();
        let (name, _) = half.remove(missing);
        let error = refusal(&half, &[], None);
        assert!(error.starts_with("half a cluster: --"), "{error}");
        assert!(error.contains(&format!("without --{name};")), "{error}");
        assert!(
            error.contains(&format!("--{} {}", half[0].0, super::Text::new(half[0].1))),
            "{error}"
        );
    }
    let strange = [("node-id", "4"), whole[1], whole[2]];
    let error = refusal(&strange, &[], None);
    assert!(
        error.starts_with("--members: bad value") && error.ends_with("does not contain node-id 4"),
        "{error}"
    );
}

#[test]
fn a_node_finds_itself_among_the_members_by_the_machines_name() {
    let id = |host_name: &str, members: &str| {
        let flags = [("node-id", "auto"), ("peer-listen", "0.0.0.0:5090")];
        let flags = [flags[0], flags[1], ("members", members)];
        resolve_on(host_name, &flags, &[], None).map(|config| config.cluster.unwrap().node_id)
    };
    let pods = "1=corndogs-0.peers.ns.svc:5090,2=corndogs-1.peers.ns.svc:5090,7=corndogs-10.peers.ns.svc:5090";
    assert_eq!(id("corndogs-0", pods), Ok(1));
    assert_eq!(id("corndogs-1", pods), Ok(2));
    assert_eq!(id("corndogs-10", pods), Ok(7));
    assert_eq!(id("corndogs-1.peers.ns.svc.cluster.local", pods), Ok(2));
    assert_eq!(id("Corndogs-1", pods), Ok(2));
    assert_eq!(id("b", "1=a:1,2=b:1"), Ok(2));
    for stranger in ["corndogs-2", "corndogs", ""] {
        let error = id(stranger, pods).unwrap_err();
        let reason = format!(
            "no member has this machine's name {}: {pods}",
            super::Text::new(stranger)
        );
        assert_eq!(error, format!("--node-id: bad value \"auto\": {reason}"));
    }
    let twice = "1=a.x:1,2=a.y:1";
    assert_eq!(
        id("a", twice).unwrap_err(),
        format!(
            "--node-id: bad value \"auto\": more than one member has this machine's name \"a\": {twice}; give the number"
        )
    );
    for addresses in ["1=10.0.0.1:5090,2=a:5090", "1=[10::1]:5090,2=a:5090"] {
        assert!(id("10", addresses).unwrap_err().contains("no member has"));
    }
    let env = [("CORNDOGS_NODE_ID", "auto"), ("CORNDOGS_MEMBERS", pods)];
    let file = Some("peer-listen = \"0.0.0.0:5090\"");
    let config = resolve_on("corndogs-1", &[], &env, file).unwrap();
    assert_eq!(config.cluster.unwrap().node_id, 2);
    let error = resolve_on("elsewhere", &[], &env, file).unwrap_err();
    let variable = "environment variable CORNDOGS_NODE_ID: bad value \"auto\": ";
    assert!(error.starts_with(variable), "{error}");
}

#[test]
fn tls_is_whole_or_not_there() {
    let file = Some("tls-client-ca = \"/a\"");
    let env = [("CORNDOGS_TLS_KEY", "/k")];
    let config = resolve(&[("tls-cert", "/c")], &env, file).unwrap();
    let tls = config.tls.unwrap();
    let files = [tls.cert, tls.key, tls.client_ca.unwrap()];
    assert_eq!(
        files.map(|file| (file.origin, file.path.display().to_string())),
        [
            ("--tls-cert".to_owned(), "/c".to_owned()),
            (
                "environment variable CORNDOGS_TLS_KEY".to_owned(),
                "/k".to_owned()
            ),
            ("node.toml: tls-client-ca".to_owned(), "/a".to_owned()),
        ]
    );
    assert_eq!(config.peer_tls, None);
    assert_eq!(
        refusal(&[("tls-client-ca", "/a")], &[], None),
        "half of TLS: --tls-client-ca \"/a\" without --tls-cert and --tls-key; \
         TLS for clients needs both --tls-cert and --tls-key"
    );
    assert_eq!(
        refusal(&[], &env, file),
        "half of TLS: environment variable CORNDOGS_TLS_KEY \"/k\" and node.toml: tls-client-ca \"/a\" \
         without --tls-cert; TLS for clients needs both --tls-cert and --tls-key"
    );
}

#[test]
fn tls_between_peers_is_whole_and_needs_peers() {
    let whole = [
        ("peer-tls-cert", "/c"),
        ("peer-tls-key", "/k"),
        ("peer-tls-ca", "/a"),
    ];
    let cluster = [
        ("node-id", "1"),
        ("peer-listen", "0.0.0.0:5081"),
        ("members", "1=a:5081"),
    ];
    let both = [&whole[..], &cluster].concat();
    let peer_tls = resolve(&both, &[], None).unwrap().peer_tls.unwrap();
    let files = [peer_tls.cert, peer_tls.key, peer_tls.ca];
    for (file, (name, path)) in files.iter().zip(whole) {
        assert_eq!(file.origin, format!("--{name}"));
        assert_eq!(file.path, Path::new(path));
    }
    for missing in 0..3 {
        let mut half = both.clone();
        let (name, _) = half.remove(missing);
        let error = refusal(&half, &[], None);
        assert!(error.starts_with("half of TLS: --peer-tls-"), "{error}");
        assert!(error.contains(&format!("without --{name};")), "{error}");
    }
    let error = refusal(&whole, &[], None);
    assert!(
        error.starts_with("--peer-tls-cert: bad value \"/c\": "),
        "{error}"
    );
}

#[test]
fn of_two_sizes_that_do_not_fit_the_one_that_was_set_is_blamed() {
    let error = refusal(&[("max-payload", "20MiB")], &[], None);
    assert_eq!(
        error,
        "--max-payload: bad value \"20MiB\": must be less than max-message (16777216 bytes)"
    );
    let error = refusal(&[], &[], Some("max-message = 1000"));
    assert_eq!(
        error,
        "node.toml: max-message: bad value \"1000\": must be more than max-payload (1048576 bytes)"
    );
}

#[test]
fn what_kubernetes_sets_is_ignored() {
    let env = [
        ("CORNDOGS_PORT", "tcp://10.0.0.1:5080"),
        ("CORNDOGS_SERVICE_HOST", "10.0.0.1"),
    ];
    assert!(resolve(&[], &env, None).is_ok());
}
