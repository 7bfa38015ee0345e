//! A disk whose sync fails: writes are refused from then on, and nothing acknowledged is missing.
//!
//! Needs strace, which lets system calls fail.

use std::process::{Child, Command, Stdio};

use corndogs::proto::v1alpha1::*;
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::common::{Api, PATIENCE, Random, Server, code, metric, until};
use crate::operations::health;

fn strace_works() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-f", "-o", "/dev/null", "-e", "trace=fdatasync", "true"]);
    let works = probe
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        println!("SKIPPED: this test needs strace, and leave to trace");
    }
    works
}

/// A server whose sync calls fail: the `when`th of each thread, as strace counts.
async fn failing(calls: &str, when: &str) -> Server {
    let inject = format!("inject={calls}:error=EIO:when={when}");
    let trace = format!("trace={calls}");
    Server::start_with(|setup| {
        setup.wrapper(&[
            "strace",
            "-D",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &trace,
            "-e",
            &inject,
        ])
    })
    .await
}

fn submit(uuid: String) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: "q".into(),
        uuid,
        payload: "p".into(),
        ..Default::default()
    }
}

/// Submits one by one until the server takes no more.
async fn until_refused(api: &mut Api, random: &mut Random) -> (Vec<String>, String, Status) {
    let mut acknowledged = Vec::new();
    let patience = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < patience {
        let uuid = random.uuid();
        match api.submit(submit(uuid.clone())).await {
            Ok(_) => acknowledged.push(uuid),
            Err(status) => return (acknowledged, uuid, status),
        }
    }
    panic!(
        "no sync failed: {} submits were acknowledged",
        acknowledged.len()
    );
}

#[tokio::test]
async fn a_failed_sync_ends_writing_for_good() {
    if !strace_works() {
        return;
    }
    let mut random = Random::seeded("failing sync");
    // Once only: the syncs after it succeed, though what the failed one should have written may be lost.
    let when = 20 + random.below(50);
    let mut server = failing("fdatasync", &when.to_string()).await;
    let mut api = server.api().await;
    let (acknowledged, in_doubt, status) = until_refused(&mut api, &mut random).await;
    assert!(!acknowledged.is_empty());
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    for _ in 0..20 {
        assert_eq!(
            code(&api.submit(submit(random.uuid())).await),
            Code::Unavailable
        );
    }
    let why = until("/readyz to fail", async || {
        let (status, why) = server.readyz().await;
        (status == 503).then_some(why)
    })
    .await;
    assert!(
        why.len() > 10 && !why.contains("no leader"),
        "the reason is not clear: {why}"
    );
    assert_eq!(
        health(&server, "").await.unwrap(),
        ServingStatus::NotServing
    );
    assert!(server.stderr().contains("ERROR"), "{}", server.stderr());

    server.kill();
    let without = server.setup().wrapper(&[]);
    let server = server.restart_as(without).await;
    let mut api = server.api().await;
    for uuid in &acknowledged {
        assert!(
            api.get(uuid).await.unwrap().is_some(),
            "{uuid} was acknowledged and is lost"
        );
    }
    let doubtful = i64::from(api.get(&in_doubt).await.unwrap().is_some());
    assert_eq!(
        api.queues().await.unwrap().1,
        acknowledged.len() as i64 + doubtful
    );
    api.assert_serves().await;
}

/// Lets these calls of a running server fail from now on.
async fn attach(server: &Server, calls: &str) -> Child {
    let (pid, inject) = (
        server.pid().to_string(),
        format!("inject={calls}:error=EIO"),
    );
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-o",
        "/dev/null",
        "-e",
        &format!("trace={calls}"),
        "-e",
        &inject,
        "-p",
        &pid,
    ]);
    let strace = strace.stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{pid}/status");
    let is_traced = || {
        std::fs::read_to_string(&status)
            .unwrap()
            .contains(&format!("TracerPid:\t{}", strace.id()))
    };
    until("strace to attach", async || is_traced().then_some(())).await;
    strace
}

/// The log goes on, so nothing is lost; but no checkpoint may count as written that was not synced.
#[tokio::test]
async fn a_checkpoint_that_cannot_be_synced_loses_nothing() {
    if !strace_works() {
        return;
    }
    let mut random = Random::seeded("failing checkpoint");
    let mut server = Server::start_with(|setup| setup.arg("--snapshot-every", "50")).await;
    let mut api = server.api().await;
    let mut strace = attach(&server, "fsync,sync_file_range,msync").await;
    let mut acknowledged = Vec::new();
    let http = server.http;
    let failures = async || metric(http, "corndogs_checkpoint_failures").await;
    let patience = std::time::Instant::now() + PATIENCE;
    while failures().await == 0.0 && server.readyz().await.0 == 200 {
        assert!(
            std::time::Instant::now() < patience,
            "no checkpoint was tried in {PATIENCE:?}"
        );
        for _ in 0..20 {
            let uuid = random.uuid();
            match api.submit(submit(uuid.clone())).await {
                Ok(_) => acknowledged.push(uuid),
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
            }
        }
    }
    server.kill();
    strace.wait().unwrap();
    let server = server.restart().await;
    let mut api = server.api().await;
    assert!(acknowledged.len() >= 20);
    for uuid in &acknowledged {
        assert!(
            api.get(uuid).await.unwrap().is_some(),
            "{uuid} was acknowledged and is lost"
        );
    }
    api.assert_serves().await;
}

/// sled takes a failure for final, even if the disk is well again: the node says what helps, and doesn't go on until it has to stop.
#[tokio::test]
async fn a_checkpoint_that_sled_gave_up_asks_for_a_restart() {
    if !strace_works() {
        return;
    }
    let mut server = Server::start_with(|setup| setup.arg("--snapshot-every", "50")).await;
    let mut api = server.api().await;
    let mut strace = attach(&server, "pwrite64").await;
    let mut tasks = Vec::new();
    for _ in 0..100 {
        tasks.push(api.submit(SubmitTaskRequest::default()).await.unwrap());
    }
    let http = server.http;
    until("a checkpoint to fail", async || {
        (metric(http, "corndogs_checkpoint_failures").await > 0.0).then_some(())
    })
    .await;
    // Detaching is what SIGTERM makes strace do.
    let detach = Command::new("kill").arg(strace.id().to_string()).status();
    assert!(detach.unwrap().success());
    strace.wait().unwrap();
    until("the word that a restart is needed", async || {
        let (status, why) = server.readyz().await;
        (status == 503 && why.contains("restart it")).then_some(())
    })
    .await;
    server.kill();
    let server = server.restart().await;
    let mut api = server.api().await;
    for task in &tasks {
        assert!(api.get(&task.uuid).await.unwrap().is_some(), "{task:?}");
    }
    api.assert_serves().await;
}
