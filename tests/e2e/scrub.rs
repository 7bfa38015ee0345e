//! What a disk holds is read now and then: a row that is not what was written is not served for long.

use corndogs::proto::v1alpha1::*;

use crate::common::{Failure, Server, failure, metric, plant, until};

const PAYLOAD: &[u8] = b"a payload that rots";

async fn with_task() -> (Server, Task) {
    let server = Server::start_with(|setup| setup.arg("--scrub-every", "1s")).await;
    let submit = SubmitTaskRequest {
        payload: PAYLOAD.into(),
        ..Default::default()
    };
    let task = server.api().await.submit(submit).await.unwrap();
    (server, task)
}

#[tokio::test]
async fn a_rotten_row_is_found_and_the_state_rebuilt() {
    let (mut server, task) = with_task().await;
    assert_eq!(server.stop().await, Some(0));
    plant::change_payload(server.data_dir(), PAYLOAD);
    let mut server = server.restart_at_once();
    until("503 and the reason", async || {
        let (status, text) = server.readyz().await;
        let words = "its rows do not match its state hash";
        (status == 503 && text.contains(words)).then_some(())
    })
    .await;
    let mut api = server.api().await;
    let refused = api.get(&task.uuid).await.unwrap_err();
    assert_eq!(failure(&refused), Failure::NothingDone, "{refused:?}");
    assert!(metric(server.http, "corndogs_scrub_failures_total").await >= 1.0);
    server.kill();
    let mut server = server.restart().await;
    let found = server.api().await.get(&task.uuid).await.unwrap();
    assert_eq!(found, Some(task));
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn a_sound_checkpoint_is_read_over_and_over() {
    let (server, task) = with_task().await;
    let http = server.http;
    until("two passes", async || {
        let passes = crate::common::metrics(http).await;
        let passes = passes.get("corndogs_scrub_passes_total").copied();
        (passes >= Some(2.0)).then_some(())
    })
    .await;
    let found = server.api().await.get(&task.uuid).await.unwrap();
    assert_eq!(found, Some(task));
}
