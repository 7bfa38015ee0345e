//! A leader that is back before anybody else could be elected must not go on in its old term: what it had
//! replicated may not have come to its own disk. One that is back after that must not wait for what it had to give up.

use std::time::Duration;

use corndogs::proto::v1alpha1::SubmitTaskRequest;

use crate::common::cluster::Cluster;
use crate::common::history::History;
use crate::common::workload::drain;
use crate::common::{Random, number, until};
use crate::load::{CLIENTS, Load, check_everywhere};

const CALL_LIMIT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_started_again_at_once_loses_and_doubles_nothing() {
    let rounds = number("CORNDOGS_RESTART_ROUNDS", 10);
    let mut random = Random::seeded("quick restarts");
    let mut cluster = Cluster::start(3).await;
    let mut history = History::default();
    for round in 0..rounds {
        let load = Load::start_giving_up(&cluster, &format!("q{round}"), &mut random, CALL_LIMIT);
        load.progress().await;
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        let leader = cluster.leader().await;
        cluster.node_mut(leader).kill();
        cluster.node_mut(leader).start();
        load.progress().await;
        cluster.all_ready().await;
        load.progress().await;
        let record = load.stop().await;
        assert!(record.events.len() > CLIENTS, "there was no load");
        check_everywhere(&cluster, &mut history, &record).await;
        cluster.assert_same_state().await;
    }
    let drained = drain(&cluster.api(1)).await;
    history.check_drained(&drained);
    cluster.assert_same_state().await;
    println!(
        "{rounds} restarts: {} submits acknowledged, {} drained; 0 lost, 0 twice",
        history.submitted.len(),
        drained.len()
    );
}

async fn last_log_index(cluster: &Cluster, id: u64) -> u64 {
    cluster.node(id).own_status().await.unwrap().last_log_index
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_is_ready_again_though_its_last_entries_were_cut_off_and_nobody_calls() {
    let mut cluster = Cluster::start(3).await;
    let old = cluster.leader().await;
    let others = cluster.others(old);
    let committed = last_log_index(&cluster, old).await;
    for id in &others {
        cluster.node_mut(*id).kill();
    }
    // Two entries that nobody else gets, a submit and a change of members: the next leader begins its term with one,
    // which must not make up for them.
    let mut api = cluster.api(old);
    tokio::spawn(async move {
        let request = SubmitTaskRequest {
            queue: "q".into(),
            ..Default::default()
        };
        api.submit(request).await
    });
    let removed = others[0].to_string();
    let remove = ["remove-node", &removed];
    let longer = tokio::select! {
        said = cluster.command(old, &remove) => panic!("done without a quorum: {said:?}"),
        index = until("two entries that only the leader has", async || {
            let index = last_log_index(&cluster, old).await;
            (index >= committed + 2).then_some(index)
        }) => index,
    };
    cluster.node_mut(old).kill();
    for id in &others {
        cluster.node_mut(*id).start();
    }
    cluster.all_ready().await;
    cluster.node_mut(old).start();
    cluster.all_ready().await;
    let shorter = last_log_index(&cluster, old).await;
    assert!(
        shorter < longer,
        "its log was {longer} long and is {shorter}"
    );
    cluster.assert_same_state().await;
}
