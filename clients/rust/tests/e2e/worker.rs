//! What handlers answer, and what becomes of their tasks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corndogs_client::{
    Client, Error, Job, Outcome, RetryBackoff, Submit, Summary, Task, Update, Uuid, Worker,
};

use crate::common::{Cluster, until};

/// Runs a worker until all its queue's tasks are gone, or in the state `dead`.
async fn work_off<F>(
    client: &Client,
    worker: Worker,
    handler: impl Fn(Job) -> F + Send + Sync + 'static,
) -> Summary
where
    F: Future<Output = Result<Outcome, Error>> + Send + 'static,
{
    let all_done = until("all is worked off", async || {
        let counts = client.counts_of("work").await.unwrap();
        let dead = counts.states.get("dead").copied();
        (counts.total == dead.unwrap_or_default()).then_some(())
    });
    worker.run_until(all_done, handler).await.unwrap()
}

async fn get(client: &Client, uuid: Uuid) -> Task {
    client.get(uuid).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_gets_its_task_again() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let submit = client.submit("work", &"fragile").priority(2);
    let uuid = submit.send().await.unwrap().uuid;
    let worker = Worker::new(client.clone(), "work").retry_delay(Duration::ZERO);
    let summary = work_off(&client, worker, |job: Job| async move {
        assert_eq!(job.json::<String>()?, "fragile");
        assert_eq!(job.task().priority, 2);
        match job.task().attempt {
            1 => panic!("as a test"),
            2 => Err(job.json::<u64>().unwrap_err()),
            3 => Ok(Outcome::Retry {
                after: Some(Duration::from_secs(1)),
            }),
            4 => Ok(Outcome::Retry { after: None }),
            _ => Ok(Outcome::Done),
        }
    })
    .await;
    assert_eq!(
        (summary.given_back, summary.completed, summary.lost),
        (4, 1, 0)
    );
    let task = get(&client, uuid).await;
    assert_eq!((task.attempt, task.state.as_str()), (5, "completed"));
}

#[tokio::test]
async fn a_call_of_the_handler_that_panics_is_caught_too() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    client.submit("work", &1).send().await.unwrap();
    let worker = Worker::new(client.clone(), "work").retry_delay(Duration::ZERO);
    let summary = work_off(&client, worker, |job: Job| {
        assert!(
            job.task().attempt > 1,
            "as a test, before there is a future"
        );
        async { Ok(Outcome::Done) }
    })
    .await;
    assert_eq!((summary.given_back, summary.completed), (1, 1));
}

#[tokio::test]
async fn a_task_waits_for_its_own_backoff_and_says_why() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let second = Duration::from_secs(1);
    let submit = client.submit("work", &1).max_attempts(3);
    let submit = submit.retry_backoff(RetryBackoff::starting_at(second).factor_percent(100));
    let uuid = submit.send().await.unwrap().uuid;
    // Were it the worker's delay, the test would not end.
    let worker = Worker::new(client.clone(), "work").retry_delay(Duration::from_secs(600));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let seen = seen.clone();
        move |job: Job| {
            seen.lock().unwrap().push(job.task().clone());
            async move {
                assert_ne!(job.task().attempt, 2, "as a test");
                Err(job.json::<String>().unwrap_err())
            }
        }
    };
    let summary = work_off(&client, worker, handler).await;
    assert_eq!((summary.given_back, summary.dead), (2, 1));
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let errors: Vec<&str> = seen.iter().map(|task| task.last_error.as_str()).collect();
    assert_eq!(errors[0], "");
    assert!(errors[1].starts_with("payload: invalid type"), "{errors:?}");
    assert!(errors[2].starts_with("it panicked: "), "{errors:?}");
    for claims in seen.windows(2) {
        let not_before = claims[1].not_before.unwrap();
        assert!(not_before >= claims[0].update_time + second);
        assert!(not_before <= claims[1].update_time);
    }
    let task = get(&client, uuid).await;
    assert_eq!((task.state.as_str(), task.attempt), ("dead", 3));
    assert!(task.last_error.starts_with("payload: "), "{task:?}");
}

