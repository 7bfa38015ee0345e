//! What schedules submitted, by the ticks that their tasks name.

use std::collections::BTreeMap;
use std::str::FromStr;

use corndogs::proto::v1alpha1::*;
use prost_types::Timestamp;

use super::api::Api;

/// A schedule that ticks each second.
pub fn each_second(name: &str, queue: &str, missed: MissedTicks) -> PutScheduleRequest {
    PutScheduleRequest {
        name: name.into(),
        cron: "* * * * * *".into(),
        missed: missed.into(),
        task: Some(SubmitTaskRequest {
            queue: queue.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// How many tasks each tick has in a queue, by its second since 1970; takes them out of it.
pub async fn take_ticks(api: &mut Api, queue: &str) -> BTreeMap<i64, usize> {
    let mut ticks = BTreeMap::new();
    let claim = GetNextTaskRequest {
        queue: queue.into(),
        ..Default::default()
    };
    while let Some(task) = api.claim(claim.clone()).await.unwrap() {
        let tick = Timestamp::from_str(&task.metadata["corndogs.tick"]).unwrap();
        *ticks.entry(tick.seconds).or_default() += 1;
    }
    ticks
}

/// Each second from the first tick to the last one has exactly one task.
pub fn assert_each_once(ticks: &BTreeMap<i64, usize>) {
    let doubled: Vec<_> = ticks.iter().filter(|(_, tasks)| **tasks != 1).collect();
    assert!(doubled.is_empty(), "done more than once: {doubled:?}");
    let (first, last) = (ticks.keys().next().unwrap(), ticks.keys().last().unwrap());
    let missing: Vec<_> = (*first..=*last)
        .filter(|second| !ticks.contains_key(second))
        .collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}
