//! The leader hands over when it is told to, and nothing is lost.

use std::time::Duration;

use crate::common::Random;
use crate::common::cluster::Cluster;
use crate::common::history::History;
use crate::common::until;
use crate::common::workload::drain;
use crate::load::{Load, check_everywhere};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_moves_to_the_named_node_and_to_any() {
    let mut random = Random::seeded("transfer");
    let cluster = Cluster::start(3).await;
    let load = Load::start(&cluster, "transfer", &mut random, Duration::from_secs(20));
    load.progress().await;
    for round in 0..6 {
        let (follower, leader) = cluster.follower_and_leader(&mut random).await;
        let asked = 1 + random.below(3);
        if round % 3 == 2 {
            cluster.command_done(asked, &["transfer-leader"]).await;
            until("another leader", async || {
                (cluster.leader().await != leader).then_some(())
            })
            .await;
        } else {
            let name = follower.to_string();
            cluster
                .command_done(asked, &["transfer-leader", &name])
                .await;
            until("the named leader", async || {
                (cluster.leader().await == follower).then_some(())
            })
            .await;
        }
        load.progress().await;
    }
    let leader = cluster.leader().await;
    let said = cluster.command(leader, &["transfer-leader", "9"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains('9'), "{said:?}");
    assert_eq!(cluster.leader().await, leader);
    let record = load.stop().await;
    for error in &record.unknown {
        println!("seen by the application: {error}");
    }
    let mut history = History::default();
    check_everywhere(&cluster, &mut history, &record).await;
    history.check_drained(&drain(&cluster.api(1)).await);
    cluster.assert_same_state().await;
}
