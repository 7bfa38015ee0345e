//! Checks that imports point one way, and that each outside thing has one place.

use std::fs;
use std::path::{Path, PathBuf};

/// Layers from top to bottom; a layer may import those below it.
const LAYERS: [&[&str]; 6] = [
    &["cli", "main"],
    &["server"],
    &["api", "http"],
    &["node"],
    &["raft"],
    &["queue"],
];
/// Below all layers.
const STORE: &str = "store";
/// Leaves: import no layer, and may be imported by those named (all, if none is).
const LEAVES: [(&str, &[&str]); 8] = [
    (
        "clock",
        &[
            "cli", "server", "api", "http", "node", "raft", "store", "tls",
        ],
    ),
    ("config", &["cli", "server"]),
    ("connection", &["server", "raft"]),
    ("net", &["server", "raft", "connection", "tls"]),
    ("note", &["server", "raft"]),
    ("proto", &[]),
    ("tls", &["cli", "server", "raft", "config", "connection"]),
    ("work", &["server", "api", "node", "raft", "store"]),
];
/// Crates that only some modules may name.
const CRATES: [(&str, &[&str]); 11] = [
    ("croner", &["node/schedules"]),
    ("jiff", &["node/schedules"]),
    ("sled", &["store"]),
    ("bincode", &["store"]),
    ("openraft", &["raft"]),
    ("raft_log", &["raft"]),
    ("turmoil", &["net"]),
    ("axum", &["http", "server"]),
    ("rustls", &["tls"]),
    ("tokio_rustls", &["tls"]),
    (
        "tonic",
        &[
            "api",
            "cli",
            "net",
            "proto",
            "raft/network",
            "server",
            "tls/connector",
        ],
    ),
];
/// What the pure machine must not know, besides the crates above.
const IMPURE: [&str; 8] = [
    "tokio",
    "std::time",
    "std::fs",
    "std::io",
    "std::net",
    "std::thread",
    "crate::clock",
    "HashMap",
];

struct Source {
    /// As in `store/keys/ready`.
    module: String,
    lines: Vec<String>,
}

impl Source {
    fn layer(&self) -> &str {
        self.module.split('/').next().unwrap_or_default()
    }

    /// The first line that names it.
    fn names(&self, what: &str) -> Option<&String> {
        self.lines.iter().find(|line| mentions(line, what))
    }
}

/// Whether a line names a crate or path, not as a part of another name.
fn mentions(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + what.len()..].chars().next();
        let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
        // `foo::tonic` is somebody's module, `tonic::foo` and `use tonic` are the crate.
        !before.is_some_and(|c| part_of_name(c) || c == ':') && !after.is_some_and(part_of_name)
    })
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 30, "the sources were not found");
    found
}

fn collect(root: &Path, dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = path.strip_prefix(root).unwrap().with_extension("");
            let module = module.to_string_lossy().replace('\\', "/");
            let text = fs::read_to_string(&path).unwrap();
            // Comments and docs may name what they like, and tests too: a unit test's module comes last.
            let code = text
                .lines()
                .take_while(|line| !line.starts_with("#[cfg(test)]"));
            let code = code.filter(|line| !line.trim_start().starts_with("//"));
            let lines = code.map(str::to_owned).collect();
            if !is_test(&module) {
                found.push(Source { module, lines });
            }
        }
    }
}

fn is_test(module: &str) -> bool {
    let is_test = |part: &str| part.starts_with("test") || part == "fuzz";
    module == "directions" || module.split('/').any(is_test)
}

fn rank(layer: &str) -> usize {
    let rank = LAYERS.iter().position(|names| names.contains(&layer));
    rank.unwrap_or(LAYERS.len())
}

#[test]
fn imports_point_down() {
    let layers = LAYERS.iter().flat_map(|names| names.iter()).chain([&STORE]);
    let layers: Vec<&str> = layers.copied().collect();
    for source in sources() {
        let from = source.layer();
        if from == "lib" {
            continue;
        }
        for target in &layers {
            let allowed = from == *target || (layers.contains(&from) && rank(from) < rank(target));
            if allowed {
                continue;
            }
            let wrong = source.names(&format!("crate::{target}"));
            assert_eq!(
                wrong, None,
                "src/{} must not import {target}",
                source.module
            );
        }
    }
}

#[test]
fn leaves_are_imported_where_they_may_be() {
    for source in sources() {
        for (leaf, by) in LEAVES {
            let from = source.layer();
            if by.is_empty() || by.contains(&from) || from == leaf || from == "lib" {
                continue;
            }
            let wrong = source.names(&format!("crate::{leaf}"));
            assert_eq!(wrong, None, "src/{} must not import {leaf}", source.module);
        }
    }
}

#[test]
fn each_outside_crate_has_its_place() {
    for source in sources() {
        for (name, places) in CRATES {
            if places.iter().any(|place| source.module.starts_with(place)) {
                continue;
            }
            let wrong = source.names(name);
            assert_eq!(wrong, None, "src/{} must not name {name}", source.module);
        }
    }
}

#[test]
fn the_machine_is_pure() {
    let queue: Vec<_> = sources()
        .into_iter()
        .filter(|source| source.layer() == "queue")
        .collect();
    assert!(!queue.is_empty());
    for source in queue {
        for name in IMPURE {
            let wrong = source.names(name);
            assert_eq!(wrong, None, "src/{} must not know {name}", source.module);
        }
    }
}

#[test]
fn names_are_told_apart() {
    assert!(mentions("use tonic::Status;", "tonic"));
    assert!(!mentions("use crate::tonic::Status;", "tonic"));
    assert!(mentions("    crate::store::Store::open()", "crate::store"));
    assert!(!mentions("use crate::storefront;", "crate::store"));
}
