//! Whatever comes to the peers' port: the cluster goes on as before.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::Random;
use crate::common::cluster::Cluster;
use crate::load::Load;
use crate::wire::{Wire, framed};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Sends bytes, and reads for a moment what comes back.
async fn send(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may hang up before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_millis(30), reading).await;
}

/// Who leads in which term, for every node: what no stranger may change.
async fn terms(cluster: &Cluster) -> Vec<(u64, u64, u64, String)> {
    let mut terms = Vec::new();
    for node in cluster.serving() {
        let status = node.status().await.unwrap();
        terms.push((node.id, status.leader, status.term, status.cluster_id));
    }
    terms
}

async fn assert_unharmed(cluster: &mut Cluster, before: &[(u64, u64, u64, String)]) {
    for id in cluster.ids() {
        assert!(cluster.node_mut(id).is_running(), "node {id} is gone");
        assert_eq!(cluster.node(id).readyz().await.0, 200);
        cluster.api(id).assert_serves().await;
    }
    assert_eq!(
        terms(cluster).await,
        before,
        "strangers brought about an election"
    );
    cluster.assert_same_state().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_peers_port_does_no_harm() {
    let mut random = Random::seeded("garbage for peers");
    let mut cluster = Cluster::start(3).await;
    let before = terms(&cluster).await;
    let load = Load::start(&cluster, "beside", &mut random, Duration::from_secs(20));
    load.progress().await;
    for round in 0..60 {
        let address = cluster.node(1 + round % 3).peer;
        let len = random.below(20_000) as usize;
        let noise = random.bytes(len);
        let bytes = match round / 3 % 5 {
            0 => noise,
            1 => [PREFACE, SETTINGS, &noise].concat(),
            2 => b"GET /metrics HTTP/1.1\r\nhost: peer\r\n\r\n".to_vec(),
            3 => b"POST / HTTP/1.0\r\ncontent-length: 5\r\n\r\nhello".to_vec(),
            _ => [&[0x16, 3, 1, 2, 0][..], &noise].concat(),
        };
        send(address, &bytes).await;
    }
    // Connections that say nothing, all the while.
    let mut silent = Vec::new();
    for id in cluster.ids().repeat(20) {
        silent.push(TcpStream::connect(cluster.node(id).peer).await.unwrap());
    }
    load.progress().await;
    let record = load.stop().await;
    assert_eq!(record.unknown, Vec::<String>::new(), "a call failed");
    assert_unharmed(&mut cluster, &before).await;
}

/// What a caller says of itself in the head of a call.
fn greetings(to: u64) -> Vec<Vec<(&'static str, String)>> {
    let said = |pairs: &[(&'static str, &str)]| {
        let owned = pairs.iter().map(|(key, value)| (*key, (*value).to_owned()));
        owned.collect::<Vec<_>>()
    };
    let another = "0192f5e0-1234-7abc-8def-0123456789ab";
    let to = to.to_string();
    let [protocol, group] = [("corndogs-protocol", "1"), ("corndogs-group", "0")];
    let [from, to] = [("corndogs-from", "1"), ("corndogs-to", to.as_str())];
    vec![
        said(&[]),
        said(&[protocol, group, from, to]),
        said(&[protocol, group, from, to, ("corndogs-cluster", another)]),
        said(&[protocol, group, from, to, ("corndogs-cluster", "none")]),
        said(&[protocol, group, from, ("corndogs-to", "7")]),
        said(&[("corndogs-protocol", "2"), group, from, to]),
        said(&[protocol, ("corndogs-group", "1"), from, to]),
        said(&[protocol, group, ("corndogs-from", "nobody"), to]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_strangers_on_the_peers_port_do_no_harm() {
    let mut random = Random::seeded("strangers");
    let mut cluster = Cluster::start(3).await;
    let before = terms(&cluster).await;
    let load = Load::start(&cluster, "beside", &mut random, Duration::from_secs(20));
    for call in CALLS {
        let ids = cluster.ids().into_iter();
        let calls = ids.flat_map(|id| {
            greetings(id)
                .into_iter()
                .map(move |greeting| (id, greeting))
        });
        let calls = calls.map(|(id, greeting)| {
            let random = Random(random.number());
            stranger(cluster.node(id).peer, call, greeting, random)
        });
        join_all(calls.collect::<Vec<_>>()).await;
    }
    load.progress().await;
    let record = load.stop().await;
    assert_eq!(record.unknown, Vec::<String>::new(), "a call failed");
    assert_unharmed(&mut cluster, &before).await;
}

/// One call with different bodies: it must not be served.
async fn stranger(
    address: SocketAddr,
    call: &str,
    greeting: Vec<(&'static str, String)>,
    mut random: Random,
) {
    let wire = Wire::connect(address).await;
    let headers: Vec<(&str, &str)> = greeting
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let noise = random.below(200) as usize;
    // The last one is a vote for node 3 in term 1,000.
    let vote = [0x0a, 0x05, 0x08, 0xe8, 0x07, 0x10, 0x03];
    for body in [
        Bytes::new(),
        framed(&[]),
        framed(&random.bytes(noise)),
        framed(&vote),
    ] {
        let answer = wire.call(call, &headers, body);
        let answer = tokio::time::timeout(Duration::from_millis(100), answer).await;
        if let Ok(Ok(answer)) = answer {
            let done = answer.code == Some(tonic::Code::Ok) && !answer.body.is_empty();
            // Who it is, it tells everybody.
            let greets = call.ends_with("/Greet");
            assert!(
                greets || !done,
                "{call} was served to {greeting:?}: {answer:?}"
            );
        }
    }
}

/// A cluster that takes a node of ours for one of its own: it greets with its own cluster id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_does_no_harm() {
    let mut cluster = Cluster::start(3).await;
    let before = terms(&cluster).await;
    let mut other = cluster.planned_beside([1]);
    other.node_mut(1).start();
    other.all_ready().await;
    let member = cluster.node(2).member();
    let said = other.command(1, &["add-node", &member]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    println!("{}", said.stderr.trim());
    other.api(1).assert_serves().await;
    assert_unharmed(&mut cluster, &before).await;

    // A node that was started by mistake with the address of one of ours among its members.
    let mut stray = cluster.planned_beside([1, 9]);
    stray.node_mut(9).members = format!("1={},9={}", cluster.node(1).peer, stray.node(9).peer);
    stray.node_mut(9).start();
    let said = stray.node(9).says(&["node 1", "1=", "cluster"]).await;
    println!("{}", said.lines().next_back().unwrap_or_default());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_ne!(stray.node(9).readyz().await.0, 200);
    assert_unharmed(&mut cluster, &before).await;
}

/// Calls that peers make of each other, and some that they don't.
const CALLS: [&str; 15] = [
    "/corndogs.peer.v1.PeerService/Greet",
    "/corndogs.peer.v1.PeerService/Found",
    "/corndogs.peer.v1.PeerService/Append",
    "/corndogs.peer.v1.PeerService/Vote",
    "/corndogs.peer.v1.PeerService/TransferLeader",
    "/corndogs.peer.v1.PeerService/InstallSnapshot",
    "/corndogs.peer.v1.PeerService/Forward",
    "/corndogs.peer.v1.PeerService/ReadIndex",
    "/corndogs.peer.v1.PeerService/Describe",
    "/corndogs.peer.v1.PeerService/Change",
    "/corndogs.peer.v1.PeerService/Nothing",
    "/",
    "/corndogs.v1alpha1.CorndogsService/GetQueues",
    "/corndogs.cluster.v1alpha1.ClusterService/Status",
    "/nothing.of/TheKind",
];
