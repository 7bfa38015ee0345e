//! Without a majority nothing is served, and nothing hangs; a leader that was away serves nothing stale.

use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use tonic::{Code, Status};

use crate::common::cluster::{Cluster, Node};
use crate::common::{Api, PATIENCE, Random, until};

/// More than any call may take on a node that is alone.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

fn submit(uuid: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        queue: "q".into(),
        uuid: uuid.into(),
        ..Default::default()
    }
}

/// The errors with which a node answers reads and writes.
async fn errors(api: &Api, task: &Task) -> Vec<(&'static str, Option<Status>)> {
    let (uuid, queue) = (task.uuid.clone(), task.queue.clone());
    let current_state = task.current_state.clone();
    let complete = CompleteTaskRequest {
        uuid: uuid.clone(),
        queue: queue.clone(),
        current_state: current_state.clone(),
        ..Default::default()
    };
    let update = UpdateTaskRequest {
        uuid: uuid.clone(),
        queue: queue.clone(),
        current_state: current_state.clone(),
        ..Default::default()
    };
    let cancel = CancelTaskRequest {
        uuid: uuid.clone(),
        queue: queue.clone(),
        current_state,
        attempt: 0,
    };
    let claim = GetNextTaskRequest {
        queue: queue.clone(),
        ..Default::default()
    };
    // Each on a clone: they are asked at once, as by many clients.
    let [mut a, mut b, mut c, mut d, mut e] = [(); 5].map(|()| api.clone());
    let [mut f, mut g, mut h, mut i, mut j] = [(); 5].map(|()| api.clone());
    let reads = async {
        tokio::join!(
            async { a.get(&uuid).await.err() },
            async { b.queues().await.err() },
            async { c.queue_counts().await.err() },
            async { d.state_counts(&queue).await.err() },
            async { e.all_counts().await.err() },
        )
    };
    let writes = async {
        tokio::join!(
            async { f.submit(submit("")).await.err() },
            async { g.claim(claim).await.err() },
            async { h.update(update).await.err() },
            async { i.complete(complete).await.err() },
            async { j.cancel(cancel).await.err() },
        )
    };
    let (reads, writes) = tokio::join!(reads, writes);
    let mut clean = api.clone();
    let cleaned = clean.clean_up(0, "q").await.err();
    vec![
        ("GetTaskStateByID", reads.0),
        ("GetQueues", reads.1),
        ("GetQueueTaskCounts", reads.2),
        ("GetTaskStateCounts", reads.3),
        ("GetQueueAndStateCounts", reads.4),
        ("SubmitTask", writes.0),
        ("GetNextTask", writes.1),
        ("UpdateTask", writes.2),
        ("CompleteTask", writes.3),
        ("CancelTask", writes.4),
        ("CleanUpTimedOut", cleaned),
    ]
}

async fn assert_unavailable(api: &Api, task: &Task) {
    let answers = tokio::time::timeout(ANSWER_WITHIN, errors(api, task)).await;
    let answers = answers.unwrap_or_else(|_| panic!("no answer within {ANSWER_WITHIN:?}"));
    for (call, answer) in answers {
        let status = answer.unwrap_or_else(|| panic!("{call} was answered without a majority"));
        assert_eq!(status.code(), Code::Unavailable, "{call}: {status:?}");
        let said = ["nothing was done", "the outcome is not known"];
        let says = said.iter().any(|words| status.message().contains(words));
        assert!(says, "{call}: {status:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_answers_unavailable_and_serves_again_with_a_second() {
    let mut random = Random::seeded("minority");
    let mut cluster = Cluster::start(3).await;
    let first = cluster.api(1).submit(submit("")).await.unwrap();
    for survivor_leads in [true, false] {
        let (follower, leader) = cluster.follower_and_leader(&mut random).await;
        let survivor = if survivor_leads { leader } else { follower };
        let others = cluster.others(survivor);
        for id in &others {
            cluster.node_mut(*id).kill();
        }
        let api = cluster.api(survivor);
        // Twice: at once, and when it knows.
        assert_unavailable(&api, &first).await;
        until("503 from the node that is alone", async || {
            (cluster.node(survivor).readyz().await.0 == 503).then_some(())
        })
        .await;
        assert_unavailable(&api, &first).await;
        let livez = crate::common::http_get(cluster.node(survivor).http, "/livez").await;
        assert_eq!(livez.unwrap().0, 200);

        cluster.node_mut(others[0]).start();
        cluster.all_ready().await;
        for id in [survivor, others[0]] {
            let mut api = cluster.api(id);
            let found = api.get(&first.uuid).await.unwrap();
            assert!(found.is_some(), "it was acknowledged before");
            api.assert_serves().await;
        }
        cluster.node_mut(others[1]).start();
        cluster.all_ready().await;
        cluster.assert_same_state().await;
    }
}

/// Lines on stderr so far, and processor time in hundredths of a second.
fn spent(node: &Node) -> (usize, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
    // The process's name is in brackets and may hold anything.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
    (node.stderr().lines().count(), ticks(11) + ticks(12))
}

/// Whoever is left tries again now and then, and does not tell of each try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_down_costs_the_others_next_to_nothing() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    for id in cluster.others(leader) {
        cluster.node_mut(id).kill();
        let survivors: Vec<u64> = cluster.serving().map(|node| node.id).collect();
        // The loss itself may be told at length.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let spend = || survivors.iter().map(|id| spent(cluster.node(*id)));
        let before: Vec<_> = spend().collect();
        tokio::time::sleep(Duration::from_secs(4)).await;
        for (node, ((lines, ticks), (lines_before, ticks_before))) in
            survivors.iter().zip(spend().zip(before))
        {
            let (lines, ticks) = (lines - lines_before, ticks - ticks_before);
            println!("node {node} of {survivors:?}: {lines} lines, {ticks} ticks in 4 s");
            assert!(lines < 200, "node {node} wrote {lines} lines in 4 s");
            assert!(ticks < 200, "node {node} took {ticks} of 400 ticks");
        }
    }
}

