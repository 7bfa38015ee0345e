//! Every row of the contract's table of errors: the code, the field, the limit, and nothing changed.

use corndogs::proto::v1alpha1::*;
use tonic::{Code, Status};

use crate::bad_requests::{
    MIB, bad_claims, bad_names, bad_submits, bad_updates, bad_uuids, submit,
};
use crate::common::{Api, Server, Tries, code, names};

/// No error repeats a long input.
const LONGEST_MESSAGE: usize = 200;

/// What is refused, the field that the error must name, and a word of the limit.
struct Refused(Tries<()>, String, &'static str);

impl Refused {
    fn assert(&self) {
        let Self(answer, field, limit) = self;
        let Err(status) = answer else {
            panic!("{field} over its limit was taken")
        };
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}");
        assert!(names(status, &[field, limit]), "{field}, {limit}: {status}");
        assert!(
            status.message().len() < LONGEST_MESSAGE,
            "{field}: {} bytes",
            status.message().len()
        );
    }
}

/// Updates, completions and cancellations of that task with one field over its limit.
async fn bad_acts(api: &mut Api, task: &Task) -> Vec<Refused> {
    let mut refused = Vec::new();
    let mut targets: Vec<_> = bad_uuids()
        .into_iter()
        .map(|uuid| (uuid, "q".to_owned(), 0, "uuid", "uuid"))
        .collect();
    let names = bad_names();
    targets.extend(
        names
            .iter()
            .map(|(name, limit)| (task.uuid.clone(), name.clone(), 0, "queue", *limit)),
    );
    targets.push((task.uuid.clone(), "q".to_owned(), -1, "attempt", "negative"));
    for (uuid, queue, attempt, field, limit) in targets {
        let (uuid, queue, current_state) = (
            || uuid.clone(),
            || queue.clone(),
            || task.current_state.clone(),
        );
        let field = || field.to_owned();
        let update = UpdateTaskRequest {
            uuid: uuid(),
            queue: queue(),
            current_state: current_state(),
            attempt,
            ..Default::default()
        };
        refused.push(Refused(api.update(update).await.map(drop), field(), limit));
        let complete = CompleteTaskRequest {
            uuid: uuid(),
            queue: queue(),
            current_state: current_state(),
            attempt,
            next_task: None,
        };
        refused.push(Refused(
            api.complete(complete).await.map(drop),
            field(),
            limit,
        ));
        let cancel = CancelTaskRequest {
            uuid: uuid(),
            queue: queue(),
            current_state: current_state(),
            attempt,
        };
        refused.push(Refused(api.cancel(cancel).await.map(drop), field(), limit));
        if attempt == 0 {
            let get = GetTaskStateByIdRequest {
                uuid: uuid(),
                queue: queue(),
            };
            let answer = api.client.get_task_state_by_id(get).await.map(drop);
            refused.push(Refused(answer, field(), limit));
        }
    }
    refused
}

/// Batches with one bad item each, beside a good one.
async fn bad_items(api: &mut Api, task: &Task) -> Vec<Refused> {
    let mut refused = Vec::new();
    for (request, field, limit) in bad_submits() {
        let answer = api.submit_tasks(vec![submit(), request]).await.map(drop);
        refused.push(Refused(answer, format!("tasks[1].{field}"), limit));
    }
    for (request, field, limit) in bad_claims() {
        let answer = api.claim_tasks(request, 1).await.map(drop);
        refused.push(Refused(answer, format!("next.{field}"), limit));
    }
    let good = CompleteTaskRequest {
        uuid: task.uuid.clone(),
        queue: "q".into(),
        current_state: task.current_state.clone(),
        ..Default::default()
    };
    for uuid in bad_uuids() {
        let bad = CompleteTaskRequest {
            uuid,
            ..good.clone()
        };
        let answer = api.complete_tasks(vec![good.clone(), bad]).await.map(drop);
        refused.push(Refused(answer, "tasks[1].uuid".to_owned(), "uuid"));
    }
    refused
}

