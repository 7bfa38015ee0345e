//! A node that lost or damaged what it had says what to do, and comes back by doing just that.

use std::process::Command;
use std::time::Duration;

use corndogs::proto::v1alpha1::SubmitTaskRequest;

use crate::common::cluster::Cluster;
use crate::common::history::History;
use crate::common::{Random, binary, plant, until};
use crate::load::{Load, check_everywhere};

/// The words behind `corndogs cluster` in a command that a message names.
pub fn named_command(message: &str) -> Vec<String> {
    let (_, command) = message.rsplit_once("`corndogs cluster ").expect(message);
    let (command, _) = command.split_once('`').expect(message);
    command.split_whitespace().map(str::to_owned).collect()
}

/// Does what the message of a node says: its directory goes away, it starts empty, and the command is run.
pub async fn replace_as_told(cluster: &mut Cluster, id: u64, message: &str) {
    let words = named_command(message);
    assert_eq!(words, ["replace-node", &id.to_string()], "{message}");
    cluster.node_mut(id).kill();
    cluster.node_mut(id).move_data_away();
    cluster.node_mut(id).start();
    until("a word that it is empty", async || {
        let said = cluster.node(id).readyz().await.1;
        said.contains("its data directory is empty").then_some(())
    })
    .await;
    let asked = cluster.others(id)[0];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = [&words[..], &["--deadline", "60s"]].concat();
    cluster.command_done(asked, &words).await;
    cluster.node_mut(id).ready().await;
}

/// What `corndogs verify` says of a stopped node's files; they must not pass.
pub fn verify_finds(cluster: &Cluster, id: u64) -> String {
    let verify = Command::new(binary())
        .args(["verify", "--data-dir"])
        .arg(cluster.node(id).data_dir())
        .env_clear()
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&verify.stdout).into_owned();
    assert_eq!(verify.status.code(), Some(1), "{found}");
    found
}

/// It ends by itself.
async fn ended(cluster: &mut Cluster, id: u64) -> String {
    let node = cluster.node_mut(id);
    until("the end of a node that can't start", async || {
        (!node.is_running()).then_some(())
    })
    .await;
    node.stderr()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_damaged_log_comes_back_as_it_says() {
    let mut random = Random::seeded("damaged log");
    let mut cluster = Cluster::start_with(3, |setup| setup.arg("--snapshot-every", "300")).await;
    let load = Load::start(&cluster, "repair", &mut random, Duration::from_secs(20));
    load.progress().await;
    let (id, _) = cluster.follower_and_leader(&mut random).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    cluster.node_mut(id).kill();
    plant::damage_log(cluster.node(id).data_dir());
    cluster.node_mut(id).start();
    let stderr = ended(&mut cluster, id).await;
    assert!(
        stderr.contains("a damaged log is never shortened"),
        "{stderr}"
    );

    // The check of its files says the same.
    let found = verify_finds(&cluster, id);
    assert_eq!(named_command(&found), named_command(&stderr));

    replace_as_told(&mut cluster, id, &stderr).await;
    load.spread_over(&cluster);
    load.progress().await;
    let record = load.stop().await;
    let mut history = History::default();
    check_everywhere(&cluster, &mut history, &record).await;

    // It counts again: with it and one other there is a majority.
    let other = cluster.others(id)[0];
    cluster.node_mut(other).kill();
    let task = until("a submit without the third", async || {
        let submit = SubmitTaskRequest::default();
        cluster.api(id).submit(submit).await.ok()
    })
    .await;
    assert!(cluster.api(id).get(&task.uuid).await.unwrap().is_some());
    cluster.assert_same_state().await;
}

/// The leader had counted on what is gone. It must not stumble over that: it sends it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_the_end_of_its_log_gets_it_again() {
    let mut random = Random::seeded("lost end");
    let mut cluster = Cluster::start(3).await;
    let (follower, leader) = cluster.follower_and_leader(&mut random).await;
    for _ in 0..20 {
        let submit = SubmitTaskRequest::default();
        cluster.api(leader).submit(submit).await.unwrap();
    }
    cluster.assert_same_state().await;
    cluster.node_mut(follower).kill();
    plant::lose_end_of_log(cluster.node(follower).data_dir());
    cluster.node_mut(follower).start();
    cluster.node_mut(follower).ready().await;
    assert_eq!(cluster.leader().await, leader);
    cluster.api(follower).assert_serves().await;
    cluster.assert_same_state().await;
}

/// Nothing is taken out that has its data, or could not come back at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_not_empty_stays_in() {
    let mut random = Random::seeded("not empty");
    let mut cluster = Cluster::start(3).await;
    let (follower, leader) = cluster.follower_and_leader(&mut random).await;
    for (id, word) in [(follower, "has data"), (leader, "leads"), (9, "no member")] {
        let said = cluster
            .command(follower, &["replace-node", &id.to_string()])
            .await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains(word), "{said:?}");
    }
    cluster.node_mut(follower).kill();
    let words = ["replace-node", &follower.to_string()];
    let said = cluster.command(leader, &words).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("empty data directory"), "{said:?}");
    cluster.node_mut(follower).start();
    cluster.node_mut(follower).ready().await;
    cluster.until_members_are(leader, &cluster.ids()).await;
    cluster.assert_same_state().await;
}
