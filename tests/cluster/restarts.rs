//! A leader that is back before anybody else could be elected must not go on in its old term: what it had
//! replicated may not have come to its own disk.

use std::time::Duration;

use crate::common::cluster::Cluster;
use crate::common::history::History;
use crate::common::workload::drain;
use crate::common::{Random, number};
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
