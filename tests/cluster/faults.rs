//! One node fails under load: whatever was acknowledged is there, once, on every node.

use std::time::{Duration, Instant};

use crate::common::cluster::Cluster;
use crate::common::history::History;
use crate::common::workload::drain;
use crate::common::{Random, number};
use crate::gaps::Table;
use crate::load::{CLIENTS, Load, check_everywhere};

/// Longer than any election.
const PAUSE: Duration = Duration::from_secs(4);
/// A client gives a call up after that long: less than the pause, so that it notices.
const CALL_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
enum Blow {
    Kill,
    Pause,
    Terminate,
}

#[derive(Debug, Clone, Copy)]
enum Victim {
    Leader,
    Follower,
}

const FAULTS: [(Blow, Victim, &str); 6] = [
    (Blow::Kill, Victim::Leader, "kill -9, leader"),
    (Blow::Kill, Victim::Follower, "kill -9, follower"),
    (Blow::Pause, Victim::Leader, "SIGSTOP 4 s, leader"),
    (Blow::Pause, Victim::Follower, "SIGSTOP 4 s, follower"),
    (Blow::Terminate, Victim::Leader, "SIGTERM, leader"),
    (Blow::Terminate, Victim::Follower, "SIGTERM, follower"),
];

/// Strikes the node, waits until the others get on without it, and leaves them to it for a while.
async fn strike(cluster: &mut Cluster, id: u64, blow: Blow, load: &Load, random: &mut Random) {
    match blow {
        Blow::Kill => cluster.node_mut(id).kill(),
        Blow::Terminate => {
            let end = cluster.node_mut(id).stop().await;
            assert_eq!(end.code(), Some(0), "{}", cluster.node(id).stderr());
        }
        Blow::Pause => {
            cluster.node_mut(id).pause();
            tokio::time::sleep(PAUSE).await;
        }
    }
    load.progress().await;
    tokio::time::sleep(Duration::from_millis(random.below(600))).await;
}

/// Brings the node back; the moment when that began.
async fn mend(cluster: &mut Cluster, id: u64, blow: Blow) -> Instant {
    let moment = Instant::now();
    match blow {
        Blow::Pause => cluster.node_mut(id).resume(),
        Blow::Kill | Blow::Terminate => cluster.node_mut(id).start(),
    }
    cluster.node_mut(id).ready().await;
    moment
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_any_node_loses_and_doubles_nothing() {
    let rounds = number("CORNDOGS_FAULT_ROUNDS", 1);
    let mut random = Random::seeded("faults");
    // Snapshots, and purges of the log behind them, come in the middle of it.
    let mut cluster = Cluster::start_with(3, |setup| setup.arg("--snapshot-every", "500")).await;
    let mut history = History::default();
    let mut table = Table::default();
    for round in 0..rounds {
        for (number, (blow, victim, name)) in FAULTS.into_iter().enumerate() {
            let load = Load::start_giving_up(
                &cluster,
                &format!("r{round}f{number}"),
                &mut random,
                CALL_LIMIT,
            );
            load.progress().await;
            tokio::time::sleep(Duration::from_millis(300 + random.below(500))).await;
            let (follower, leader) = cluster.follower_and_leader(&mut random).await;
            let id = match victim {
                Victim::Leader => leader,
                Victim::Follower => follower,
            };
            let struck = Instant::now();
            strike(&mut cluster, id, blow, &load, &mut random).await;
            let mended = mend(&mut cluster, id, blow).await;
            let ready = Instant::now();
            load.progress().await;
            let record = load.stop().await;
            assert!(record.events.len() > CLIENTS, "{name}: there was no load");
            table.add(
                name,
                &record.acks,
                [struck, mended, ready],
                record.unknown.len(),
            );
            check_everywhere(&cluster, &mut history, &record).await;
            println!(
                "round {round}, {name} ({id}): {} events",
                record.events.len()
            );
        }
    }
    let drained = drain(&cluster.api(1)).await;
    history.check_drained(&drained);
    cluster.assert_same_state().await;
    println!(
        "{} submits acknowledged, {} in doubt, {} refused, {} completed, {} drained; 0 lost, 0 twice",
        history.submitted.len(),
        history.maybe_submitted.len(),
        history.refused.len(),
        history.completed.len(),
        drained.len()
    );
    println!("{table}");
}
