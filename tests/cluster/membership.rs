//! Nodes come and go under load: nothing is lost, and what can't be is refused.

use std::time::{Duration, Instant};

use corndogs::proto::v1alpha1::SubmitTaskRequest;

use crate::common::cluster::{Cluster, Node, Said};
use crate::common::history::History;
use crate::common::workload::drain;
use crate::common::{Random, until};
use crate::load::{Load, check_everywhere};

/// Starts a new node, and makes it a member.
async fn add(cluster: &mut Cluster, id: u64, asked: u64) {
    let node = cluster.add(id);
    node.start();
    node.says(&["add-node"]).await;
    let member = node.member();
    let words = ["add-node", &member, "--deadline", "60s"];
    cluster.command_done(asked, &words).await;
    // It was added once it is a voter. Who knows that it is a member reaches it at once; a follower may know a moment later.
    for asked in cluster.ids() {
        until("a new node that votes", async || {
            let roles = cluster.roles(asked).await;
            let role = roles.get(&id)?;
            assert_ne!(role, "unreachable", "asked at {asked}: {roles:?}");
            matches!(role.as_str(), "follower" | "leader").then_some(())
        })
        .await;
    }
    cluster.node_mut(id).ready().await;
}

/// Removes a member, and ends its process.
async fn remove(cluster: &mut Cluster, id: u64, asked: u64) {
    let words = ["remove-node", &id.to_string(), "--deadline", "60s"];
    cluster.command_done(asked, &words).await;
    let others = cluster.others(id);
    cluster.until_members_are(others[0], &others).await;
    // It serves nobody any more.
    until("a removed node that says so", async || {
        (cluster.node(id).readyz().await.0 != 200).then_some(())
    })
    .await;
    assert!(
        cluster.node(id).is_serving(),
        "{}",
        cluster.node(id).stderr()
    );
    cluster.node_mut(id).kill();
    cluster.nodes.remove(&id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_one_to_three_to_five_and_back_loses_nothing() {
    let mut random = Random::seeded("membership");
    let mut cluster = Cluster::start_with(1, |setup| setup.arg("--snapshot-every", "500")).await;
    let load = Load::start(&cluster, "members", &mut random, Duration::from_secs(20));
    load.progress().await;
    for id in 2..=5 {
        let asked = 1 + random.below(id - 1);
        add(&mut cluster, id, asked).await;
        load.spread_over(&cluster);
        load.progress().await;
        if id % 2 == 1 {
            // Nodes that were started before know the new one as well, and find it when it leads.
            let words = ["transfer-leader", &id.to_string()];
            cluster.command_done(asked, &words).await;
            for asked in cluster.ids() {
                cluster.until_members_are(asked, &cluster.ids()).await;
                cluster.node_mut(asked).ready().await;
                until("an answer through the new leader", async || {
                    cluster.api(asked).queues().await.ok()
                })
                .await;
            }
        }
    }
    // Two go, and the leader is one of them.
    for removes_leader in [false, true] {
        let (follower, leader) = cluster.follower_and_leader(&mut random).await;
        let id = if removes_leader { leader } else { follower };
        let asked = cluster.others(id)[0];
        let since = Instant::now();
        // Clients ask the others first; the node serves until it is out.
        remove(&mut cluster, id, asked).await;
        load.spread_over(&cluster);
        load.progress_since(since).await;
    }
    let record = load.stop().await;
    println!(
        "{} events, {} unknown",
        record.events.len(),
        record.unknown.len()
    );
    let mut history = History::default();
    check_everywhere(&cluster, &mut history, &record).await;
    assert_eq!(cluster.ids().len(), 3);

    // What the nodes were started with is history: the log knows the members.
    cluster.nodes.values_mut().for_each(Node::kill);
    for id in cluster.ids() {
        cluster.node_mut(id).start();
    }
    cluster.all_ready().await;
    let ids = cluster.ids();
    cluster.until_members_are(ids[0], &ids).await;
    history.check_drained(&drain(&cluster.api(ids[0])).await);
    cluster.assert_same_state().await;
}

/// It failed, and its text holds one of the words.
fn assert_refused(said: &Said, words: &[&str]) {
    assert_eq!(said.code, Some(1), "{said:?}");
    let lower = said.stderr.to_lowercase();
    let names = words.iter().any(|word| lower.contains(word));
    assert!(names, "none of {words:?} in {said:?}");
    println!("{}", said.stderr.trim());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_can_not_be_added_is_refused() {
    let mut cluster = Cluster::start(3).await;
    let ids = cluster.ids();

    // A member, as what it is: that may be said twice. But its id is taken.
    let member = cluster.node(2).member();
    cluster.command_done(1, &["add-node", &member]).await;
    let taken = format!("2={}", cluster.node(3).peer);
    let said = cluster.command(1, &["add-node", &taken]).await;
    assert_refused(&said, &["node 2", "already", "is a member"]);

    let said = cluster.command(2, &["add-node", "9=127.0.0.1:1"]).await;
    assert_refused(&said, &["127.0.0.1:1"]);

    // Node 4 waits to be added, but not as node 5.
    cluster.add(4).start();
    cluster.node(4).says(&["add-node"]).await;
    let wrong = format!("5={}", cluster.node(4).peer);
    let said = cluster.command(3, &["add-node", &wrong]).await;
    assert_refused(&said, &["node 4", "is 4"]);

    // A node of another cluster, which has data.
    let mut other = cluster.planned_beside([7]);
    other.node_mut(7).start();
    other.all_ready().await;
    let member = other.node(7).member();
    let said = cluster.command(1, &["add-node", &member]).await;
    assert_refused(&said, &["cluster"]);

    for id in ids.clone() {
        cluster.until_members_are(id, &ids).await;
        cluster.api(id).assert_serves().await;
    }
    other.api(7).assert_serves().await;
    assert_ne!(cluster.node(4).readyz().await.0, 200, "it was never added");

    // After all that node 4 can be added as what it is.
    let member = cluster.node(4).member();
    let words = ["add-node", &member, "--deadline", "60s"];
    cluster.command_done(1, &words).await;
    cluster.node_mut(4).ready().await;
    cluster.until_members_are(4, &cluster.ids()).await;
    cluster.assert_same_state().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_no_member_is_not_removed() {
    let cluster = Cluster::start(3).await;
    let said = cluster.command(1, &["remove-node", "9"]).await;
    assert_refused(&said, &["9"]);
    cluster.until_members_are(1, &cluster.ids()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_is_replaced_by_a_new_one() {
    let mut random = Random::seeded("replace");
    let mut cluster = Cluster::start(3).await;
    let load = Load::start(&cluster, "replace", &mut random, Duration::from_secs(20));
    load.progress().await;
    let (old, _) = cluster.follower_and_leader(&mut random).await;
    cluster.node_mut(old).kill();
    cluster.node_mut(old).wipe();
    let asked = cluster.others(old)[0];
    until("an unreachable node in the status", async || {
        let roles = cluster.roles(asked).await;
        (roles[&old] == "unreachable").then_some(())
    })
    .await;

    cluster.add(4).start();
    cluster.node(4).says(&["add-node"]).await;
    let member = cluster.node(4).member();
    let words = [
        "replace-node",
        &old.to_string(),
        &member,
        "--deadline",
        "60s",
    ];
    cluster.command_done(asked, &words).await;
    cluster.nodes.remove(&old);
    cluster.node_mut(4).ready().await;
    load.spread_over(&cluster);
    load.progress().await;
    cluster.until_members_are(4, &cluster.ids()).await;
    let record = load.stop().await;
    let mut history = History::default();
    check_everywhere(&cluster, &mut history, &record).await;

    // The new one counts: with it and one other there is a majority.
    cluster.node_mut(asked).kill();
    let task = until("a submit without the third", async || {
        let submit = SubmitTaskRequest::default();
        cluster.api(4).submit(submit).await.ok()
    })
    .await;
    assert!(cluster.api(4).get(&task.uuid).await.unwrap().is_some());
}
