//! The checkpoint is disposable: without it, or with a damaged one, everything is there again.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use corndogs::proto::v1alpha1::*;

use crate::common::{Api, Random, Server, metric, until};

const TASKS: usize = 300;

/// Everything that a client can see.
#[derive(Debug, PartialEq)]
struct Seen {
    tasks: Vec<Task>,
    queues: Vec<(String, QueueAndStateCounts)>,
}

async fn look(api: &mut Api, uuids: &[String]) -> Seen {
    let looks = uuids.iter().map(|uuid| {
        let mut api = api.clone();
        async move {
            api.get(uuid)
                .await
                .unwrap()
                .unwrap_or_else(|| panic!("{uuid} is lost"))
        }
    });
    let tasks = futures::future::join_all(looks).await;
    Seen {
        tasks,
        queues: api.all_counts().await.unwrap().into_iter().collect(),
    }
}

/// Submits tasks, and claims, completes or cancels some.
async fn work(api: &mut Api, random: &mut Random) -> Vec<String> {
    let mut uuids = Vec::new();
    for number in 0..TASKS {
        let queue = format!("q{}", number % 3);
        let timeout = if number % 5 == 0 { 100_000 } else { 0 };
        let payload = random.bytes(200).into();
        let submit = SubmitTaskRequest {
            queue: queue.clone(),
            payload,
            timeout,
            ..Default::default()
        };
        uuids.push(api.submit(submit).await.unwrap().uuid);
        if random.below(2) == 0 {
            continue;
        }
        let claim = GetNextTaskRequest {
            queue: queue.clone(),
            worker: "w".into(),
            ..Default::default()
        };
        let task = api.claim(claim).await.unwrap().unwrap();
        let complete = CompleteTaskRequest {
            uuid: task.uuid,
            queue,
            current_state: task.current_state,
            attempt: task.attempt,
            next_task: None,
        };
        if random.below(2) == 0 {
            assert!(api.complete(complete).await.unwrap().is_some());
        }
    }
    uuids
}

/// A server whose state lies in a snapshot, a checkpoint and the log behind them; killed.
async fn killed(random: &mut Random) -> (Server, Vec<String>, Seen) {
    let mut server = Server::start_with(|setup| setup.arg("--snapshot-every", "100")).await;
    let mut api = server.api().await;
    let mut uuids = work(&mut api, random).await;
    let http = server.http;
    until("a snapshot", async || {
        (metric(http, "corndogs_raft_snapshot_index").await > 0.0).then_some(())
    })
    .await;
    uuids.extend(work(&mut api, random).await);
    let seen = look(&mut api, &uuids).await;
    server.kill();
    (server, uuids, seen)
}

/// Overwrites a stretch in the middle of a file.
fn scribble(path: &Path, random: &mut Random) {
    let file = File::options().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    file.write_all_at(&random.bytes(512), len / 2).unwrap();
}

#[tokio::test]
async fn a_checkpoint_that_is_gone_or_damaged_is_made_again() {
    let mut random = Random::seeded("damaged checkpoint");
    let (mut server, uuids, seen) = killed(&mut random).await;
    for damage in ["none", "gone", "scribbled", "emptied", "halved", "gone"] {
        let checkpoint = server.data_dir().join("group-0/checkpoint");
        let db = checkpoint.join("db");
        match damage {
            "gone" => fs::remove_dir_all(&checkpoint).unwrap(),
            "scribbled" => scribble(&db, &mut random),
            "emptied" => fs::write(&db, "").unwrap(),
            "halved" => {
                let len = fs::metadata(&db).unwrap().len();
                File::options()
                    .write(true)
                    .open(&db)
                    .unwrap()
                    .set_len(len / 2)
                    .unwrap();
            }
            _ => {}
        }
        server = server.restart().await;
        let now = look(&mut server.api().await, &uuids).await;
        assert!(now == seen, "not the same after: {damage}");
        // The way down that writes a checkpoint, so that the next round has one to lose.
        assert_eq!(server.stop().await, Some(0));
    }
}

/// What only the log holds can't be made again: the node says so, and does not start without it.
#[tokio::test]
async fn a_log_that_is_gone_is_refused() {
    let mut random = Random::seeded("lost log");
    let (server, _, _) = killed(&mut random).await;
    fs::remove_dir_all(server.data_dir().join("group-0/log")).unwrap();
    let (code, stderr) = server.setup().refused();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("log") && stderr.contains("backup"),
        "{stderr}"
    );
}
