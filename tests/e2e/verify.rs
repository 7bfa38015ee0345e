//! `corndogs verify`: sound directories are sound, each kind of damage is found and named, and nothing is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use corndogs::proto::v1alpha1::*;
use serde_json::Value;

use crate::common::{Api, Random, Server, binary, keyed, metric, now_ns, plant, until};

/// What live tasks carry, so that their rows are found in files.
const MARK: &[u8] = b"a payload that is found again";
const TASKS: usize = 150;

async fn load(api: &mut Api) {
    for number in 0..TASKS {
        let queue = format!("q{}", number % 3);
        let submit = SubmitTaskRequest {
            queue: queue.clone(),
            payload: [MARK, number.to_string().as_bytes()].concat().into(),
            timeout: 100_000,
            unique_key: format!("key {}", now_ns()),
            ..Default::default()
        };
        api.submit(submit).await.unwrap();
        if number % 4 > 0 {
            continue;
        }
        let claim = GetNextTaskRequest {
            queue,
            worker: "w".into(),
            ..Default::default()
        };
        let task = api.claim(claim).await.unwrap().unwrap();
        if number % 8 > 0 {
            continue;
        }
        let complete = CompleteTaskRequest {
            uuid: task.uuid,
            queue: task.queue,
            current_state: task.current_state,
            attempt: task.attempt,
            next_task: None,
        };
        assert!(api.complete(complete).await.unwrap().is_some());
    }
}

/// A server whose state lies in a snapshot, in a checkpoint with a redo file, and in the log behind them; killed.
async fn killed() -> Server {
    let mut server = Server::start_with(|setup| setup.arg("--snapshot-every", "100")).await;
    load(&mut server.api().await).await;
    let http = server.http;
    until("a snapshot", async || {
        (metric(http, "corndogs_raft_snapshot_index").await > 0.0).then_some(())
    })
    .await;
    // The way down that writes a checkpoint.
    assert_eq!(server.stop().await, Some(0));
    let mut server = server.restart().await;
    load(&mut server.api().await).await;
    server.kill();
    server
}

/// Everything under a directory, and when it was last changed.
fn contents(dir: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        found.insert(dir.clone(), (modified(&dir), Vec::new()));
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.insert(path.clone(), (modified(&path), fs::read(&path).unwrap()));
            }
        }
    }
    found
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

fn run(data_dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(["verify", "--data-dir"])
        .arg(data_dir)
        .args(args);
    command.env_clear().output().unwrap()
}

/// The exit code and the answer. Neither the directory nor the scratch directory may change.
fn verify(data_dir: &Path) -> (i32, Value) {
    let scratch = tempfile::tempdir().unwrap();
    let before = contents(data_dir);
    let scratch_arg = scratch.path().to_str().unwrap();
    let output = run(data_dir, &["--format", "json", "--scratch", scratch_arg]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        contents(data_dir) == before,
        "something was changed:\n{stderr}"
    );
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "{stderr}");
    let answer = serde_json::from_slice(&output.stdout);
    let answer = answer.unwrap_or_else(|error| panic!("{error}:\n{stderr}"));
    (output.status.code().unwrap(), answer)
}

/// Which parts are damaged.
fn damaged(answer: &Value) -> Vec<&str> {
    let parts = answer["parts"].as_array().unwrap().iter();
    let damaged = parts.filter(|part| part["ok"] == false);
    damaged
        .inspect(|part| assert!(part["advice"].is_string(), "no advice: {part}"))
        .map(|part| part["part"].as_str().unwrap())
        .collect()
}

fn assert_sound(data_dir: &Path) {
    let (code, answer) = verify(data_dir);
    assert_eq!(damaged(&answer), [""; 0], "{answer:#}");
    assert_eq!((code, &answer["ok"]), (0, &Value::Bool(true)));
}

/// The files in a directory of the group, oldest first.
fn files(data_dir: &Path, name: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(data_dir.join("group-0").join(name)).unwrap();
    let mut files: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| fs::metadata(path).unwrap().len() > 1000);
    files.sort();
    files
}

/// Changes a file, looks, and puts it back.
fn with_damage(data_dir: &Path, file: &Path, change: impl Fn(&mut Vec<u8>)) -> Value {
    let good = fs::read(file).unwrap();
    let mut bad = good.clone();
    change(&mut bad);
    assert!(bad != good);
    fs::write(file, bad).unwrap();
    let (code, answer) = verify(data_dir);
    fs::write(file, good).unwrap();
    assert_eq!(code, 1, "{answer:#}");
    answer
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 0x10;
}

/// Flips a bit of each payload that a file holds.
fn flip_payloads(bytes: &mut [u8]) {
    let found = bytes.windows(MARK.len()).enumerate();
    let found = found.filter(|(_, window)| *window == MARK);
    let found: Vec<_> = found.map(|(at, _)| at).collect();
    for at in found {
        flip(bytes, at);
    }
}

