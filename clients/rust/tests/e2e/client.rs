//! Typed calls, one by one.

use std::time::{Duration, SystemTime};

use corndogs_client::{
    Claim, Client, Error, Failure, Options, RetryBackoff, Submit, Task, Update, Uuid,
};
use serde::{Deserialize, Serialize};

use crate::common::Cluster;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mail {
    to: String,
    lines: Vec<String>,
}

fn mail() -> Mail {
    Mail {
        to: "hot@dog".into(),
        lines: vec!["mustard".into(), "k\u{e4}se".into()],
    }
}

async fn claim(client: &Client, queue: &str) -> Task {
    client.claim(Claim::of(queue)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_typed_task_goes_in_and_comes_out() {
    let cluster = Cluster::start(1).await;
    let client = Client::connect(cluster.addresses()).await.unwrap();
    let submitted = client
        .submit("mail", &mail())
        .priority(7)
        .timeout(Duration::from_secs(60))
        .claim_timeout(Duration::from_secs(30))
        .metadata("from", "corn")
        .unique_key("dog")
        .max_attempts(3)
        .send()
        .await
        .unwrap();
    assert_eq!(submitted.json::<Mail>().unwrap(), mail());
    assert_eq!(
        (submitted.queue.as_str(), submitted.state.as_str()),
        ("mail", "submitted")
    );
    assert_eq!(
        (
            submitted.priority,
            submitted.attempt,
            submitted.max_attempts
        ),
        (7, 0, 3)
    );
    assert_eq!(submitted.timeout, Some(Duration::from_secs(60)));
    assert_eq!(submitted.claim_timeout, Some(Duration::from_secs(30)));
    assert_eq!(submitted.metadata["from"], "corn");
    assert_eq!(submitted.unique_key, "dog");
    assert!(submitted.expires_at.unwrap() > submitted.submit_time);
    assert_eq!(
        client.get(submitted.uuid).await.unwrap(),
        Some(submitted.clone())
    );
    let again = client
        .submit("mail", &mail())
        .unique_key("dog")
        .send()
        .await;
    assert_eq!(again.unwrap().uuid, submitted.uuid);

    let lease = Duration::from_millis(8500);
    let taken = client
        .claim(Claim::of("mail").worker("me").lease(lease))
        .await
        .unwrap();
    let taken = taken.unwrap();
    assert_eq!(taken.json::<Mail>().unwrap(), mail());
    assert_eq!(
        (taken.state.as_str(), taken.attempt),
        ("submitted-working", 1)
    );
    assert_eq!(
        (taken.worker.as_str(), taken.timeout),
        ("me", Some(Duration::from_secs(9)))
    );
    let longer = client
        .extend(&taken, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(longer.timeout, Some(Duration::from_secs(20)));
    let done = client.complete(&taken).await.unwrap();
    assert_eq!(
        (done.uuid, done.state.as_str()),
        (submitted.uuid, "completed")
    );
    assert!(done.json::<Mail>().is_err(), "the archive keeps no payload");
}

#[tokio::test]
async fn batches_delays_and_counts() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let numbers = (0..5).map(|number| Submit::json("numbers", &number));
    let submitted = client.submit_many(numbers).await.unwrap();
    let payloads: Vec<u32> = submitted.iter().map(|task| task.json().unwrap()).collect();
    assert_eq!(payloads, [0, 1, 2, 3, 4]);
    assert_eq!(client.submit_many(Vec::<Submit>::new()).await.unwrap(), []);

    let later = SystemTime::now() + Duration::from_secs(3600);
    let bytes = client
        .submit_bytes("raw", vec![0, 255])
        .not_before(later)
        .send()
        .await
        .unwrap();
    assert_eq!(&bytes.payload[..], [0, 255]);
    assert!(bytes.not_before.unwrap() > bytes.submit_time);
    assert_eq!(client.claim(Claim::of("raw")).await.unwrap(), None);

    let two = client
        .claim_many(Claim::of("numbers").queues(["raw"]), 2)
        .await
        .unwrap();
    let uuids = |tasks: &[Task]| tasks.iter().map(|task| task.uuid).collect::<Vec<Uuid>>();
    assert_eq!(uuids(&two), uuids(&submitted[..2]));
    let counts = client.counts_of("numbers").await.unwrap();
    assert_eq!(
        (
            counts.total,
            counts.states["submitted"],
            counts.states["submitted-working"]
        ),
        (5, 3, 2)
    );
    assert_eq!(client.counts().await.unwrap()["numbers"], counts);
    assert_eq!(client.queues().await.unwrap(), ["numbers", "raw"]);
}

#[tokio::test]
async fn a_held_task_moves_on() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    client.submit("a", &1).priority(4).send().await.unwrap();
    let held = claim(&client, "a").await;
    let update = Update::to("checked").json(&2).unwrap();
    let moved = client.update(&held, update).await.unwrap();
    assert_eq!((moved.state.as_str(), moved.priority), ("checked", 4));
    let held = client
        .claim(Claim::of("a").state("checked"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((held.json::<u32>().unwrap(), held.attempt), (2, 2));
    let next = Submit::json("b", &3);
    let (done, next) = client.complete_with_next(&held, next).await.unwrap();
    assert_eq!((done.uuid, next.queue.as_str()), (held.uuid, "b"));
    let canceled = client.cancel(&next).await.unwrap();
    assert_eq!(canceled.state, "canceled");
    assert_eq!(client.queues().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn refusals_have_types() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let invalid = client.submit("q".repeat(256), &()).send().await;
    assert!(matches!(invalid, Err(Error::Invalid(why)) if why.contains("queue")));
    let uuid = Uuid::new_v4();
    let task = client.submit("a", &1).uuid(uuid).send().await.unwrap();
    assert_eq!(
        client.submit("a", &1).uuid(uuid).send().await.unwrap(),
        task
    );
    let taken = client.submit("a", &2).uuid(uuid).send().await;
    assert!(matches!(taken, Err(Error::AlreadyExists(_))));
    assert_eq!(client.get(Uuid::new_v4()).await.unwrap(), None);

    let first = claim(&client, "a").await;
    client
        .update(&first, Update::to("submitted"))
        .await
        .unwrap();
    let moved_on = client.complete(&first).await;
    assert!(matches!(moved_on, Err(Error::NotFound)), "{moved_on:?}");
    let second = claim(&client, "a").await;
    let stale = client
        .complete_with_next(&first, Submit::json("b", &1))
        .await;
    assert!(matches!(stale, Err(Error::LeaseLost(_))), "{stale:?}");
    client.complete(&second).await.unwrap();
    let archived = client.cancel(&second).await;
    assert!(matches!(archived, Err(Error::NotFound)), "{archived:?}");
}

#[tokio::test]
async fn a_node_that_is_not_there_is_passed_over() {
    let cluster = Cluster::start(1).await;
    let gone = "127.0.0.1:1".to_owned();
    for _ in 0..8 {
        let addresses = [gone.clone(), cluster.nodes[0].grpc.to_string()];
        let client = Client::connect(addresses).await.unwrap();
        client.submit("a", &1).send().await.unwrap();
    }
    assert_eq!(cluster.client().counts_of("a").await.unwrap().total, 8);
    let options = Options::new([gone]).retry_for(Duration::from_millis(300));
    let error = options
        .build()
        .unwrap()
        .submit("a", &1)
        .send()
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Unavailable { tries, .. } if tries > 1),
        "{error}"
    );
}

#[tokio::test]
async fn a_failure_says_why_and_when_to_try_again() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let seconds = Duration::from_secs;
    let doubling = RetryBackoff::starting_at(seconds(60)).cap(seconds(90));
    let failure = Failure::because("it rains");
    for (backoff, failure, wait) in [
        (None, failure.clone(), None),
        (Some(doubling), failure.clone(), Some(seconds(60))),
        (
            Some(doubling),
            failure.clone().retry_after(Duration::from_millis(4500)),
            Some(seconds(5)),
        ),
        (None, failure.retry_after(seconds(0)), Some(seconds(1))),
    ] {
        let mut submit = client.submit("outside", &1);
        if let Some(backoff) = backoff {
            submit = submit.retry_backoff(backoff);
        }
        let submitted = submit.send().await.unwrap();
        assert_eq!(submitted.retry_backoff, backoff);
        let held = claim(&client, "outside").await;
        let back = client.fail(&held, failure.clone()).await.unwrap();
        assert_eq!((back.state.as_str(), back.attempt), ("submitted", 1));
        assert_eq!(back.last_error, "it rains");
        assert_eq!(back.not_before, wait.map(|wait| back.update_time + wait));
        let again = client.fail(&held, failure).await;
        assert!(matches!(again, Err(Error::NotFound)), "{again:?}");
        client.cancel(&back).await.unwrap();
    }
    client.submit("outside", &2).send().await.unwrap();
    let held = claim(&client, "outside").await;
    let hopeless = Failure::because("no umbrella").dead();
    let dead = client.fail(&held, hopeless).await.unwrap();
    assert_eq!(
        (dead.state.as_str(), dead.last_error.as_str()),
        ("dead", "no umbrella")
    );
}
