//! Figures are the same on every node, and go on behind the next leader.

use crate::common::Random;
use crate::common::cluster::Cluster;
use crate::common::figures::{Shift, ask_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_answer_the_same_after_the_leader_was_killed() {
    let mut random = Random::seeded("figures");
    let mut cluster = Cluster::start(3).await;
    let (follower, leader) = cluster.follower_and_leader(&mut random).await;
    let mut shift = Shift::default();
    shift.work(&mut cluster.api(follower), 120).await;
    cluster.node_mut(leader).kill();
    cluster.leader().await;
    shift.check(&ask_all(&mut cluster.api(follower)).await);
    shift.work(&mut cluster.api(follower), 40).await;
    cluster.node_mut(leader).start();
    cluster.all_ready().await;
    let mut answers = Vec::new();
    for id in cluster.ids() {
        let answer = ask_all(&mut cluster.api(id)).await;
        shift.check(&answer);
        answers.push(answer);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    cluster.assert_same_state().await;
}
