//! Leases while handlers run: kept, lost, and given back when the worker stops.

use std::sync::Arc;
use std::time::Duration;

use corndogs_client::{Claim, Client, Error, Job, Outcome, Summary, Uuid, Worker, proto};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::common::{Cluster, PATIENCE, until};

const LEASE: Duration = Duration::from_secs(1);

/// A worker that runs until it is told to stop.
struct Running {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<Summary, Error>>,
}

impl Running {
    fn start<F>(worker: Worker, handler: impl Fn(Job) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Outcome, Error>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap() };
        let ended = tokio::spawn(worker.run_until(stopped, handler));
        Self { stop, ended }
    }

    async fn stop(self) -> Summary {
        self.stop.send(()).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.ended).await;
        ended.expect("the worker does not stop").unwrap().unwrap()
    }
}

async fn submitted(client: &Client) -> Uuid {
    client.submit("work", &"payload").send().await.unwrap().uuid
}

#[tokio::test]
async fn heartbeats_keep_a_task_longer_than_its_lease() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let uuid = submitted(&client).await;
    let sweeps = cluster.nodes[0]
        .metric("corndogs_timed_out_tasks_total")
        .await;
    // Once a task with the same lease that nobody extends has timed out, the first has outlived its own.
    client.submit("forgotten", &1).send().await.unwrap();
    let (begun, mut begins) = mpsc::unbounded_channel();
    let finish = Arc::new(Notify::new());
    let running = Running::start(Worker::new(client.clone(), "work").lease(LEASE), {
        let finish = finish.clone();
        move |job: Job| {
            begun.send(job.task().attempt).unwrap();
            let finish = finish.clone();
            async move {
                tokio::select! {
                    () = finish.notified() => Ok(Outcome::Done),
                    () = job.cancelled().cancelled() => panic!("the lease was lost"),
                }
            }
        }
    });
    assert_eq!(begins.recv().await, Some(1));
    for _ in 0..2 {
        let forgotten = Claim::of("forgotten").lease(LEASE);
        client.claim(forgotten).await.unwrap().unwrap();
        until("the lease that nobody extends is over", async || {
            let counts = client.counts_of("forgotten").await.unwrap();
            counts.states.contains_key("submitted").then_some(())
        })
        .await;
    }
    finish.notify_one();
    let done = until("the end", async || {
        let task = client.get(uuid).await.unwrap();
        task.filter(|task| task.state == "completed")
    });
    assert_eq!(done.await.attempt, 1);
    let summary = running.stop().await;
    assert_eq!((summary.completed, summary.lost), (1, 0));
    let timed_out = cluster.nodes[0]
        .metric("corndogs_timed_out_tasks_total")
        .await;
    assert_eq!(timed_out.unwrap() - sweeps.unwrap(), 2);
}

/// Takes a task away from whoever holds it, as a client of the first release could.
async fn take_away(client: &Client, uuid: Uuid) {
    let update = proto::UpdateTaskRequest {
        uuid: uuid.to_string(),
        queue: "work".into(),
        current_state: "submitted-working".into(),
        new_state: "submitted".into(),
        ..Default::default()
    };
    let answer = client.service().update_task(update).await.unwrap();
    assert!(answer.into_inner().task.is_some());
}

#[tokio::test]
async fn a_lost_lease_cancels_the_handler_and_drops_its_result() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let uuid = submitted(&client).await;
    let (told, mut tells) = mpsc::unbounded_channel();
    let worker = Worker::new(client.clone(), "work").lease(LEASE);
    let running = Running::start(worker, move |job: Job| {
        let told = told.clone();
        async move {
            told.send("begun").unwrap();
            job.cancelled().cancelled().await;
            told.send("cancelled").unwrap();
            Ok(Outcome::Done)
        }
    });
    assert_eq!(tells.recv().await, Some("begun"));
    // The worker's only slot is taken until its handler has ended, so the other one gets the task.
    let other = Claim::of("work").worker("other").wait(PATIENCE);
    let (other, ()) = tokio::join!(client.claim(other), take_away(&client, uuid));
    let other = other.unwrap().unwrap();
    assert_eq!(tells.recv().await, Some("cancelled"));
    let summary = running.stop().await;
    assert_eq!((summary.lost, summary.completed), (1, 0));
    let task = client.get(uuid).await.unwrap().unwrap();
    assert_eq!(
        (task.worker.as_str(), task.state.as_str()),
        ("other", "submitted-working")
    );
    client.complete(&other).await.unwrap();
}

#[tokio::test]
async fn a_handler_that_ignores_its_lost_lease_is_aborted() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let uuid = submitted(&client).await;
    let (told, mut tells) = mpsc::unbounded_channel();
    let worker = Worker::new(client.clone(), "work")
        .lease(LEASE)
        .grace(Duration::ZERO);
    let running = Running::start(worker, move |job: Job| {
        let told = told.clone();
        async move {
            told.send(job.task().attempt).unwrap();
            std::future::pending().await
        }
    });
    assert_eq!(tells.recv().await, Some(1));
    take_away(&client, uuid).await;
    // Its slot is free again, and it claims the task like anybody.
    assert_eq!(tells.recv().await, Some(2));
    let summary = running.stop().await;
    assert_eq!((summary.lost, summary.released), (1, 1));
}

#[tokio::test]
async fn a_stop_lets_handlers_finish_and_gives_the_rest_back() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    for stubborn in [false, true] {
        client
            .submit("work", &stubborn)
            .priority(3)
            .send()
            .await
            .unwrap();
    }
    client
        .submit("work", &"not claimed")
        .priority(-1)
        .send()
        .await
        .unwrap();
    let (begun, mut begins) = mpsc::unbounded_channel();
    let worker = Worker::new(client.clone(), "work").lease(Duration::from_secs(600));
    let worker = worker.concurrency(2).grace(Duration::from_millis(300));
    let running = Running::start(worker, move |job: Job| {
        let begun = begun.clone();
        async move {
            begun.send(job.task().uuid).unwrap();
            job.stopping().cancelled().await;
            match job.json()? {
                true => std::future::pending().await,
                false => Ok(Outcome::Done),
            }
        }
    });
    for _ in 0..2 {
        begins.recv().await.unwrap();
    }
    let summary = running.stop().await;
    assert_eq!(
        (summary.completed, summary.released, summary.lost),
        (1, 1, 0)
    );
    // Given back at once, long before its lease is over, and as it was.
    let back = client.claim(Claim::of("work")).await.unwrap().unwrap();
    assert!(back.json::<bool>().unwrap());
    assert_eq!(
        (back.attempt, back.priority, back.state.as_str()),
        (2, 3, "submitted-working")
    );
    assert_eq!(back.auto_target_state, "submitted");
    assert_eq!(
        client.counts_of("work").await.unwrap().states["submitted"],
        1
    );
}

#[tokio::test]
async fn an_idle_worker_stops_and_leaves_nothing_behind() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let worker = Worker::new(client.clone(), "work").concurrency(4);
    let running = Running::start(worker, |_| async { Ok(Outcome::Done) });
    let uuid = submitted(&client).await;
    until("the worker stands in line", async || {
        let task = client.get(uuid).await.unwrap()?;
        (task.state == "completed").then_some(())
    })
    .await;
    assert_eq!(running.stop().await.completed, 1);
    let uuid = submitted(&client).await;
    let taken = client
        .claim(Claim::of("work").wait(PATIENCE))
        .await
        .unwrap();
    assert_eq!(taken.unwrap().uuid, uuid);
}
