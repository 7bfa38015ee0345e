//! Uuids that clients choose, so that a submit may be retried.

use corndogs::proto::v1alpha1::*;
use tonic::Code;

use crate::additions::{claim, complete, submit};
use crate::common::{Server, code};

/// A uuid that differs from others by its number.
pub fn uuid(number: u128) -> String {
    uuid::Uuid::from_u128(0x0192_f5e0_1234_7abc_8def_0000_0000_0000 + number).to_string()
}

#[tokio::test]
async fn the_same_submit_twice_is_one_task() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let request = SubmitTaskRequest {
        uuid: uuid(1),
        timeout: 60,
        ..submit("q")
    };
    let task = api.submit(request.clone()).await.unwrap();
    assert_eq!(task.uuid, uuid(1));
    assert_eq!(api.submit(request.clone()).await.unwrap(), task);
    // Defaults that are spelled out are the same request.
    let spelled = SubmitTaskRequest {
        current_state: "submitted".into(),
        auto_target_state: "submitted-working".into(),
        ..request.clone()
    };
    assert_eq!(api.submit(spelled).await.unwrap(), task);
    // It answers the task as it is now, live or archived.
    let claimed = api.claim(claim("w")).await.unwrap().unwrap();
    assert_eq!(api.submit(request.clone()).await.unwrap(), claimed);
    let done = api.complete(complete(&claimed, 1)).await.unwrap().unwrap();
    assert_eq!(api.submit(request).await.unwrap(), done);
    assert_eq!(api.queues().await.unwrap(), (vec![], 0));
}

#[tokio::test]
async fn another_submit_with_the_same_uuid_is_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let request = SubmitTaskRequest {
        uuid: uuid(1),
        ..submit("q")
    };
    let task = api.submit(request.clone()).await.unwrap();
    let others = [
        SubmitTaskRequest {
            queue: "other".into(),
            ..request.clone()
        },
        SubmitTaskRequest {
            current_state: "other".into(),
            ..request.clone()
        },
        SubmitTaskRequest {
            auto_target_state: "other".into(),
            ..request.clone()
        },
        SubmitTaskRequest {
            timeout: 1,
            ..request.clone()
        },
        SubmitTaskRequest {
            payload: "other".into(),
            ..request.clone()
        },
        SubmitTaskRequest {
            priority: 1,
            ..request.clone()
        },
        SubmitTaskRequest {
            claim_timeout: 1,
            ..request.clone()
        },
    ];
    for other in &others {
        assert_eq!(
            code(&api.submit(other.clone()).await),
            Code::AlreadyExists,
            "{other:?}"
        );
    }
    assert_eq!(api.get(&task.uuid).await.unwrap().as_ref(), Some(&task));
    api.complete(complete(&task, 0)).await.unwrap().unwrap();
    assert_eq!(
        code(&api.submit(others[0].clone()).await),
        Code::AlreadyExists
    );
    assert_eq!(api.queues().await.unwrap(), (vec![], 0));
}

#[tokio::test]
async fn uuids_in_any_usual_form() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let plain = uuid(5);
    let forms = [
        plain.clone(),
        plain.to_uppercase(),
        plain.replace('-', ""),
        format!("{{{plain}}}"),
        format!("urn:uuid:{plain}"),
    ];
    for form in &forms {
        let task = api
            .submit(SubmitTaskRequest {
                uuid: form.clone(),
                ..submit("q")
            })
            .await
            .unwrap();
        assert_eq!(task.uuid, plain);
        assert_eq!(api.get(form).await.unwrap().unwrap().uuid, plain);
    }
    assert_eq!(api.queues().await.unwrap().1, 1);
    let braced = CompleteTaskRequest {
        uuid: forms[3].clone(),
        queue: "q".into(),
        current_state: "submitted".into(),
        ..Default::default()
    };
    assert_eq!(api.complete(braced).await.unwrap().unwrap().uuid, plain);
}
