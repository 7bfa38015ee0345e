//! Schedules: each tick submits its task exactly once.

use std::time::Duration;

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::additions::{claim, complete};
use crate::common::schedules::{assert_each_once, each_second, take_ticks};
use crate::common::{Api, Server, keyed, names, now_ns, until};

const NS_PER_S: i64 = 1_000_000_000;
/// Far off: it does not tick while a test runs.
const YEARLY: &str = "0 0 1 1 *";

fn yearly(name: &str) -> PutScheduleRequest {
    PutScheduleRequest {
        cron: YEARLY.into(),
        ..each_second(name, "q", MissedTicks::Last)
    }
}

async fn put(api: &mut Api, request: PutScheduleRequest) -> Schedule {
    let answer = api.schedules.put_schedule(request).await.unwrap();
    answer.into_inner().schedule.unwrap()
}

async fn get(api: &mut Api, name: &str, ticks: i32) -> Option<Schedule> {
    let name = name.to_owned();
    let request = GetScheduleRequest { name, ticks };
    let answer = api.schedules.get_schedule(request).await.unwrap();
    answer.into_inner().schedule
}

/// Waits until a schedule has submitted so many tasks.
async fn submitted(api: &mut Api, name: &str, tasks: i64) -> Schedule {
    until("ticks", async || {
        let schedule = get(api, name, 0).await.unwrap();
        (schedule.submitted >= tasks).then_some(schedule)
    })
    .await
}

#[tokio::test]
async fn a_schedule_is_kept_as_it_was_put() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let request = PutScheduleRequest {
        name: "daily".into(),
        cron: "30 2 * * *".into(),
        time_zone: "Europe/Berlin".into(),
        paused: false,
        missed: MissedTicks::All.into(),
        task: Some(SubmitTaskRequest {
            queue: "q".into(),
            payload: "report".into(),
            timeout: 60,
            metadata: [("team".to_owned(), "one".to_owned())].into(),
            retry_backoff: Some(RetryBackoff {
                initial: 5,
                ..Default::default()
            }),
            ..Default::default()
        }),
    };
    let schedule = put(&mut api, request.clone()).await;
    let now = now_ns() as i64;
    assert!((now..now + 26 * 3600 * NS_PER_S).contains(&schedule.next_tick));
    let task = schedule.task.clone().unwrap();
    assert_eq!(
        (&*task.queue, &*task.payload, task.timeout),
        ("q", &b"report"[..], 60)
    );
    assert_eq!(task.auto_target_state, "submitted-working");
    assert_eq!(schedule.missed(), MissedTicks::All);
    assert_eq!(get(&mut api, "daily", 0).await, Some(schedule.clone()));
    // What is shown can be put again.
    let again = PutScheduleRequest {
        task: schedule.task.clone(),
        ..request
    };
    assert_eq!(put(&mut api, again).await, schedule);
    let ticks = get(&mut api, "daily", 100).await.unwrap().next_ticks;
    assert_eq!((ticks.len(), ticks[0]), (100, schedule.next_tick));
    assert!(ticks.is_sorted());
    assert_eq!(get(&mut api, "nightly", 5).await, None);
}

#[tokio::test]
async fn ticks_come_by_themselves() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let schedule = put(&mut api, each_second("s", "q", MissedTicks::Last)).await;
    assert_eq!((schedule.submitted, schedule.last_tick), (0, 0));
    let schedule = submitted(&mut api, "s", 3).await;
    assert_eq!(schedule.last_tick % NS_PER_S, 0);
    assert!(schedule.next_tick > schedule.last_tick);
    let last = api.get(&schedule.last_task_uuid).await.unwrap().unwrap();
    assert_eq!(last.metadata["corndogs.schedule"], "s");
    assert!(last.submit_time >= schedule.last_tick);
    assert!(last.submit_time < schedule.last_tick + NS_PER_S);
    assert_each_once(&take_ticks(&mut api, "q").await);
    // A paused one has none.
    let paused = PutScheduleRequest {
        paused: true,
        ..each_second("s", "q", MissedTicks::Last)
    };
    let paused = put(&mut api, paused).await;
    assert_eq!((paused.paused, paused.next_tick), (true, 0));
    take_ticks(&mut api, "q").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(take_ticks(&mut api, "q").await.len(), 0);
}

#[tokio::test]
async fn each_tick_once_through_kills() {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    put(&mut api, each_second("s", "q", MissedTicks::All)).await;
    for round in 1..=4 {
        submitted(&mut api, "s", round * 2).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(700 * round.unsigned_abs())).await;
        server = server.restart().await;
        api = server.api().await;
    }
    // All that was missed is made up for.
    until("the present", async || {
        let schedule = get(&mut api, "s", 0).await.unwrap();
        (schedule.next_tick > now_ns() as i64).then_some(())
    })
    .await;
    let ticks = take_ticks(&mut api, "q").await;
    assert_each_once(&ticks);
    assert!(ticks.len() >= 8, "{ticks:?}");
}