#[tokio::test]
async fn what_a_crash_leaves_is_sound() {
    let server = killed().await;
    let data_dir = server.data_dir().to_owned();
    assert_sound(&data_dir);
    // A crash cuts off a last record that was not synced yet, and leaves a checkpoint that is still to be written.
    let log = files(&data_dir, "log").pop().unwrap();
    let good = fs::read(&log).unwrap();
    fs::write(&log, [&good[..], &good[..6]].concat()).unwrap();
    assert_sound(&data_dir);
    fs::write(&log, [&good[..], &[0; 5000]].concat()).unwrap();
    assert_sound(&data_dir);
    fs::write(&log, good).unwrap();
    let group = data_dir.join("group-0");
    fs::copy(group.join("redo.done"), group.join("redo")).unwrap();
    assert_sound(&data_dir);
    let mut server = server.restart().await;
    server.api().await.assert_serves().await;
    assert_eq!(server.stop().await, Some(0));
    assert_sound(&data_dir);
}

#[tokio::test]
async fn damage_is_found_and_named() {
    let server = killed().await;
    let data_dir = server.data_dir();
    let group = data_dir.join("group-0");
    let middle = |bytes: &mut Vec<u8>| {
        let at = bytes.len() / 2;
        flip(bytes, at);
    };
    let identity = with_damage(data_dir, &data_dir.join("identity"), middle);
    assert_eq!(damaged(&identity), ["identity"]);
    for log in files(data_dir, "log") {
        let answer = with_damage(data_dir, &log, middle);
        assert_eq!(damaged(&answer), ["log"], "{answer:#}");
        let cut = with_damage(data_dir, &log, |bytes| drop(bytes.drain(..100)));
        assert_eq!(damaged(&cut), ["log"], "{cut:#}");
    }
    let done = group.join("redo.done");
    let answer = with_damage(data_dir, &done, middle);
    assert_eq!(damaged(&answer), ["redo.done", "checkpoint"]);
    let redo = group.join("redo");
    fs::copy(&done, &redo).unwrap();
    let answer = with_damage(data_dir, &redo, middle);
    assert_eq!(damaged(&answer), ["redo", "checkpoint"]);
    fs::remove_file(&redo).unwrap();
    let snapshot = files(data_dir, "snapshot").pop().unwrap();
    let answer = with_damage(data_dir, &snapshot, middle);
    // The log does not reach back to where there was no snapshot.
    assert_eq!(damaged(&answer), ["snapshot", "snapshot and log"]);
    let answer = with_damage(data_dir, &group.join("checkpoint/db"), |bytes| {
        flip_payloads(bytes)
    });
    assert_eq!(damaged(&answer), ["checkpoint"], "{answer:#}");
    assert_sound(data_dir);
}

/// What was found of one part.
fn found<'a>(answer: &'a Value, part: &str) -> Vec<&'a str> {
    let parts = answer["parts"].as_array().unwrap().iter();
    let parts = parts.filter(|found| found["part"] == part);
    parts.map(|part| part["found"].as_str().unwrap()).collect()
}

/// Whatever bit rots, in whatever kind of file: it is found, or all is as it was.
#[tokio::test]
async fn rotten_bits_are_found_or_do_no_harm() {
    let mut random = Random::seeded("rotten bits");
    let server = killed().await;
    let data_dir = server.data_dir();
    let group = data_dir.join("group-0");
    let redo = group.join("redo");
    fs::copy(group.join("redo.done"), &redo).unwrap();
    let (code, sound) = verify(data_dir);
    assert_eq!(code, 0, "{sound:#}");
    let checkpoint = ["checkpoint", "keyspace"].map(|part| found(&sound, part));

    let mut all = vec![data_dir.join("identity"), group.join("log-synced"), redo];
    all.push(group.join("redo.done"));
    all.extend(files(data_dir, "log"));
    all.extend(files(data_dir, "snapshot"));
    let newest_log = files(data_dir, "log").pop();
    for file in all {
        for _ in 0..8 {
            let (code, answer) = with_flip(data_dir, &file, &mut random);
            let is_torn = newest_log.as_ref() == Some(&file)
                && answer.to_string().contains("a crash cut the last one");
            assert!(
                code == 1 || is_torn,
                "a flip in {} was not found: {answer:#}",
                file.display()
            );
        }
    }
    // sled keeps old data beside new: not every bit matters.
    for name in ["db", "conf"] {
        let file = group.join("checkpoint").join(name);
        for _ in 0..30 {
            let (code, answer) = with_flip(data_dir, &file, &mut random);
            let now = ["checkpoint", "keyspace"].map(|part| found(&answer, part));
            assert!(code == 1 || now == checkpoint, "{answer:#}");
        }
    }
    assert_sound(data_dir);
}

