//! SIGTERM: what is in flight finishes, nothing is lost, exit 0.

use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use futures::future::join_all;
use prost::Message;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::{Code, Status};

use crate::common::{Api, Failure, Random, Server, failure, metric, until};
use crate::wire::{Wire, encoded, finish, path};

fn submit(uuid: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: "q".into(),
        uuid: uuid.into(),
        ..Default::default()
    }
}

/// Submits until the server takes no more: what was acknowledged, and the one that was not.
async fn submit_until_refused(mut api: Api, mut random: Random) -> (Vec<String>, String, Status) {
    let mut acknowledged = Vec::new();
    loop {
        let uuid = random.uuid();
        match api.submit(submit(&uuid)).await {
            Ok(_) => acknowledged.push(uuid),
            Err(status) => return (acknowledged, uuid, status),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_nothing_is_lost() {
    let mut random = Random::seeded("SIGTERM under load");
    let mut server = Server::start().await;
    let address = server.grpc;
    let clients: Vec<_> = (0..16)
        .map(|_| {
            tokio::spawn(submit_until_refused(
                Api::lazy(address),
                Random(random.number()),
            ))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.stop().await, Some(0), "{}", server.stderr());
    let clients = join_all(clients).await;
    let server = server.restart().await;
    let mut api = server.api().await;
    let mut acknowledged = 0;
    for client in clients {
        let (taken, refused, status) = client.unwrap();
        acknowledged += taken.len() as i64;
        for uuid in taken {
            assert!(
                api.get(&uuid).await.unwrap().is_some(),
                "{uuid} was acknowledged and is lost"
            );
        }
        if status.message().contains("nothing was done") {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert_eq!(
                api.get(&refused).await.unwrap(),
                None,
                "{refused} was refused and is there"
            );
        }
    }
    assert!(
        acknowledged > 16,
        "only {acknowledged} submits were acknowledged"
    );
    let live = api.queues().await.unwrap().1;
    assert!(
        (acknowledged..=acknowledged + 16).contains(&live),
        "{acknowledged} acknowledged, {live} live"
    );
}

/// An act in steps that must end between two of them never says that nothing was done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_up_that_is_cut_short_says_what_it_did() {
    const BATCHES: usize = 60;
    const BATCH: usize = 1000;
    let mut server = Server::start_with(|setup| setup.arg("--timeout-sweep", "off")).await;
    let mut api = server.api().await;
    for _ in 0..BATCHES {
        let submits = SubmitTasksRequest {
            tasks: vec![
                SubmitTaskRequest {
                    timeout: 1,
                    ..submit("")
                };
                BATCH
            ],
        };
        api.client.submit_tasks(submits).await.unwrap();
    }
    let mut cleaner = api.clone();
    let cleaned = tokio::spawn(async move { cleaner.clean_up(i64::MAX, "").await });
    until("a step of the clean-up", async || {
        let timed_out = metric(server.http, "corndogs_timed_out_tasks_total").await;
        (timed_out > 0.0).then_some(())
    })
    .await;
    server.signal(Signal::TERM);
    let status = cleaned.await.unwrap().unwrap_err();
    assert_eq!(failure(&status), Failure::Unknown, "{status:?}");
    let (_, changed) = status
        .message()
        .split_once("the outcome is not known: ")
        .unwrap();
    let (changed, _) = changed.split_once(" tasks were changed").unwrap();
    let changed: i64 = changed.parse().unwrap();
    assert!(changed >= BATCH as i64, "{status:?}");
    assert!(server.wait().await.success());
    let server = server.restart().await;
    let mut api = server.api().await;
    let rest = api.clean_up(i64::MAX, "").await.unwrap();
    assert_eq!(changed + rest, (BATCHES * BATCH) as i64);
}

/// A call that has begun gets an answer, whatever it is: the connection is not cut.
#[tokio::test]
async fn a_call_that_has_begun_is_answered() {
    let mut server = Server::start().await;
    let wire = Wire::connect(server.grpc).await;
    wire.call(&path("GetQueues"), &[], encoded(&GetQueuesRequest {}))
        .await
        .unwrap();
    let (answer, mut stream) = wire.open(&path("GetQueues"), &[]).await.unwrap();
    let (begun, mut rest) = wire.open(&path("SubmitTask"), &[]).await.unwrap();
    let mut body = encoded(&submit(""));
    rest.send_data(body.split_to(3), false).unwrap();
    // A round trip behind them: the server has seen both heads.
    wire.call(&path("GetQueues"), &[], encoded(&GetQueuesRequest {}))
        .await
        .unwrap();
    server.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(200)).await;
    rest.send_data(body, true).unwrap();
    stream
        .send_data(encoded(&GetQueuesRequest {}), true)
        .unwrap();
    let submitted = finish(begun).await.unwrap();
    assert!(
        matches!(submitted.code, Some(Code::Ok | Code::Unavailable)),
        "{submitted:?}"
    );
    assert!(finish(answer).await.unwrap().code.is_some());
    assert_eq!(server.wait().await.code(), Some(0), "{}", server.stderr());

    let server = server.restart().await;
    let live = server.api().await.queues().await.unwrap().1;
    assert_eq!(live, i64::from(submitted.code == Some(Code::Ok)));
    if let Some(Code::Ok) = submitted.code {
        assert!(
            SubmitTaskResponse::decode(&submitted.body[5..])
                .unwrap()
                .task
                .is_some()
        );
    }
}

#[tokio::test]
async fn idle_and_half_open_connections_hold_nothing_up() {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    api.submit(submit("")).await.unwrap();
    let mut half_open = TcpStream::connect(server.grpc).await.unwrap();
    half_open.write_all(b"PRI * HTT").await.unwrap();
    let _silent = TcpStream::connect(server.http).await.unwrap();
    let wire = Wire::connect(server.grpc).await;
    let _never_finished = wire.open(&path("SubmitTask"), &[]).await.unwrap();
    assert_eq!(server.stop().await, Some(0), "{}", server.stderr());
    let server = server.restart().await;
    assert_eq!(server.api().await.queues().await.unwrap().1, 1);
}

#[tokio::test]
async fn sigint_ends_it_too() {
    let mut server = Server::start().await;
    server.api().await.submit(submit("")).await.unwrap();
    server.signal(Signal::INT);
    assert_eq!(server.wait().await.code(), Some(0));
}