#[tokio::test]
async fn of_missed_ticks_the_latest_or_none() {
    let mut server = Server::start().await;
    let mut api = server.api().await;
    // Every 20 seconds: at most one of them passes after the restart.
    let cron = "*/20 * * * * *";
    for (name, missed) in [("last", MissedTicks::Last), ("none", MissedTicks::None)] {
        let request = PutScheduleRequest {
            cron: cron.into(),
            ..each_second(name, name, missed)
        };
        put(&mut api, request).await;
    }
    let next_s = get(&mut api, "last", 0).await.unwrap().next_tick / NS_PER_S;
    server.kill();
    // Until six seconds after the next tick.
    until("a missed tick", async || {
        (now_ns() as i64 / NS_PER_S > next_s + 6).then_some(())
    })
    .await;
    let server = server.restart().await;
    let mut api = server.api().await;
    let last = submitted(&mut api, "last", 1).await;
    assert_eq!((last.last_tick / NS_PER_S, last.skipped), (next_s, 0));
    let none = get(&mut api, "none", 0).await.unwrap();
    assert_eq!((none.submitted, none.skipped), (0, 1));
    assert!(none.next_tick / NS_PER_S > next_s);
}

#[tokio::test]
async fn a_unique_key_keeps_ticks_from_piling_up() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let mut request = each_second("s", "q", MissedTicks::Last);
    request.task.as_mut().unwrap().unique_key = "only".into();
    put(&mut api, request).await;
    let skips = until("a skipped tick", async || {
        let schedule = get(&mut api, "s", 0).await.unwrap();
        (schedule.skipped >= 2).then_some(schedule)
    })
    .await;
    assert_eq!(skips.submitted, 1);
    let task = api.claim(claim("w")).await.unwrap().unwrap();
    api.complete(complete(&task, 1)).await.unwrap().unwrap();
    submitted(&mut api, "s", 2).await;
}

#[tokio::test]
async fn run_delete_and_retries() {
    let server = Server::start().await;
    let mut api = server.api().await;
    put(&mut api, yearly("s")).await;
    let run = || RunScheduleRequest { name: "s".into() };
    let first = api.schedules.run_schedule(keyed("k", run())).await.unwrap();
    let again = api.schedules.run_schedule(keyed("k", run())).await.unwrap();
    let task = first.into_inner().task.unwrap();
    assert_eq!(again.into_inner().task.as_ref(), Some(&task));
    assert_eq!(task.metadata["corndogs.schedule"], "s");
    let schedule = get(&mut api, "s", 0).await.unwrap();
    assert_eq!(
        (schedule.submitted, &schedule.last_task_uuid),
        (1, &task.uuid)
    );
    let delete = || DeleteScheduleRequest { name: "s".into() };
    let deleted = api.schedules.delete_schedule(delete()).await.unwrap();
    assert_eq!(deleted.into_inner().schedule, Some(schedule));
    let deleted = api.schedules.delete_schedule(delete()).await.unwrap();
    assert_eq!(deleted.into_inner().schedule, None);
    let nothing = api.schedules.run_schedule(run()).await.unwrap();
    assert_eq!(nothing.into_inner().task, None);
    assert!(api.get(&task.uuid).await.unwrap().is_some());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = Server::start().await;
    let mut api = server.api().await;
    for number in 0..25 {
        put(&mut api, yearly(&format!("s{number:02}"))).await;
    }
    let mut names = Vec::new();
    let mut pages = 0;
    loop {
        let request = ListSchedulesRequest {
            after: names.last().cloned().unwrap_or_default(),
            limit: 10,
        };
        let page = api.schedules.list_schedules(request).await.unwrap();
        let page = page.into_inner();
        names.extend(page.schedules.into_iter().map(|schedule| schedule.name));
        pages += 1;
        if !page.more {
            break;
        }
    }
    let expected: Vec<String> = (0..25).map(|number| format!("s{number:02}")).collect();
    assert_eq!((names, pages), (expected, 3));
}

#[tokio::test]
async fn limits_are_named() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let with = |change: fn(&mut PutScheduleRequest)| {
        let mut request = yearly("s");
        change(&mut request);
        request
    };
    let bad = [
        ("name", with(|put| put.name = String::new())),
        ("name", with(|put| put.name = "n".repeat(256))),
        ("cron", with(|put| put.cron = "* * * *".into())),
        ("cron", with(|put| put.cron = "0 0 30 2 *".into())),
        ("cron", with(|put| put.cron = "x".repeat(5000))),
        (
            "time_zone",
            with(|put| put.time_zone = "Europe/Atlantis".into()),
        ),
        ("missed", with(|put| put.missed = 7)),
        (
            "task.uuid",
            with(|put| {
                put.task.as_mut().unwrap().uuid = "0192f5e0-1234-7abc-8def-0123456789ab".into()
            }),
        ),
        (
            "task.not_before",
            with(|put| put.task.as_mut().unwrap().not_before = 1),
        ),
        (
            "task.queue",
            with(|put| put.task.as_mut().unwrap().queue = "\n".into()),
        ),
        (
            "task",
            with(|put| put.task.as_mut().unwrap().payload = vec![0; 33 << 10].into()),
        ),
    ];
    for (field, request) in bad {
        let refused = api.schedules.put_schedule(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert!(names(&refused, &[&format!("{field}: ")]), "{refused}");
        assert!(refused.message().len() < 200, "{refused}");
    }
    let refused = api.schedules.get_schedule(GetScheduleRequest {
        name: "s".into(),
        ticks: 101,
    });
    assert!(names(&refused.await.unwrap_err(), &["ticks: "]));
}
