//! How a cluster comes to be, once, and never a second time.

use std::collections::BTreeSet;
use std::time::Duration;

use corndogs::proto::v1alpha1::*;

use crate::common::cluster::{Cluster, Node};
use crate::common::{Api, Failure, Random, code, failure, until};

fn submit(queue: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: queue.into(),
        ..Default::default()
    }
}

/// One cluster: the same id everywhere, and what is written at each node is read at all others.
async fn assert_one_cluster(cluster: &Cluster) -> String {
    let mut cluster_ids = BTreeSet::new();
    for node in cluster.serving() {
        let status = node.status().await.expect("its status");
        cluster_ids.insert(status.cluster_id);
        let task = cluster.api(node.id).submit(submit("q")).await.unwrap();
        for other in cluster.serving() {
            let found = cluster.api(other.id).get(&task.uuid).await.unwrap();
            assert_eq!(found.as_ref(), Some(&task));
        }
    }
    assert_eq!(cluster_ids.len(), 1, "not one cluster: {cluster_ids:?}");
    cluster
        .until_members_are(cluster.leader().await, &cluster.ids())
        .await;
    cluster.assert_same_state().await;
    cluster_ids.into_iter().next().unwrap()
}

/// It stays out and says that it must be replaced; or it has ended with a failure that says so.
async fn assert_says_replace(node: &mut Node) {
    node.says(&["replace"]).await;
    assert_ne!(node.readyz().await.0, 200, "it serves");
}

/// It does not take a task.
async fn assert_serves_nothing(node: &Node) {
    let mut api = Api::lazy_within(node.grpc, Duration::from_secs(1));
    let answer = api.submit(submit("q")).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn nodes_started_in_any_order_form_one_cluster() {
    let mut random = Random::seeded("order of start");
    for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
        let mut cluster = Cluster::planned(3).await;
        for id in order {
            cluster.node_mut(id).start();
            if id != order[2] {
                // Alone or in two they found nothing, and say what they wait for.
                until("503", async || {
                    (cluster.node(id).readyz().await.0 == 503).then_some(())
                })
                .await;
                tokio::time::sleep(Duration::from_millis(random.below(1500))).await;
                let (code, text) = cluster.node(id).readyz().await;
                assert_eq!(code, 503);
                println!("node {id} of {order:?}: {}", text.trim());
                assert_serves_nothing(cluster.node(id)).await;
            }
        }
        cluster.all_ready().await;
        assert_one_cluster(&cluster).await;
    }
}

#[tokio::test]
async fn a_node_that_waits_says_for_whom() {
    let mut cluster = Cluster::planned(3).await;
    cluster.node_mut(1).start();
    cluster.node_mut(3).start();
    let absent = cluster.node(2).peer.to_string();
    for id in [1, 3] {
        let said = cluster.node(id).says(&[&absent, "node 2", "2="]).await;
        println!(
            "node {id}: {}",
            said.lines().next_back().unwrap_or_default()
        );
        // Clients are sent away at once, not kept waiting.
        let status = cluster.api(id).submit(submit("q")).await.unwrap_err();
        assert_eq!(failure(&status), Failure::NothingDone, "{status:?}");
    }
}

#[tokio::test]
async fn nodes_with_other_members_are_told_plainly() {
    for wrong in ["another address", "one more", "swapped ids"] {
        let mut cluster = Cluster::planned(3).await;
        let [one, two, three] = [1, 2, 3].map(|id| cluster.node(id).peer);
        cluster.node_mut(3).members = match wrong {
            "another address" => format!("1={one},2=127.0.0.1:1,3={three}"),
            "one more" => format!("1={one},2={two},3={three},4=127.0.0.1:1"),
            _ => format!("1={two},2={one},3={three}"),
        };
        for id in cluster.ids() {
            cluster.node_mut(id).start();
        }
        let told = until("somebody is told of the members", async || {
            let nodes = cluster.nodes.values();
            let said = nodes.map(async |node| node.readyz().await.1 + &node.stderr());
            let said = futures::future::join_all(said).await.concat();
            let line = said.lines().find(|line| speaks_of_members(line));
            line.map(str::to_owned)
        })
        .await;
        println!("{wrong}: {told}");
        for id in cluster.ids() {
            assert_ne!(cluster.node(id).readyz().await.0, 200, "{wrong}: {told}");
        }
    }
}

fn speaks_of_members(line: &str) -> bool {
    let line = line.to_lowercase();
    let differs = [
        "differ",
        "other",
        "not the same",
        "instead",
        "expected",
        "but",
    ];
    // The configuration is printed at the start; it names the option and says nothing of it.
    line.contains("members")
        && !line.contains("peer-listen")
        && differs.iter().any(|word| line.contains(word))
}

