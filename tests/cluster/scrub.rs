//! A node whose state is not that of the others is found, and serves nothing.

use corndogs::proto::v1alpha1::*;

use crate::common::cluster::Cluster;
use crate::common::{Failure, Random, failure, metrics, plant, until};
use crate::repair::{replace_as_told, verify_finds};

const PAYLOAD: &[u8] = b"a payload that rots";

async fn differs(cluster: &Cluster, id: u64, peer: u64) -> Option<f64> {
    let samples = metrics(cluster.node(id).http).await;
    let name = format!("corndogs_state_differs{{peer=\"{peer}\"}}");
    samples.get(&name).copied()
}

async fn until_differs(cluster: &Cluster, id: u64, peer: u64, value: f64) {
    until("the metric of a state that differs", async || {
        (differs(cluster, id, peer).await == Some(value)).then_some(())
    })
    .await;
}

/// Waits for a 503 with those words.
async fn until_unready(cluster: &Cluster, id: u64, words: &str) -> String {
    until("503 and the reason", async || {
        let (status, text) = cluster.node(id).readyz().await;
        (status == 503 && text.contains(words)).then_some(text)
    })
    .await
}

async fn assert_refuses(cluster: &Cluster, id: u64) {
    let submit = cluster.api(id).submit(SubmitTaskRequest::default()).await;
    let status = submit.unwrap_err();
    assert_eq!(failure(&status), Failure::NothingDone, "{status:?}");
    let read = cluster.api(id).queues().await.unwrap_err();
    assert_eq!(read.code(), tonic::Code::Unavailable, "{read:?}");
}

/// Three nodes with some tasks, and one of them, a follower, stopped.
async fn stopped(random: &mut Random) -> (Cluster, u64) {
    let mut cluster = Cluster::start(3).await;
    let (id, leader) = cluster.follower_and_leader(random).await;
    for _ in 0..20 {
        let submit = SubmitTaskRequest {
            payload: PAYLOAD.into(),
            ..Default::default()
        };
        cluster.api(leader).submit(submit).await.unwrap();
    }
    cluster.assert_same_state().await;
    assert!(cluster.node_mut(id).stop().await.success());
    (cluster, id)
}

/// The state hash of all nodes, the stopped one too.
async fn state_hash(cluster: &Cluster, asked: u64) -> u64 {
    let own = until("a status", async || cluster.node(asked).own_status().await);
    own.await.state_hash
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_odd_one_out_stops_serving_and_the_others_go_on() {
    let mut random = Random::seeded("odd one out");
    let (mut cluster, id) = stopped(&mut random).await;
    let others = cluster.others(id);
    let hash = state_hash(&cluster, others[0]).await;
    plant::change_payload(cluster.node(id).data_dir(), PAYLOAD);
    plant::change_hash(cluster.node(id).data_dir(), hash);
    cluster.node_mut(id).start();
    let said = until_unready(&cluster, id, "is not that of the nodes").await;
    assert_refuses(&cluster, id).await;
    for other in others.clone() {
        until_differs(&cluster, id, other, 1.0).await;
        until_differs(&cluster, other, id, 1.0).await;
        assert_eq!(cluster.node(other).readyz().await.0, 200);
        cluster.api(other).assert_serves().await;
    }
    assert_eq!(differs(&cluster, others[0], others[1]).await, Some(0.0));

    // A restart doesn't make it right; but it goes on to count for what is written.
    cluster.node_mut(id).kill();
    cluster.node_mut(others[0]).kill();
    cluster.node_mut(id).start();
    until_unready(&cluster, id, "is not that of the nodes").await;
    until("a submit with its help", async || {
        let submit = SubmitTaskRequest::default();
        cluster.api(others[1]).submit(submit).await.ok()
    })
    .await;
    assert_refuses(&cluster, id).await;
    cluster.node_mut(others[0]).start();
    cluster.node_mut(others[0]).ready().await;

    cluster.node_mut(id).kill();
    let found = verify_finds(&cluster, id);
    assert!(found.contains("is not that of the nodes"), "{found}");

    replace_as_told(&mut cluster, id, &said).await;
    cluster.assert_same_state().await;
    for other in others {
        until_differs(&cluster, other, id, 0.0).await;
    }
    cluster.api(id).assert_serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_neither_serves_until_there_is_one() {
    let mut random = Random::seeded("no majority");
    let (mut cluster, id) = stopped(&mut random).await;
    let [right, third] = cluster.others(id)[..] else {
        panic!("three nodes");
    };
    let hash = state_hash(&cluster, right).await;
    plant::change_hash(cluster.node(id).data_dir(), hash);
    cluster.node_mut(third).kill();
    cluster.node_mut(id).start();
    for one in [id, right] {
        until_unready(&cluster, one, "no majority tells whose is right").await;
        assert_refuses(&cluster, one).await;
    }
    cluster.node_mut(third).start();
    cluster.node_mut(third).ready().await;
    cluster.node_mut(right).ready().await;
    until_unready(&cluster, id, "is not that of the nodes").await;
    cluster.api(right).assert_serves().await;
    cluster.api(third).assert_serves().await;
}
