//! All nodes are restarted, one after the other: no application sees an error.

use std::time::Duration;

use crate::common::Random;
use crate::common::cluster::Cluster;
use crate::common::history::History;
use crate::common::workload::drain;
use crate::load::{CLIENTS, Load, check_everywhere};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_shows_no_error_to_clients_that_try_another_node() {
    let mut random = Random::seeded("rolling restart");
    let mut cluster = Cluster::start(3).await;
    let load = Load::start(&cluster, "rolling", &mut random, Duration::from_secs(20));
    load.progress().await;
    // The leader comes last: that way it is restarted once, and others hand over too if it moves.
    let leader = cluster.leader().await;
    let mut order = cluster.others(leader);
    order.push(leader);
    for id in order {
        tokio::time::sleep(Duration::from_millis(200 + random.below(300))).await;
        let end = cluster.node_mut(id).stop().await;
        assert_eq!(end.code(), Some(0), "{}", cluster.node(id).stderr());
        load.progress().await;
        cluster.node_mut(id).start();
        cluster.node_mut(id).ready().await;
    }
    load.progress().await;
    let record = load.stop().await;
    println!(
        "{} events, {} errors seen",
        record.events.len(),
        record.unknown.len()
    );
    for error in &record.unknown {
        println!("seen by the application: {error}");
    }
    assert!(record.events.len() > CLIENTS, "there was no load");
    let mut history = History::default();
    check_everywhere(&cluster, &mut history, &record).await;
    history.check_drained(&drain(&cluster.api(1)).await);
    cluster.assert_same_state().await;
    assert_eq!(record.unknown, Vec::<String>::new(), "errors were seen");
}
