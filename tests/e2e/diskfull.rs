//! A disk that fills: writes are refused with the reason, reads go on, nothing acknowledged is lost.
//!
//! Needs root, for a small file system of its own.

use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::common::small_disk::SmallDisk;
use crate::common::{Api, Random, Setup, code, http_get, until};
use crate::operations::health;

/// From here on the disk is filled slowly, so that the server sees it coming.
const SLOWLY_BELOW: u64 = 10 << 20;

fn submit(bytes: usize) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: "q".into(),
        payload: vec![7; bytes].into(),
        ..Default::default()
    }
}

/// Submits until the server takes no more: what was acknowledged, and why it stopped.
async fn fill(mut api: Api, bytes: usize, pause: impl Fn() -> Duration) -> (Vec<String>, Status) {
    let mut acknowledged = Vec::new();
    loop {
        match api.submit(submit(bytes)).await {
            Ok(task) => acknowledged.push(task.uuid),
            Err(status) => return (acknowledged, status),
        }
        tokio::time::sleep(pause()).await;
    }
}

fn assert_disk_is_blamed(text: &str) {
    let text = text.to_lowercase();
    assert!(
        ["disk", "space"].iter().any(|word| text.contains(word)),
        "the reason is not clear: {text}"
    );
}

async fn assert_all_there(api: &mut Api, uuids: &[String]) {
    for uuid in uuids {
        let task = api.get(uuid).await.unwrap();
        assert!(
            task.is_some_and(|task| !task.payload.is_empty()),
            "{uuid} was acknowledged and is lost"
        );
    }
}

#[tokio::test]
async fn writes_stop_and_reads_go_on() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let mut server = Setup::at(&disk.data_dir()).start().await;
    let mut api = server.api().await;
    let pause = || Duration::from_millis(if disk.free() < SLOWLY_BELOW { 10 } else { 0 });
    let (acknowledged, status) = fill(api.clone(), 16 << 10, pause).await;
    assert!(acknowledged.len() > 100, "{status}");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_disk_is_blamed(status.message());

    let (ready, why) = server.readyz().await;
    assert_eq!(ready, 503);
    assert_disk_is_blamed(&why);
    assert_eq!(
        health(&server, "").await.unwrap(),
        ServingStatus::NotServing
    );
    assert_eq!(http_get(server.http, "/livez").await.unwrap().0, 200);
    assert_eq!(
        code(
            &api.claim(GetNextTaskRequest {
                queue: "q".into(),
                ..Default::default()
            })
            .await
        ),
        Code::Unavailable
    );
    assert_all_there(&mut api, &acknowledged).await;
    assert_eq!(api.queues().await.unwrap().1, acknowledged.len() as i64);

    // With space it goes on by itself, and after a crash too.
    disk.grow();
    until("writes to be taken again", async || {
        (server.readyz().await.0 == 200).then_some(())
    })
    .await;
    api.assert_serves().await;
    server.kill();
    let server = server.restart().await;
    let mut api = server.api().await;
    assert_all_there(&mut api, &acknowledged).await;
    assert_eq!(api.queues().await.unwrap().1, acknowledged.len() as i64);
}

/// Faster than anybody can look: the writes themselves fail, wherever they are.
#[tokio::test]
async fn filled_at_full_speed() {
    let mut random = Random::seeded("full disks");
    for _ in 0..5 {
        let kib = 40_000 + random.below(20_000);
        println!("a disk of {kib} KiB");
        let Some(disk) = SmallDisk::mount_of(kib) else {
            return;
        };
        fill_at_full_speed(&disk).await;
    }
}

async fn fill_at_full_speed(disk: &SmallDisk) {
    let mut server = Setup::at(&disk.data_dir()).start().await;
    let api = server.api().await;
    let clients = (0..8).map(|_| fill(api.clone(), 512 << 10, || Duration::ZERO));
    let filled = join_all(clients).await;
    let mut acknowledged = Vec::new();
    for (uuids, status) in filled {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        acknowledged.extend(uuids);
    }
    assert!(acknowledged.len() > 10);
    let why = until("/readyz to fail", async || {
        let (ready, why) = server.readyz().await;
        (ready == 503).then_some(why)
    })
    .await;
    assert_disk_is_blamed(&why);
    assert_eq!(
        code(&api.clone().submit(submit(1)).await),
        Code::Unavailable
    );
    server.kill();
    disk.grow();
    let server = server.restart().await;
    let mut api = server.api().await;
    assert_all_there(&mut api, &acknowledged).await;
    api.assert_serves().await;
}

/// Stopped while full: neither the stop nor the next start may lose what was acknowledged.
#[tokio::test]
async fn stopped_while_full() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let mut server = Setup::at(&disk.data_dir()).start().await;
    let pause = || Duration::from_millis(if disk.free() < SLOWLY_BELOW { 10 } else { 0 });
    let (acknowledged, _) = fill(server.api().await, 16 << 10, pause).await;
    server.stop().await;
    disk.grow();
    let server = server.restart().await;
    assert_all_there(&mut server.api().await, &acknowledged).await;
}

/// A snapshot that can't be written harms nothing, and is written later.
///
/// Found by `jepsen-lite --nemesis disk-full,failing-disk --seed 7`: raft stopped for good over it.
#[tokio::test]
async fn a_snapshot_that_cannot_be_written_stops_nothing() {
    const ENTRIES: usize = 5;
    let home = tempfile::tempdir().unwrap();
    let setup = Setup::at(&home.path().join("data")).arg("--snapshot-every", &ENTRIES.to_string());
    let server = setup.start().await;
    let mut api = server.api().await;
    // Where a checkpoint is written first.
    let group = server.data_dir().join("group-0");
    let obstacle = group.join("redo.tmp");
    std::fs::create_dir(&obstacle).unwrap();
    for _ in 0..2 * ENTRIES {
        api.submit(submit(1)).await.unwrap();
    }
    until("a snapshot to fail", async || {
        let said = server.stderr();
        (said.contains("no snapshot was taken") || said.contains("raft has stopped")).then_some(())
    })
    .await;
    api.assert_serves().await;
    assert_eq!(server.readyz().await.0, 200);
    std::fs::remove_dir(&obstacle).unwrap();
    until("a snapshot", async || {
        api.submit(submit(1)).await.unwrap();
        let mut snapshots = std::fs::read_dir(group.join("snapshot")).unwrap();
        snapshots.next().map(drop)
    })
    .await;
}
