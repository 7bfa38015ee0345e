//! Delayed tasks become claimable at their time, whoever leads then.

use std::time::Duration;

use corndogs::proto::v1alpha1::*;

use crate::common::cluster::Cluster;
use crate::common::{Random, now_ns, until};

const TASKS: usize = 20;
const DELAY_NS: i64 = 4_000_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_come_after_the_leader_was_killed() {
    let mut random = Random::seeded("delayed");
    let mut cluster = Cluster::start_with(3, |setup| setup.arg("--timeout-sweep", "off")).await;
    let (follower, leader) = cluster.follower_and_leader(&mut random).await;
    let not_before = i64::try_from(now_ns()).unwrap() + DELAY_NS;
    let mut api = cluster.api(follower);
    let mut waiting = Vec::new();
    for number in 0..TASKS {
        let request = SubmitTaskRequest {
            queue: "q".into(),
            unique_key: format!("key {number}"),
            not_before,
            ..Default::default()
        };
        waiting.push(api.submit(request).await.unwrap().uuid);
    }
    let claim = GetNextTaskRequest {
        queue: "q".into(),
        ..Default::default()
    };
    assert_eq!(api.claim(claim.clone()).await.unwrap(), None);
    cluster.node_mut(leader).kill();
    let applied = async || {
        let own = cluster.node(follower).own_status().await;
        own.map_or(0, |own| own.applied_index)
    };
    cluster.leader().await;
    // With nobody asking, the new leader sees to it: an entry comes when it is time.
    let quiet = until("a quiet log", async || {
        let before = applied().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        (applied().await == before && before > 0).then_some(before)
    })
    .await;
    until("their time", async || {
        (applied().await > quiet).then_some(())
    })
    .await;
    let mut claimed = Vec::new();
    while claimed.len() < TASKS {
        let task = until("a task", async || api.claim(claim.clone()).await.ok()?).await;
        assert!(task.update_time >= not_before, "{task:?}");
        claimed.push(task.uuid);
    }
    claimed.sort_unstable();
    waiting.sort_unstable();
    assert_eq!(claimed, waiting);
    assert_eq!(api.claim(claim).await.unwrap(), None);
    cluster.node_mut(leader).start();
    cluster.all_ready().await;
    cluster.assert_same_state().await;
}
