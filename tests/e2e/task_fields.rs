//! Metadata and max_attempts, and all that a task may have, through crashes, snapshots and backups.

use std::fs;
use std::process::{Command, Stdio};

use corndogs::proto::v1alpha1::*;

use crate::additions::{claim, complete, submit};
use crate::common::{Api, Server, binary, metric, now_ns, until};

const SECOND: i64 = 1_000_000_000;

fn full(number: i64, not_before: i64) -> SubmitTaskRequest {
    let metadata = [("number", number.to_string()), ("empty", String::new())];
    SubmitTaskRequest {
        unique_key: format!("key {number}"),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
        max_attempts: 2,
        claim_timeout: 100_000,
        not_before,
        ..submit("q")
    }
}

#[tokio::test]
async fn metadata_stays_with_the_task() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let request = full(1, 0);
    let task = api.submit(request.clone()).await.unwrap();
    let claimed = api.claim(claim("w")).await.unwrap().unwrap();
    let done = api.complete(complete(&claimed, 1)).await.unwrap().unwrap();
    let kept = api.get(&task.uuid).await.unwrap().unwrap();
    for shown in [task, claimed, done, kept] {
        assert_eq!(shown.metadata, request.metadata);
        assert_eq!(shown.unique_key, request.unique_key);
        assert_eq!(shown.max_attempts, 2);
    }
    let next = CompleteTaskRequest {
        next_task: Some(full(2, 0)),
        ..complete(&api.submit(submit("q")).await.unwrap(), 0)
    };
    let (_, next) = api.complete_next(next).await.unwrap();
    assert_eq!(next.unwrap().metadata, full(2, 0).metadata);
}

#[tokio::test]
async fn a_task_dies_when_its_attempts_are_used_up() {
    let server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let mut api = server.api().await;
    let task = api.submit(full(1, 0)).await.unwrap();
    for (attempt, state) in [(1, "submitted"), (2, "dead")] {
        let claimed = api.claim(claim("w")).await.unwrap().unwrap();
        assert_eq!(claimed.attempt, attempt);
        assert_eq!(api.clean_up(claimed.expires_at + 1, "").await.unwrap(), 1);
        let after = api.get(&task.uuid).await.unwrap().unwrap();
        assert_eq!((after.current_state.as_str(), after.timeout), (state, 0));
    }
    assert_eq!(api.claim(claim("w")).await.unwrap(), None);
    let dead = api.get(&task.uuid).await.unwrap().unwrap();
    assert_eq!(dead.auto_target_state, "submitted");
    let counts = api.state_counts("q").await.unwrap().state_counts;
    assert_eq!(counts, [("dead".to_owned(), 1)].into());
    // A claim that asks for the dead brings it back.
    let revive = GetNextTaskRequest {
        current_state: "dead".into(),
        ..claim("medic")
    };
    let alive = api.claim(revive).await.unwrap().unwrap();
    assert_eq!(
        (alive.current_state.as_str(), alive.attempt),
        ("submitted", 3)
    );
}

/// Tasks with everything: some claimed, some ended, some due soon, some far off.
async fn work(api: &mut Api, soon: i64) -> Vec<Task> {
    let mut uuids = Vec::new();
    for number in 0..120 {
        let not_before = match number % 3 {
            0 => 0,
            1 => soon,
            _ => soon + 3600 * SECOND,
        };
        let task = api.submit(full(number, not_before)).await.unwrap();
        uuids.push(task.uuid);
        if number % 6 == 0 {
            let task = api.claim(claim("w")).await.unwrap().unwrap();
            if number % 12 == 0 {
                api.complete(complete(&task, 1)).await.unwrap().unwrap();
            }
        }
    }
    look(api, &uuids).await
}

async fn look(api: &mut Api, uuids: &[String]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for uuid in uuids {
        tasks.push(api.get(uuid).await.unwrap().unwrap());
    }
    tasks
}

/// Everything is as it was: the tasks, who can be claimed, and who has the keys.
async fn assert_as_before(server: &Server, before: &[Task]) {
    let mut api = server.api().await;
    let uuids: Vec<String> = before.iter().map(|task| task.uuid.clone()).collect();
    assert_eq!(look(&mut api, &uuids).await, before);
    for task in before
        .iter()
        .filter(|task| task.current_state != "completed")
    {
        let request = SubmitTaskRequest {
            unique_key: task.unique_key.clone(),
            ..submit("q")
        };
        assert_eq!(api.submit(request).await.unwrap(), *task);
    }
}

/// Claims all that there is: only tasks whose time has come, and all of them.
async fn assert_claims_what_is_due(api: &mut Api, before: &[Task]) {
    let now = i64::try_from(now_ns()).unwrap();
    let waits = |task: &&Task| task.current_state == "submitted" && task.not_before <= now;
    let due = before.iter().filter(waits).count();
    assert!(due > 0);
    for _ in 0..due {
        let task = until("a task", async || api.claim(claim("w")).await.unwrap()).await;
        assert!(task.update_time >= task.not_before, "{task:?}");
    }
    assert_eq!(api.claim(claim("w")).await.unwrap(), None);
}

async fn run(arguments: &[&str]) {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[tokio::test]
async fn everything_survives_crashes_snapshots_and_backups() {
    let setup = |setup: crate::common::Setup| setup.arg("--snapshot-every", "100");
    let mut server = Server::start_with(setup).await;
    let mut api = server.api().await;
    let soon = i64::try_from(now_ns()).unwrap() + 3600 * SECOND;
    let before = work(&mut api, soon).await;
    let http = server.http;
    until("a snapshot", async || {
        (metric(http, "corndogs_raft_snapshot_index").await > 0.0).then_some(())
    })
    .await;
    server.kill();
    server = server.restart().await;
    assert_as_before(&server, &before).await;
    // From the snapshot and the log alone.
    server.kill();
    fs::remove_dir_all(server.data_dir().join("group-0/checkpoint")).unwrap();
    server = server.restart().await;
    assert_as_before(&server, &before).await;
    let home = tempfile::tempdir().unwrap();
    let (file, data) = (home.path().join("backup"), home.path().join("data"));
    let (file, data_dir) = (file.to_str().unwrap(), data.to_str().unwrap());
    let address = server.grpc.to_string();
    run(&["backup", "--out", file, "-a", &address]).await;
    run(&["restore", file, "--data-dir", data_dir]).await;
    let restored = crate::common::Setup::at(&data).start().await;
    assert_as_before(&restored, &before).await;
    assert_claims_what_is_due(&mut restored.api().await, &before).await;
}

#[tokio::test]
async fn what_is_due_while_the_server_is_down_comes_afterwards() {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    let soon = i64::try_from(now_ns()).unwrap() + 2 * SECOND;
    let before = work(&mut api, soon).await;
    server.kill();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    server = server.restart().await;
    let mut api = server.api().await;
    assert_claims_what_is_due(&mut api, &before).await;
}
