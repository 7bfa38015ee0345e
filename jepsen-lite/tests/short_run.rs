//! A run of ten seconds against real servers.
//!
//! `CORNDOGS_BIN` names the server; without it, it is the one that was built into the same target directory.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::Command;

use jepsen_lite::check::check;
use jepsen_lite::history::read;
use jepsen_lite::report::Report;

fn server() -> PathBuf {
    let named = std::env::var_os("CORNDOGS_BIN");
    named.map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_jepsen-lite")).with_file_name("corndogs"),
        PathBuf::from,
    )
}

#[test]
fn a_short_run_under_all_nemeses_is_valid() {
    let out = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_jepsen-lite"))
        .args([
            "--time",
            "10",
            "--nemesis",
            "kill,pause,term",
            "--seed",
            "7",
        ])
        .arg("--binary")
        .arg(server())
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{said}");

    let report = std::fs::read(out.path().join("report.json")).unwrap();
    let report: Report = serde_json::from_slice(&report).unwrap();
    assert!(report.is_valid);
    assert!(!report.timeline.faults.is_empty(), "no node was broken");
    assert!(report.timeline.leader().is_some());
    for call in [
        "submit", "claim", "update", "complete", "cancel", "fail", "extend", "get", "list",
        "states", "totals", "status",
    ] {
        assert!(
            report.calls[call].ok > 0,
            "no {call} was answered: {report:?}"
        );
    }
    for (name, looked) in &report.checkers {
        assert!(looked.looked_at > 0, "{name} has looked at nothing");
        assert_eq!(looked.undecided, 0, "{name}");
    }
    let history = File::open(out.path().join("history.jsonl")).unwrap();
    let operations = read(BufReader::new(history)).unwrap();
    assert_eq!(check(&operations).checkers, report.checkers);
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("valid: "));
}

#[test]
fn without_a_server_there_is_no_verdict() {
    let ran = Command::new(env!("CARGO_BIN_EXE_jepsen-lite"))
        .args(["--binary", "/nowhere/corndogs"])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("/nowhere/corndogs"));
}
