//! What the counts tell, and of what.

use corndogs::proto::v1alpha1::*;

use crate::common::Server;
use crate::contract::{cancel, submit, update};

#[tokio::test]
async fn counts_are_of_live_tasks() {
    let server = Server::start().await;
    let mut api = server.api().await;
    assert_eq!(api.queues().await.unwrap(), (vec![], 0));
    let mut tasks = Vec::new();
    for queue in ["b", "a", "b", "c"] {
        tasks.push(api.submit(submit(queue)).await.unwrap());
    }
    api.update(UpdateTaskRequest {
        new_state: "held".into(),
        ..update(&tasks[2])
    })
    .await
    .unwrap()
    .unwrap();
    api.cancel(cancel(&tasks[3])).await.unwrap().unwrap();

    let (mut queues, total) = api.queues().await.unwrap();
    queues.sort();
    assert_eq!((queues, total), (vec!["a".to_owned(), "b".to_owned()], 3));
    let (counts, total) = api.queue_counts().await.unwrap();
    assert_eq!(
        (counts, total),
        ([("a".to_owned(), 1), ("b".to_owned(), 2)].into(), 3)
    );
    let of_b = api.state_counts("b").await.unwrap();
    assert_eq!((of_b.queue.as_str(), of_b.count), ("b", 2));
    assert_eq!(
        of_b.state_counts,
        [("held".to_owned(), 1), ("submitted".to_owned(), 1)].into()
    );
    for empty in ["c", "never", ""] {
        let none = api.state_counts(empty).await.unwrap();
        assert_eq!(
            none,
            GetTaskStateCountsResponse {
                queue: empty.into(),
                ..Default::default()
            }
        );
    }
    let all = api.all_counts().await.unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "b"]);
    let b = QueueAndStateCounts {
        queue: "b".into(),
        count: 2,
        state_counts: of_b.state_counts,
    };
    assert_eq!(all["b"], b);
    assert_eq!(all["a"].state_counts, [("submitted".to_owned(), 1)].into());
}