#[tokio::test]
async fn what_nobody_can_do_goes_to_the_dead() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let hopeless = client.submit("work", &0).send().await.unwrap();
    let two_tries = client
        .submit("work", &1)
        .max_attempts(2)
        .send()
        .await
        .unwrap();
    let worker = Worker::new(client.clone(), "work").retry_delay(Duration::ZERO);
    let summary = work_off(&client, worker, |job: Job| async move {
        match job.json::<u32>()? {
            0 => Ok(Outcome::Dead),
            _ => Err(job.json::<String>().unwrap_err()),
        }
    })
    .await;
    assert_eq!((summary.dead, summary.given_back), (2, 1));
    for (uuid, attempt) in [(hopeless.uuid, 1), (two_tries.uuid, 2)] {
        let task = get(&client, uuid).await;
        assert_eq!((task.state.as_str(), task.attempt), ("dead", attempt));
        assert_eq!(
            (task.auto_target_state.as_str(), task.timeout),
            ("submitted", None)
        );
    }
}

#[tokio::test]
async fn tasks_go_on_to_the_next_queue_or_state() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    client.submit("work", &20).send().await.unwrap();
    let first = Worker::new(client.clone(), "work").name("first");
    let second = Worker::new(client.clone(), "none")
        .queues(["work"])
        .state("halved");
    let second = work_off(&client, second, |job: Job| async move {
        assert_eq!(job.task().worker, format!("rust-{}", std::process::id()));
        Ok(Outcome::Next(Submit::json(
            "results",
            &(job.json::<u32>()? + 1),
        )))
    });
    let first = work_off(&client, first, |job: Job| async move {
        assert_eq!(job.task().worker, "first");
        Ok(Outcome::Move(
            Update::to("halved").json(&(job.json::<u32>()? / 2))?,
        ))
    });
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.moved, second.completed), (1, 1));
    let result = client
        .claim(corndogs_client::Claim::of("results"))
        .await
        .unwrap();
    assert_eq!(result.unwrap().json::<u32>().unwrap(), 11);
}

#[tokio::test]
async fn an_end_that_the_server_refuses_is_a_failure() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    client.submit("work", &1).send().await.unwrap();
    let worker = Worker::new(client.clone(), "work").retry_delay(Duration::ZERO);
    let summary = work_off(&client, worker, |job: Job| async move {
        Ok(match job.task().attempt {
            1 => Outcome::Next(Submit::json("q".repeat(256), &1)),
            _ => Outcome::Done,
        })
    })
    .await;
    assert_eq!((summary.given_back, summary.completed), (1, 1));
}

#[tokio::test]
async fn no_more_is_claimed_than_there_are_slots() {
    const SLOTS: usize = 3;
    const TASKS: usize = 30;
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let tasks = (0..TASKS).map(|number| Submit::json("work", &number));
    client.submit_many(tasks).await.unwrap();
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let worker = Worker::new(client.clone(), "work").concurrency(SLOTS as u32);
    let handler = {
        let (client, most) = (client.clone(), most.clone());
        move |_: Job| {
            let (client, running, most) = (client.clone(), running.clone(), most.clone());
            async move {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                let counts = client.counts_of("work").await?;
                let claimed = counts.states.get("submitted-working").copied();
                assert!(claimed.unwrap_or_default() <= SLOTS as i64, "{counts:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(Outcome::Done)
            }
        }
    };
    let summary = work_off(&client, worker, handler).await;
    assert_eq!((summary.completed, summary.given_back), (TASKS as u64, 0));
    assert_eq!(most.load(Ordering::SeqCst), SLOTS);
}

#[tokio::test]
async fn a_worker_whose_claims_are_invalid_says_so() {
    let cluster = Cluster::start(1).await;
    let worker = Worker::new(cluster.client(), "work").name("w".repeat(256));
    let never = std::future::pending();
    let error = worker.run_until(never, |_| async { Ok::<_, Error>(Outcome::Done) });
    let error = error.await.unwrap_err();
    assert!(
        matches!(&error, Error::Invalid(why) if why.contains("worker")),
        "{error}"
    );
}