#[tokio::test]
async fn refusals_name_field_and_limit_and_change_nothing() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let task = api
        .submit(SubmitTaskRequest {
            payload: "p".into(),
            ..submit()
        })
        .await
        .unwrap();
    let counts = api.all_counts().await.unwrap();
    let mut refused = bad_acts(&mut api, &task).await;
    for (request, field, limit) in bad_updates(&task) {
        let answer = api.update(request).await.map(drop);
        refused.push(Refused(answer, field.to_owned(), limit));
    }
    for (request, field, limit) in bad_submits() {
        refused.push(Refused(
            api.submit(request.clone()).await.map(drop),
            field.to_owned(),
            limit,
        ));
        let complete = CompleteTaskRequest {
            uuid: task.uuid.clone(),
            queue: "q".into(),
            current_state: task.current_state.clone(),
            next_task: Some(request),
            ..Default::default()
        };
        refused.push(Refused(
            api.complete(complete).await.map(drop),
            format!("next_task.{field}"),
            limit,
        ));
    }
    for (request, field, limit) in bad_claims() {
        refused.push(Refused(
            api.claim(request).await.map(drop),
            field.to_owned(),
            limit,
        ));
    }
    refused.extend(bad_items(&mut api, &task).await);
    refused.push(Refused(
        api.clean_up(-1, "").await.map(drop),
        "at_time".to_owned(),
        "negative",
    ));
    for (name, limit) in bad_names() {
        refused.push(Refused(
            api.clean_up(0, &name).await.map(drop),
            "queue".to_owned(),
            limit,
        ));
        refused.push(Refused(
            api.state_counts(&name).await.map(drop),
            "queue".to_owned(),
            limit,
        ));
    }
    assert!(
        refused.len() > 200,
        "only {} refusals were tried",
        refused.len()
    );
    refused.iter().for_each(Refused::assert);
    assert_eq!(api.all_counts().await.unwrap(), counts);
    assert_eq!(api.get(&task.uuid).await.unwrap(), Some(task));
}

#[tokio::test]
async fn the_limits_themselves_are_taken() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let name = "n".repeat(255);
    let request = SubmitTaskRequest {
        queue: name.clone(),
        current_state: "s".repeat(247),
        payload: vec![7; MIB].into(),
        ..Default::default()
    };
    let task = api.submit(request).await.unwrap();
    assert_eq!(
        (task.auto_target_state.len(), task.payload.len()),
        (255, MIB)
    );
    let claim = GetNextTaskRequest {
        queue: name.clone(),
        current_state: "s".repeat(247),
        override_current_state: name.clone(),
        override_auto_target_state: name.clone(),
        worker: name.clone(),
        ..Default::default()
    };
    let claimed = api.claim(claim).await.unwrap().unwrap();
    assert_eq!(
        (
            &claimed.current_state,
            &claimed.worker,
            claimed.payload.len()
        ),
        (&name, &name, MIB)
    );
}

#[tokio::test]
async fn payload_and_message_limits_are_options() {
    let server = Server::start_with(|setup| {
        setup
            .arg("--max-payload", "1000")
            .arg("--max-message", "10KiB")
    })
    .await;
    let mut api = server.api().await;
    let of = |bytes: usize| SubmitTaskRequest {
        payload: vec![1; bytes].into(),
        ..submit()
    };
    assert_eq!(api.submit(of(1000)).await.unwrap().payload.len(), 1000);
    Refused(
        api.submit(of(1001)).await.map(drop),
        "payload".to_owned(),
        "1000",
    )
    .assert();
    assert_too_long(&api.submit(of(11 << 10)).await.unwrap_err());
    assert_eq!(api.queues().await.unwrap().1, 1);
}

fn assert_too_long(status: &Status) {
    let code = status.code();
    assert!(
        matches!(code, Code::ResourceExhausted | Code::OutOfRange),
        "{status}"
    );
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let server = Server::start().await;
    let mut api = server.api().await;
    let of = |bytes: usize| SubmitTaskRequest {
        payload: vec![1; bytes].into(),
        ..submit()
    };
    // Under the message's limit but over the payload's: the field is named.
    Refused(
        api.submit(of(15 * MIB)).await.map(drop),
        "payload".to_owned(),
        "1048576",
    )
    .assert();
    assert_too_long(&api.submit(of(17 * MIB)).await.unwrap_err());
    assert_eq!(code(&api.queues().await), Code::Ok);
    assert_eq!(api.queues().await.unwrap().1, 0);
    api.assert_serves().await;
}
