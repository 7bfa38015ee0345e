//! Work that histories are made of: tasks are submitted, claimed, and completed with next ones.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use corndogs::proto::v1alpha1::*;
use futures::StreamExt;
use futures::future::join_all;

use super::history::{Event, History, Told, id_of};
use super::{Api, Failure, Random, Tries, failure, metric, until};

pub const QUEUE: &str = "load";
/// Calls at once where there are many to make.
const AT_ONCE: usize = 64;

/// The submit of a task with that id; the client chooses the uuid of every other.
pub fn submit(id: &str, random: &mut Random) -> SubmitTaskRequest {
    let uuid = if random.below(2) == 0 {
        random.uuid()
    } else {
        String::new()
    };
    SubmitTaskRequest {
        queue: QUEUE.into(),
        payload: id.to_owned().into(),
        priority: random.below(3) as i64,
        uuid,
        ..Default::default()
    }
}

/// The completion by its holder; `next` is the id of the task that it submits.
pub fn completion(task: &Task, next: Option<&String>) -> CompleteTaskRequest {
    let next_task = next.map(|id| SubmitTaskRequest {
        queue: QUEUE.into(),
        payload: id.clone().into(),
        ..Default::default()
    });
    CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: QUEUE.into(),
        current_state: task.current_state.clone(),
        attempt: task.attempt,
        next_task,
    }
}

/// A claim can come to another client's knowledge before the submit: submits go first.
pub fn submits_first(events: &mut [Event]) {
    events.sort_by_key(|event| match event {
        Event::Complete { next: Some(_), .. } | Event::Submit { .. } => 0,
        _ => 1,
    });
}

/// The answer; none where it may be asked once more, since nobody could answer now.
fn calmly<T>(answer: Tries<T>) -> Option<T> {
    let status = match answer {
        Ok(answer) => return Some(answer),
        Err(status) => status,
    };
    let passes = matches!(failure(&status), Failure::NothingDone | Failure::Unknown);
    assert!(passes, "{status:?}");
    None
}

/// Repeats what is in doubt: the same uuid, or the same attempt, so that it is done once.
pub async fn settle(api: &mut Api, event: Event) -> Event {
    match event {
        Event::Submit {
            id,
            uuid: Some(uuid),
            told: Told::Unknown,
            client_uuid: true,
        } => {
            let found = until("a look-up", async || calmly(api.get(&uuid).await)).await;
            if let Some(task) = &found {
                // The archive keeps no payload.
                assert!(
                    id_of(task) == id || task.current_state == "completed",
                    "{id} became {task:?}"
                );
            }
            let told = if found.is_some() {
                Told::Done
            } else {
                Told::Unknown
            };
            Event::Submit {
                id,
                uuid: Some(uuid),
                told,
                client_uuid: true,
            }
        }
        Event::Complete {
            task,
            next,
            told: Told::Unknown,
        } => {
            // Answers without a task where the first try did it: then its next task is there too.
            let request = completion(&task, next.as_ref());
            until("a completion", async || {
                calmly(api.complete(request.clone()).await)
            })
            .await;
            let now = api.get(&task.uuid).await.unwrap().unwrap();
            assert_eq!(
                now.current_state, "completed",
                "a holder can't complete {task:?}"
            );
            Event::Complete {
                task,
                next,
                told: Told::Done,
            }
        }
        settled => settled,
    }
}

/// Every task that the clients know, and the totals.
pub async fn check(api: &Api, http: SocketAddr, history: &History, events: &[Event]) {
    let uuids = events.iter().filter_map(|event| match event {
        Event::Submit {
            uuid: Some(uuid),
            told: Told::Done,
            ..
        } => Some(uuid),
        Event::Claim { task } | Event::Complete { task, .. } => Some(&task.uuid),
        _ => None,
    });
    let uuids: BTreeSet<&String> = uuids.collect();
    let looks = futures::stream::iter(uuids).for_each_concurrent(AT_ONCE, async |uuid| {
        let found = api.clone().get(uuid).await.unwrap();
        history.check(uuid, found.as_ref());
    });
    looks.await;
    let mut api = api.clone();
    let live = api.queues().await.unwrap().1;
    let submitted = metric(http, "corndogs_tasks_total").await as i64;
    let completed = metric(http, "corndogs_completed_tasks_total").await as i64;
    assert_eq!(submitted, live + completed, "submitted = live + completed");
    assert_eq!(completed, history.completed.len() as i64);
    let most = history.submitted.len() + history.maybe_submitted.len();
    assert!((history.submitted.len()..=most).contains(&(submitted as usize)));
    let states = api.state_counts(QUEUE).await.unwrap();
    assert_eq!(states.state_counts.values().sum::<i64>(), live);
}

/// Takes all that is live out of the queue, whoever holds it.
pub async fn drain(api: &Api) -> Vec<Task> {
    let drains = (0..AT_ONCE).map(|_| drain_alone(api.clone()));
    let drained = join_all(drains).await.concat();
    assert_eq!(api.clone().queues().await.unwrap(), (vec![], 0));
    drained
}

async fn drain_alone(mut api: Api) -> Vec<Task> {
    let mut drained = Vec::new();
    for state in ["submitted", "submitted-working"] {
        let claim = GetNextTaskRequest {
            queue: QUEUE.into(),
            current_state: state.into(),
            override_current_state: "draining".into(),
            ..Default::default()
        };
        while let Some(task) = api.claim(claim.clone()).await.unwrap() {
            let done = api.complete(completion(&task, None)).await.unwrap();
            assert!(done.is_some());
            drained.push(task);
        }
    }
    drained
}
