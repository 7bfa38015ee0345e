//! Schedules tick on, whoever leads: each tick comes to one task.

use std::time::Duration;

use corndogs::proto::v1alpha1::*;

use crate::common::cluster::Cluster;
use crate::common::schedules::{assert_each_once, each_second, take_ticks};
use crate::common::{now_ns, number, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tick_once_while_leaders_are_killed() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let put = each_second("s", "q", MissedTicks::All);
    let mut api = cluster.api(leader);
    api.schedules.put_schedule(put).await.unwrap();
    for _ in 0..number("CORNDOGS_SCHEDULE_KILLS", 4) {
        tokio::time::sleep(Duration::from_millis(1700)).await;
        let leader = cluster.leader().await;
        cluster.node_mut(leader).kill();
        cluster.leader().await;
        tokio::time::sleep(Duration::from_millis(1300)).await;
        cluster.node_mut(leader).start();
        cluster.all_ready().await;
    }
    let leader = cluster.leader().await;
    let mut api = cluster.api(leader);
    let schedule = until("the present", async || {
        let request = GetScheduleRequest {
            name: "s".into(),
            ticks: 0,
        };
        let answer = api.schedules.get_schedule(request).await.ok()?;
        let schedule = answer.into_inner().schedule.unwrap();
        (schedule.next_tick > now_ns() as i64).then_some(schedule)
    })
    .await;
    let ticks = take_ticks(&mut api, "q").await;
    assert_each_once(&ticks);
    assert!(ticks.len() as i64 >= schedule.submitted);
    assert_eq!(schedule.skipped, 0);
    cluster.assert_same_state().await;
}
