//! Who fell behind the log is sent a snapshot, and then the log.

use std::time::Duration;

use corndogs::proto::v1alpha1::*;

use crate::common::cluster::{Cluster, Node};
use crate::common::{Api, Random, plant, until};

const SNAPSHOT_EVERY: u64 = 100;

pub async fn start() -> Cluster {
    let every = SNAPSHOT_EVERY.to_string();
    Cluster::start_with(3, |setup| setup.arg("--snapshot-every", &every)).await
}

/// Submits that many tasks, with payloads of that size, two at a time: each pair is an entry or two.
async fn submit(api: &Api, tasks: usize, bytes: usize, random: &mut Random) -> Vec<Task> {
    let requests: Vec<_> = (0..tasks)
        .map(|_| SubmitTaskRequest {
            queue: "q".into(),
            payload: random.bytes(bytes).into(),
            ..Default::default()
        })
        .collect();
    let submits = requests.into_iter().map(async |request| {
        let mut api = api.clone();
        api.submit(request).await.unwrap()
    });
    futures::StreamExt::collect(futures::StreamExt::buffer_unordered(
        futures::stream::iter(submits),
        2,
    ))
    .await
}

/// How often it was sent a snapshot, by what it says itself.
fn snapshots_received(node: &Node) -> usize {
    node.stderr().matches("receiving a snapshot").count()
}

/// A follower that was killed when it had the first tasks: its id, its last log index, and the tasks.
pub async fn killed_follower(cluster: &mut Cluster, random: &mut Random) -> (u64, u64, Vec<Task>) {
    let (follower, leader) = cluster.follower_and_leader(random).await;
    let tasks = submit(&cluster.api(leader), 50, 100, random).await;
    let behind = cluster.node(follower).own_status().await.unwrap();
    cluster.node_mut(follower).kill();
    (follower, behind.last_log_index, tasks)
}

/// The node has come up to the others, not by the log alone, and holds the tasks.
pub async fn assert_caught_up(cluster: &mut Cluster, id: u64, tasks: &[Task]) {
    cluster.node_mut(id).ready().await;
    cluster.assert_same_state().await;
    let received = snapshots_received(cluster.node(id));
    assert!(received > 0, "it can't have come by the log alone");
    assert_holds(&cluster.api(id), tasks).await;
}

/// Writes until the other nodes have a snapshot of more than the node holds, and then some more.
pub async fn leave_behind(
    cluster: &Cluster,
    last_log_index: u64,
    bytes: usize,
    random: &mut Random,
) -> Vec<Task> {
    let leader = cluster.leader().await;
    let api = cluster.api(leader);
    let mut submitted = Vec::new();
    until("snapshots", async || {
        submitted.extend(submit(&api, 100, bytes, random).await);
        let own = cluster.serving().map(async |node| node.own_status().await);
        let own = futures::future::join_all(own).await;
        let beyond = last_log_index + SNAPSHOT_EVERY;
        let all = own
            .iter()
            .all(|own| own.as_ref().is_some_and(|own| own.snapshot_index > beyond));
        all.then_some(())
    })
    .await;
    // The purge comes behind the snapshot; and there is log behind it to send too.
    submitted.extend(submit(&api, 250, bytes, random).await);
    submitted
}

/// The newest snapshot that any serving node has.
pub async fn newest_snapshot(cluster: &Cluster) -> u64 {
    let own = cluster.serving().map(async |node| node.own_status().await);
    let own = futures::future::join_all(own).await;
    let snapshots = own.iter().flatten().map(|own| own.snapshot_index);
    snapshots.max().unwrap()
}