#[tokio::test]
async fn a_wiped_node_stays_out_and_the_cluster_goes_on() {
    for wipes_leader in [false, true] {
        let mut cluster = Cluster::start(3).await;
        let cluster_id = assert_one_cluster(&cluster).await;
        let leader = cluster.leader().await;
        let id = if wipes_leader {
            leader
        } else {
            cluster.others(leader)[0]
        };
        cluster.node_mut(id).kill();
        cluster.node_mut(id).wipe();
        cluster.node_mut(id).start();
        assert_says_replace(cluster.node_mut(id)).await;
        for other in cluster.others(id) {
            cluster.node_mut(other).ready().await;
            cluster.api(other).assert_serves().await;
            let status = cluster.node(other).status().await.unwrap();
            assert_eq!(status.cluster_id, cluster_id);
        }
        // It does not count for a majority either: with one of the two left nothing is served.
        assert_ne!(cluster.node(id).readyz().await.0, 200);
        let last = cluster.others(id)[0];
        cluster.node_mut(last).kill();
        let survivor = cluster.others(id)[1];
        until("503 from the last member", async || {
            (cluster.node(survivor).readyz().await.0 == 503).then_some(())
        })
        .await;
        assert!(cluster.api(survivor).submit(submit("q")).await.is_err());
    }
}

#[tokio::test]
async fn two_wiped_nodes_of_three_found_no_second_cluster() {
    for third_runs in [true, false] {
        let mut cluster = Cluster::start(3).await;
        let cluster_id = assert_one_cluster(&cluster).await;
        let task = cluster.api(1).submit(submit("kept")).await.unwrap();
        let third = 3;
        for id in [1, 2] {
            cluster.node_mut(id).kill();
            cluster.node_mut(id).wipe();
        }
        if !third_runs {
            cluster.node_mut(third).kill();
        }
        for id in [1, 2] {
            cluster.node_mut(id).start();
        }
        if !third_runs {
            // They wait for the third. Nothing tells that they never found a cluster, but time.
            tokio::time::sleep(Duration::from_secs(3)).await;
            for id in [1, 2] {
                assert_eq!(cluster.node(id).readyz().await.0, 503);
                assert_serves_nothing(cluster.node(id)).await;
            }
            cluster.node_mut(third).start();
        }
        for id in [1, 2] {
            // No leader can tell them that they must be replaced.
            cluster.node(id).says(&["replace", "no leader"]).await;
            assert_serves_nothing(cluster.node(id)).await;
        }
        until("the third knows that nobody leads", async || {
            (cluster.node(third).readyz().await.0 == 503).then_some(())
        })
        .await;
        let status = cluster.node(third).status().await.unwrap();
        assert_eq!(status.cluster_id, cluster_id);
        let answer = cluster.api(third).get(&task.uuid).await;
        assert_eq!(code(&answer), tonic::Code::Unavailable);
    }
}

#[tokio::test]
async fn a_founding_that_is_interrupted_ends_in_one_cluster() {
    let mut random = Random::seeded("interrupted founding");
    for round in 0..6 {
        let mut cluster = Cluster::planned(3).await;
        for id in cluster.ids() {
            cluster.node_mut(id).start();
        }
        // One to five kills, of any node, at any moment.
        for _ in 0..=random.below(5) {
            tokio::time::sleep(Duration::from_millis(random.below(700))).await;
            let id = 1 + random.below(3);
            cluster.node_mut(id).kill();
            tokio::time::sleep(Duration::from_millis(random.below(200))).await;
            cluster.node_mut(id).start();
        }
        cluster.all_ready().await;
        let cluster_id = assert_one_cluster(&cluster).await;
        println!("round {round}: {cluster_id}");
    }
}

/// All are killed at once, also before the cluster is founded, and later: it is the same one again.
#[tokio::test]
async fn all_nodes_killed_at_once_come_back_as_the_same_cluster() {
    let mut random = Random::seeded("all killed");
    let mut cluster = Cluster::planned(3).await;
    let mut cluster_ids = BTreeSet::new();
    let mut acknowledged = Vec::new();
    for _ in 0..4 {
        for id in cluster.ids() {
            cluster.node_mut(id).start();
        }
        tokio::time::sleep(Duration::from_millis(random.below(600))).await;
        cluster.nodes.values_mut().for_each(Node::kill);
        for id in cluster.ids() {
            cluster.node_mut(id).start();
        }
        cluster.all_ready().await;
        cluster_ids.insert(assert_one_cluster(&cluster).await);
        let mut api: Api = cluster.api(1 + random.below(3));
        acknowledged.push(api.submit(submit("kept")).await.unwrap());
        for task in &acknowledged {
            assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(task));
        }
        cluster.nodes.values_mut().for_each(Node::kill);
    }
    assert_eq!(cluster_ids.len(), 1, "{cluster_ids:?}");
}
