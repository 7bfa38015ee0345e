//! What operators look at: health, reflection, metrics, probes, the page.

use corndogs::proto::v1alpha1::*;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::common::{Api, Server, http_get, metric, metrics};

const SERVICE: &str = "corndogs.v1alpha1.CorndogsService";

pub async fn channel(server: &Server) -> Channel {
    Channel::from_shared(format!("http://{}", server.grpc))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// What `grpc.health.v1` says of the service.
pub async fn health(server: &Server, service: &str) -> Result<ServingStatus, tonic::Status> {
    let request = HealthCheckRequest {
        service: service.into(),
    };
    let answer = HealthClient::new(channel(server).await)
        .check(request)
        .await?;
    Ok(answer.into_inner().status())
}

#[tokio::test]
async fn health_is_serving() {
    let server = Server::start().await;
    assert_eq!(health(&server, "").await.unwrap(), ServingStatus::Serving);
    assert_eq!(
        health(&server, SERVICE).await.unwrap(),
        ServingStatus::Serving
    );
    assert_eq!(
        health(&server, "nobody").await.unwrap_err().code(),
        Code::NotFound
    );
}

macro_rules! reflection {
    ($test:ident, $version:ident) => {
        #[tokio::test]
        async fn $test() {
            use pb::server_reflection_request::MessageRequest;
            use pb::server_reflection_response::MessageResponse;
            use tonic_reflection::pb::$version as pb;
            let server = Server::start().await;
            let mut client =
                pb::server_reflection_client::ServerReflectionClient::new(channel(&server).await);
            let asked = [
                MessageRequest::ListServices(String::new()),
                MessageRequest::FileContainingSymbol(SERVICE.into()),
                MessageRequest::FileContainingSymbol("grpc.health.v1.Health".into()),
            ];
            let requests: Vec<_> = asked
                .map(|asked| pb::ServerReflectionRequest {
                    host: String::new(),
                    message_request: Some(asked),
                })
                .into();
            let stream = client
                .server_reflection_info(tokio_stream::iter(requests))
                .await
                .unwrap()
                .into_inner();
            let answers: Vec<_> = stream
                .map(|answer| answer.unwrap().message_response.unwrap())
                .collect()
                .await;
            let MessageResponse::ListServicesResponse(services) = &answers[0] else {
                panic!("{:?}", answers[0])
            };
            let names: Vec<_> = services
                .service
                .iter()
                .map(|service| service.name.as_str())
                .collect();
            assert!(
                names.contains(&SERVICE) && names.contains(&"grpc.health.v1.Health"),
                "{names:?}"
            );
            for answer in &answers[1..] {
                let MessageResponse::FileDescriptorResponse(files) = answer else {
                    panic!("{answer:?}")
                };
                assert!(!files.file_descriptor_proto.is_empty());
            }
        }
    };
}

reflection!(reflection_v1_lists_the_service, v1);
reflection!(reflection_v1alpha_lists_the_service, v1alpha);

/// Submits four tasks; completes, cancels and times out one each.
async fn some_of_everything(api: &mut Api, queue: &str) {
    let mut tasks = Vec::new();
    for timeout in [0, 0, 5, 0] {
        let request = SubmitTaskRequest {
            queue: queue.into(),
            timeout,
            ..Default::default()
        };
        tasks.push(api.submit(request).await.unwrap());
    }
    let (queue, state) = (|| queue.to_owned(), || "submitted".to_owned());
    let complete = CompleteTaskRequest {
        uuid: tasks[0].uuid.clone(),
        queue: queue(),
        current_state: state(),
        ..Default::default()
    };
    assert!(api.complete(complete.clone()).await.unwrap().is_some());
    let cancel = CancelTaskRequest {
        uuid: tasks[1].uuid.clone(),
        queue: queue(),
        current_state: state(),
        attempt: 0,
    };
    assert!(api.cancel(cancel).await.unwrap().is_some());
    assert_eq!(api.clean_up(tasks[2].expires_at + 1, "").await.unwrap(), 1);
    // Calls that change no task count for nothing.
    assert!(api.complete(complete).await.unwrap().is_none());
    assert_eq!(api.clean_up(0, "").await.unwrap(), 0);
}

#[tokio::test]
async fn metrics_count_tasks_and_survive_restarts() {
    let mut server = Server::start().await;
    let queue = "a\"b\\c";
    let mut api = server.api().await;
    some_of_everything(&mut api, queue).await;
    let expected = [
        ("corndogs_tasks_total", 4.0),
        ("corndogs_completed_tasks_total", 1.0),
        ("corndogs_canceled_tasks_total", 1.0),
        ("corndogs_timed_out_tasks_total", 1.0),
        (
            r#"corndogs_tasks_in_queue{queue="a\"b\\c",current_state="submitted"}"#,
            1.0,
        ),
        (
            r#"corndogs_tasks_in_queue{queue="a\"b\\c",current_state="submitted-working"}"#,
            1.0,
        ),
    ];
    for ends in ["before", "kill", "stop"] {
        match ends {
            "kill" => server.kill(),
            "stop" => assert_eq!(server.stop().await, Some(0)),
            _ => {}
        }
        if ends != "before" {
            server = server.restart().await;
        }
        for (name, value) in expected {
            assert_eq!(metric(server.http, name).await, value, "{name}, {ends}");
        }
        let samples = metrics(server.http).await;
        let queues = samples
            .keys()
            .filter(|name| name.starts_with("corndogs_tasks_in_queue"))
            .count();
        assert_eq!(queues, 2, "{samples:?}");
    }
    // A queue that is empty again shows no more.
    let mut api = server.api().await;
    let claim = GetNextTaskRequest {
        queue: queue.into(),
        current_state: "submitted".into(),
        ..Default::default()
    };
    let task = api.claim(claim).await.unwrap().unwrap();
    let (uuid, current_state) = (task.uuid, task.current_state);
    let complete = CompleteTaskRequest {
        uuid,
        queue: queue.into(),
        current_state,
        ..Default::default()
    };
    assert!(api.complete(complete).await.unwrap().is_some());
    let samples = metrics(server.http).await;
    assert!(!samples.contains_key(expected[4].0), "{samples:?}");
    assert_eq!(samples["corndogs_completed_tasks_total"], 2.0);
}

#[tokio::test]
async fn metrics_have_their_types() {
    let server = Server::start().await;
    let (status, text) = http_get(server.http, "/metrics").await.unwrap();
    assert_eq!(status, 200);
    let counters = [
        "tasks_total",
        "completed_tasks_total",
        "canceled_tasks_total",
        "timed_out_tasks_total",
    ];
    for name in counters {
        assert!(
            text.contains(&format!("# TYPE corndogs_{name} counter\n")),
            "{name} in\n{text}"
        );
    }
    assert!(
        text.contains("# TYPE corndogs_tasks_in_queue gauge\n"),
        "{text}"
    );
    let mut names: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a metric is described twice");
}

#[tokio::test]
async fn probes_and_the_page() {
    let server = Server::start().await;
    assert_eq!(http_get(server.http, "/livez").await.unwrap().0, 200);
    assert_eq!(http_get(server.http, "/readyz").await.unwrap().0, 200);
    let (status, page) = http_get(server.http, "/").await.unwrap();
    assert_eq!(status, 200);
    assert!(
        page.to_lowercase().contains("<html") && page.contains("Corndogs"),
        "{page}"
    );
}