/// Flips one bit somewhere, looks, and puts it back.
fn with_flip(data_dir: &Path, file: &Path, random: &mut Random) -> (i32, Value) {
    let good = fs::read(file).unwrap();
    let mut bad = good.clone();
    let at = random.below(bad.len() as u64) as usize;
    bad[at] ^= 1 << random.below(8);
    fs::write(file, bad).unwrap();
    println!("{} at byte {at}", file.display());
    let (code, answer) = verify(data_dir);
    assert_eq!(code == 1, !damaged(&answer).is_empty(), "{answer:#}");
    fs::write(file, good).unwrap();
    (code, answer)
}

/// No checksum tells of a row that was changed together with them: the sums over rows do.
#[tokio::test]
async fn a_changed_row_or_hash_is_found() {
    let mut server = Server::start().await;
    load(&mut server.api().await).await;
    assert_eq!(server.stop().await, Some(0));
    assert_sound(server.data_dir());
    plant::change_payload(server.data_dir(), MARK);
    let (code, answer) = verify(server.data_dir());
    assert_eq!((code, damaged(&answer)), (1, vec!["checkpoint"]));
    assert!(answer.to_string().contains("state hash"), "{answer:#}");
}

/// Each record has its index entries, each index entry its record, and all are counted.
#[tokio::test]
async fn a_row_that_is_lost_from_any_keyspace_is_missed() {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    load(&mut api).await;
    let submit = SubmitTaskRequest {
        not_before: i64::MAX,
        ..Default::default()
    };
    let keyed = keyed("a-key", submit);
    api.client.submit_task(keyed).await.unwrap();
    assert_eq!(server.stop().await, Some(0));
    assert_sound(server.data_dir());
    let away = tempfile::tempdir().unwrap();
    for keyspace in [
        "live",
        "ready",
        "deadlines",
        "delayed",
        "unique",
        "counts",
        "archive",
        "buckets",
        "answers",
        "expiries",
        "figures",
    ] {
        let copy = away.path().join(keyspace);
        copy_dir(server.data_dir(), &copy);
        plant::lose_row(&copy, keyspace);
        let (code, answer) = verify(&copy);
        assert_eq!(
            (code, damaged(&answer)),
            (1, vec!["checkpoint"]),
            "{keyspace}"
        );
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A length that is too long looks like the torn end of a crash; the records behind it tell that it is none.
#[tokio::test]
async fn a_damaged_length_in_the_log_is_no_torn_end() {
    let server = killed().await;
    let log = files(server.data_dir(), "log").pop().unwrap();
    let answer = with_damage(server.data_dir(), &log, |bytes| {
        let is_append = |at: &usize| {
            let length = u32::from_be_bytes(bytes[at + 28..at + 32].try_into().unwrap()) as usize;
            bytes[*at..at + 4] == [0, 0, 0, 1]
                && length > MARK.len()
                && bytes[at + 32..].get(..length).is_some_and(|payload| {
                    payload
                        .windows(MARK.len())
                        .filter(|window| *window == MARK)
                        .count()
                        == 1
                })
        };
        let at = (0..bytes.len() / 2).find(is_append).unwrap();
        bytes[at + 28] ^= 0x20;
    });
    assert_eq!(damaged(&answer), ["log"], "{answer:#}");
    assert!(answer.to_string().contains("but one at byte"), "{answer:#}");
}

#[tokio::test]
async fn what_is_missing_is_found() {
    let server = killed().await;
    let data_dir = server.data_dir();
    let away = tempfile::tempdir_in(data_dir.parent().unwrap()).unwrap();
    let gone = away.path().join("gone");
    for (path, expected) in [
        ("identity", &["identity"][..]),
        ("group-0/log", &["log"]),
        ("group-0/snapshot", &["snapshot and log"]),
        ("group-0/checkpoint", &["checkpoint"]),
    ] {
        let path = data_dir.join(path);
        fs::rename(&path, &gone).unwrap();
        let (code, answer) = verify(data_dir);
        fs::rename(&gone, &path).unwrap();
        assert_eq!(
            (code, damaged(&answer)),
            (1, expected.to_vec()),
            "{answer:#}"
        );
    }
    // Stopped in its first moments, or never started: nothing to complain of, or nothing to look at.
    let nothing = run(away.path(), &[]);
    assert_eq!(nothing.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&nothing.stderr);
    assert!(stderr.contains("holds no node's data"), "{stderr}");
}

#[tokio::test]
async fn a_running_node_is_refused() {
    let mut server = Server::start().await;
    let refused = run(server.data_dir(), &[]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("in use"), "{stderr}");
    server.api().await.assert_serves().await;
    assert_eq!(server.stop().await, Some(0));
    let sound = run(server.data_dir(), &[]);
    let stdout = String::from_utf8_lossy(&sound.stdout);
    assert_eq!(sound.status.code(), Some(0), "{stdout}");
    for part in [
        "identity: ",
        "log: ",
        "redo: ",
        "snapshot: ",
        "checkpoint: ",
    ] {
        let line = stdout.lines().find(|line| line.starts_with(part));
        assert!(line.unwrap().contains("ok: "), "{stdout}");
    }
}