async fn assert_holds(api: &Api, tasks: &[Task]) {
    let looks = tasks.iter().map(async |task| {
        let found = api.clone().get(&task.uuid).await.unwrap();
        assert_eq!(found.as_ref(), Some(task));
    });
    futures::StreamExt::for_each_concurrent(futures::stream::iter(looks), 64, |look| look).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_away_for_long_catches_up() {
    let mut random = Random::seeded("behind a snapshot");
    let mut cluster = start().await;
    let (follower, behind, mut tasks) = killed_follower(&mut cluster, &mut random).await;
    tasks.extend(leave_behind(&cluster, behind, 300, &mut random).await);
    // Once more: by now the log that the first snapshots made superfluous is gone.
    let held = newest_snapshot(&cluster).await;
    tasks.extend(leave_behind(&cluster, held, 300, &mut random).await);
    assert_eq!(snapshots_received(cluster.node(follower)), 0);
    cluster.node_mut(follower).start();
    assert_caught_up(&mut cluster, follower, &tasks).await;

    // It is a full member again: with it and one other there is a majority, also after a restart.
    let other = cluster.others(follower)[0];
    cluster.node_mut(other).kill();
    cluster.node_mut(follower).kill();
    cluster.node_mut(follower).start();
    cluster.all_ready().await;
    cluster.api(follower).assert_serves().await;
    assert_holds(&cluster.api(follower), &tasks).await;
    cluster.assert_same_state().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_joins_an_old_cluster() {
    let mut random = Random::seeded("new node, old cluster");
    let mut cluster = start().await;
    let mut tasks = leave_behind(&cluster, 0, 300, &mut random).await;
    let held = newest_snapshot(&cluster).await;
    tasks.extend(leave_behind(&cluster, held, 300, &mut random).await);
    let node = cluster.add(4);
    node.start();
    node.says(&["add-node"]).await;
    let member = node.member();
    let words = ["add-node", &member, "--deadline", "60s"];
    cluster.command_done(2, &words).await;
    assert_caught_up(&mut cluster, 4, &tasks).await;
}

/// The checkpoint that it is made of is in order: nobody has to be told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_is_written_anew_before_it_is_needed() {
    let mut random = Random::seeded("damaged snapshot");
    let mut cluster = start().await;
    let (follower, _) = cluster.follower_and_leader(&mut random).await;
    let mut tasks = leave_behind(&cluster, 0, 300, &mut random).await;
    cluster.node_mut(follower).kill();
    plant::damage_snapshot(cluster.node(follower).data_dir(), true);
    cluster.node_mut(follower).start();
    cluster.node_mut(follower).ready().await;

    // Just taken: no other one takes its place before it is needed.
    let leader = cluster.leader().await;
    let api = cluster.api(leader);
    until("a snapshot of almost all", async || {
        tasks.extend(submit(&api, 10, 300, &mut random).await);
        let own = cluster.node(leader).own_status().await?;
        (own.last_log_index - own.snapshot_index < SNAPSHOT_EVERY / 2).then_some(())
    })
    .await;
    plant::damage_snapshot(cluster.node(leader).data_dir(), false);
    let node = cluster.add(4);
    node.start();
    node.says(&["add-node"]).await;
    let member = node.member();
    let words = ["add-node", &member, "--deadline", "60s"];
    cluster.command_done(follower, &words).await;
    assert_caught_up(&mut cluster, 4, &tasks).await;
    let said = cluster.node(leader).stderr();
    assert!(
        said.contains("found this node's snapshot damaged"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_killed_while_it_catches_up_catches_up_later() {
    let mut random = Random::seeded("killed while catching up");
    let mut cluster = start().await;
    let (follower, behind, mut tasks) = killed_follower(&mut cluster, &mut random).await;
    for round in 0..4 {
        // A snapshot of tens of megabytes, more each time, so that the kill comes in the middle of it.
        let held = behind.max(newest_snapshot(&cluster).await);
        tasks.extend(leave_behind(&cluster, held, 30_000, &mut random).await);
        cluster.node_mut(follower).start();
        tokio::time::sleep(Duration::from_millis(100 + random.below(1000))).await;
        let at = cluster.node(follower).own_status().await;
        cluster.node_mut(follower).kill();
        let at = at.map(|own| (own.snapshot_index, own.applied_index));
        println!("round {round}: killed at (snapshot, applied) {at:?}");
        if round % 2 == 1 {
            // The leader it was sent from may go as well.
            let leader = cluster.leader().await;
            cluster.command_done(leader, &["transfer-leader"]).await;
        }
    }
    cluster.node_mut(follower).start();
    assert_caught_up(&mut cluster, follower, &tasks).await;
}
