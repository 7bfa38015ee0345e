//! The data directory: one process at a time, and never one that is not ours or not whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corndogs::proto::v1alpha1::*;

use crate::common::{Server, Setup};

fn assert_refused(setup: &Setup, words: &[&str]) {
    let (code, stderr) = setup.refused();
    assert_eq!(code, Some(1), "{stderr}");
    let directory = setup.data_dir.display().to_string();
    for word in words.iter().chain([&directory.as_str()]) {
        assert!(stderr.contains(word), "no {word:?} in:\n{stderr}");
    }
}

/// A directory with some tasks, whose server has been killed.
async fn used() -> Server {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    for number in 0..200 {
        let request = SubmitTaskRequest {
            payload: format!("task {number}").into(),
            ..Default::default()
        };
        api.submit(request).await.unwrap();
    }
    server.kill();
    server
}

async fn assert_serves_all(server: Server) {
    let server = server.restart().await;
    assert_eq!(server.api().await.queues().await.unwrap().1, 200);
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let mut server = Server::start().await;
    assert_refused(&Setup::at(server.data_dir()), &["in use", "--data-dir"]);
    assert!(server.is_running());
    server.api().await.assert_serves().await;
    // The lock goes with its process, however that ends.
    server.kill();
    server.restart().await.api().await.assert_serves().await;
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("photo.jpg"), "x").unwrap();
    assert_refused(
        &Setup::at(home.path()),
        &["not a corndogs data directory", "photo.jpg", "--data-dir"],
    );
    let names: Vec<_> = fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["photo.jpg"]);
}

#[test]
fn a_file_is_no_directory() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "x").unwrap();
    assert_refused(&Setup::at(&file), &[]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "x");
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let server = used().await;
    let identity = server.data_dir().join("identity");
    let good = fs::read_to_string(&identity).unwrap();
    fs::write(&identity, good.replace("format = 1", "format = 2")).unwrap();
    assert_refused(&server.setup(), &["format 2", "newer version"]);
    fs::write(&identity, good).unwrap();
    assert_serves_all(server).await;
}

#[tokio::test]
async fn a_damaged_identity_is_refused() {
    let server = used().await;
    let identity = server.data_dir().join("identity");
    let good = fs::read_to_string(&identity).unwrap();
    for bad in [
        "",
        "garbage\0\u{1}\n",
        &good.replace("node-id = 1", "node-id = 9"),
        &good[..good.len() / 2],
    ] {
        fs::write(&identity, bad).unwrap();
        assert_refused(&server.setup(), &["damaged", "backup"]);
    }
    // Without one, what else is there is not taken for ours.
    fs::remove_file(&identity).unwrap();
    assert_refused(&server.setup(), &["not a corndogs data directory"]);
    fs::write(&identity, good).unwrap();
    assert_serves_all(server).await;
}

/// The files of the log, oldest first.
fn log_files(data_dir: &Path) -> Vec<PathBuf> {
    let log = data_dir.join("group-0/log");
    let mut files: Vec<_> = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| fs::metadata(path).unwrap().len() > 1000);
    files.sort();
    assert!(!files.is_empty());
    files
}

#[tokio::test]
async fn a_damaged_log_is_refused_and_never_shortened() {
    let server = used().await;
    let file = log_files(server.data_dir()).remove(0);
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 3] ^= 0x10;
    fs::write(&file, &bad).unwrap();
    assert_refused(&server.setup(), &["log", "backup"]);
    assert_eq!(fs::read(&file).unwrap(), bad, "it was changed");
    fs::write(&file, good).unwrap();
    assert_serves_all(server).await;
}

/// What a crash in the middle of a write leaves: the last record is not whole.
#[tokio::test]
async fn a_torn_last_record_is_dropped() {
    let server = used().await;
    let file = log_files(server.data_dir()).pop().unwrap();
    let good = fs::read(&file).unwrap();
    let begin_of_an_entry = [0, 0, 0, 1, 0, 0];
    fs::write(&file, [&good[..], &begin_of_an_entry].concat()).unwrap();
    let mut server = server.restart().await;
    assert_eq!(server.api().await.queues().await.unwrap().1, 200);
    server.api().await.assert_serves().await;
    server.kill();
    assert_serves_all(server).await;
}

/// The end of the log as a server that rests for a second has noted it.
async fn noted_end(data_dir: &Path, end: u64) {
    loop {
        let note = fs::read(data_dir.join("group-0/log-synced")).unwrap_or_default();
        if note.get(4..12) == Some(&end.to_be_bytes()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was acknowledged looks like a torn end if the disk loses a part of the last record.
#[tokio::test]
async fn a_log_that_has_lost_what_was_synced_is_refused() {
    let mut server = used().await.restart().await;
    server.api().await.assert_serves().await;
    let file = log_files(server.data_dir()).pop().unwrap();
    let end = fs::metadata(&file).unwrap().len();
    noted_end(server.data_dir(), end).await;
    server.kill();
    let good = fs::read(&file).unwrap();
    assert_eq!(good.len() as u64, end);
    let cut = &good[..good.len() - 5];
    fs::write(&file, cut).unwrap();
    assert_refused(&server.setup(), &["it was synced up to byte", "backup"]);
    assert_eq!(fs::read(&file).unwrap(), cut, "it was changed");
    fs::write(&file, good).unwrap();
    server.restart().await.api().await.assert_serves().await;
}