/// Submits at one node alone until told to end: the uuids that it acknowledged.
async fn submit_at(
    mut api: Api,
    mut random: Random,
    end: tokio::sync::watch::Receiver<bool>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !*end.borrow() {
        let uuid = random.uuid();
        match api.submit(submit(&uuid)).await {
            Ok(_) => acknowledged.push(uuid),
            // It is paused, or it has no leader yet.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    acknowledged
}

/// Waits until another node leads, as the others see it.
async fn successor(cluster: &Cluster, old: u64) -> u64 {
    until("another leader", async || {
        let leader = cluster.leader().await;
        (leader != old).then_some(leader)
    })
    .await
}

/// A read at the old leader, while it is paused or right after, must show what the new one acknowledged.
async fn read_at_old_leader(api: Api, uuid: String, at: &'static str) {
    let limit = tokio::time::Instant::now() + PATIENCE;
    loop {
        match api.clone().get(&uuid).await {
            Ok(Some(_)) => return,
            Ok(None) => panic!("a stale read, begun {at}: {uuid} is not there"),
            // It may say that it knows no leader, until it does.
            Err(status) => assert!(tokio::time::Instant::now() < limit, "{status:?}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_paused_answers_nothing_stale_and_loses_nothing() {
    let mut random = Random::seeded("paused leader");
    let mut cluster = Cluster::start(3).await;
    let mut known = Vec::new();
    for _ in 0..3 {
        let old = cluster.leader().await;
        let (end, ended) = tokio::sync::watch::channel(false);
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let random = Random(random.number());
                tokio::spawn(submit_at(cluster.api(old), random, ended.clone()))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(200 + random.below(200))).await;
        // Connected before: what is asked from now on waits in the process's sockets.
        let readers: Vec<Api> = (0..8).map(|_| cluster.api(old)).collect();
        for api in &readers {
            api.clone().queues().await.unwrap();
        }
        cluster.node_mut(old).pause();
        let new = successor(&cluster, old).await;
        let uuid = random.uuid();
        let mut api = cluster.api(new);
        until("a submit at the new leader", async || {
            api.submit(submit(&uuid)).await.ok()
        })
        .await;
        known.push(uuid.clone());
        let (early, late) = readers.split_at(4);
        let looks = early.iter().map(|api| {
            let read = read_at_old_leader(api.clone(), uuid.clone(), "while it was paused");
            tokio::spawn(read)
        });
        let mut looks: Vec<_> = looks.collect();
        // Time for the reads to reach the sockets.
        tokio::time::sleep(Duration::from_millis(100)).await;
        cluster.node_mut(old).resume();
        looks.extend(late.iter().map(|api| {
            let read = read_at_old_leader(api.clone(), uuid.clone(), "after it went on");
            tokio::spawn(read)
        }));
        for look in looks {
            look.await.unwrap();
        }
        cluster.node_mut(old).ready().await;
        end.send(true).unwrap();
        for writer in writers {
            known.extend(writer.await.unwrap());
        }
    }
    for id in cluster.ids() {
        let api = cluster.api(id);
        let looks = known.iter().map(async |uuid| {
            let found = api.clone().get(uuid).await.unwrap();
            assert!(found.is_some(), "{uuid} was acknowledged and is lost");
        });
        futures::StreamExt::for_each_concurrent(futures::stream::iter(looks), 64, |look| look)
            .await;
    }
    println!("{} acknowledged, 0 lost", known.len());
    cluster.assert_same_state().await;
}
