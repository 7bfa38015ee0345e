//! The client side: served from the start, so that a node that can't serve yet says so.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::dispatch::{Dispatch, Services};
use super::error::{ServerError, start_error};
use super::incoming::incoming;
use crate::api::cluster::Cluster;
use crate::api::{Defaults, Schedules, Service, Translator};
use crate::config::Config;
use crate::net::TcpListener;
use crate::node::Node;
use crate::node::health::{Health, HealthBoard};
use crate::proto::PUBLIC_DESCRIPTORS;
use crate::proto::cluster::cluster_service_server::ClusterServiceServer;
use crate::proto::v1alpha1::corndogs_service_server::CorndogsServiceServer;
use crate::proto::v1alpha1::schedule_service_server::ScheduleServiceServer;
use crate::tls::ServerTls;

/// How long calls in flight may take to finish after SIGTERM.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that is gone without a word is noticed after this long without an answer.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Calls at once on one connection; more wait in the client.
const MAX_STREAMS: u32 = 1024;
/// Bytes that a connection may have on the way; a stream's share is what one message may need.
const WINDOW_BYTES: u32 = 4 << 20;

/// The server that clients talk to.
pub struct Calls {
    services: Arc<OnceLock<Services>>,
    stop: watch::Sender<bool>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Calls {
    /// Serves the listener. Until [`Calls::open`], every call is answered that nothing was done.
    pub fn serve(listener: TcpListener, tls: Option<ServerTls>, health: Arc<HealthBoard>) -> Self {
        let services = Arc::new(OnceLock::new());
        let (stop, mut stopping) = watch::channel(false);
        let server = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .serve_with_incoming_shutdown(
                Dispatch::new(services.clone(), health),
                incoming(listener, tls, "clients"),
                async move {
                    // An error means that the sender is gone: then it is time to stop, too.
                    let _ = stopping.wait_for(|stop| *stop).await;
                },
            );
        Self {
            services,
            stop,
            server: tokio::spawn(server),
        }
    }

    /// From now on calls go to the node.
    ///
    /// # Errors
    /// If reflection can't be set up.
    pub fn open(&self, config: &Config, node: &Node) -> Result<(), ServerError> {
        let services = services(config, node)?;
        // The cell is empty: a node is made once.
        let _ = self.services.set(services);
        Ok(())
    }

    /// Returns when the server has ended by itself, which it should not.
    ///
    /// # Errors
    /// What ended it.
    pub async fn ended(&mut self) -> Result<(), ServerError> {
        let ended = (&mut self.server).await;
        let failed = |why: String| start_error("serve gRPC")(why);
        match ended {
            Ok(ended) => ended.map_err(|error| failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Takes no more calls, and finishes those in flight.
    ///
    /// # Errors
    /// As [`Calls::ended`].
    pub async fn finish(mut self) -> Result<(), ServerError> {
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(DRAIN_TIMEOUT, self.ended()).await;
        ended.unwrap_or_else(|_| {
            tracing::warn!("some calls or connections were still open after {DRAIN_TIMEOUT:?}");
            Ok(())
        })
    }
}

fn services(config: &Config, node: &Node) -> Result<Services, ServerError> {
    let translator = Translator {
        defaults: Defaults {
            queue: config.default_queue.clone(),
            current_state: config.default_state.clone(),
            timeout_s: config.default_timeout_s,
        },
        max_payload_bytes: config.max_payload,
    };
    let schedules = Schedules::new(node.clone(), translator.clone(), config.idempotency_window);
    let schedules = ScheduleServiceServer::new(schedules)
        .max_decoding_message_size(config.max_message)
        .max_encoding_message_size(usize::MAX);
    let service = Service::new(node.clone(), translator, config.idempotency_window);
    let corndogs = CorndogsServiceServer::new(service)
        .max_decoding_message_size(config.max_message)
        .max_encoding_message_size(usize::MAX);
    let cluster = ClusterServiceServer::new(Cluster::new(node.clone()));
    let (reporter, health) = tonic_health::server::health_reporter();
    tokio::spawn(report_health(node.health().subscribe(), reporter));
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(PUBLIC_DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let broken = |error: tonic_reflection::server::Error| {
        start_error("set up reflection")(error.to_string())
    };
    let others = Routes::new(cluster)
        .add_service(schedules)
        .add_service(health)
        .add_service(reflection().build_v1().map_err(broken)?)
        .add_service(reflection().build_v1alpha().map_err(broken)?)
        .prepare();
    Ok(Services { corndogs, others })
}

/// Keeps `grpc.health.v1` in step: SERVING while a call would be served.
async fn report_health(mut health: watch::Receiver<Health>, reporter: HealthReporter) {
    loop {
        let serving = match health.borrow_and_update().refuses_writes() {
            None => ServingStatus::Serving,
            Some(_) => ServingStatus::NotServing,
        };
        reporter.set_service_status("", serving).await;
        let name = <CorndogsServiceServer<Service> as NamedService>::NAME;
        reporter.set_service_status(name, serving).await;
        if health.changed().await.is_err() {
            return;
        }
    }
}
