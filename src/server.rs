//! Starts a node from its configuration, serves, and shuts down in order.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;

mod dispatch;
mod error;
mod incoming;
mod join;
mod logging;
mod open;
mod peers;
mod restore;
mod start;

pub use error::ServerError;
pub use restore::{Restored, restore};

use crate::api::cluster::Cluster;
use crate::api::{Defaults, Service, Translator};
use crate::config::Config;
use crate::node::Node;
use crate::node::health::Health;
use crate::proto::PUBLIC_DESCRIPTORS;
use crate::proto::cluster::cluster_service_server::ClusterServiceServer;
use crate::proto::v1alpha1::corndogs_service_server::CorndogsServiceServer;
use crate::tls::ServerTls;
use dispatch::Dispatch;
use error::start_error;
use incoming::incoming;
use start::start;

/// The node of a configuration without `--members`.
const SINGLE_NODE: u64 = 1;
/// Tasks polled between two looks at the sockets: a group's answers are all written, and
/// whole connections' requests read, in one go (tokio's 61: about a tenth slower at 64 workers).
const EVENT_INTERVAL: u32 = 256;
/// How long calls in flight may take to finish after SIGTERM.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that is gone without a word is noticed after this long without an answer.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Calls at once on one connection; more wait in the client.
const MAX_STREAMS: u32 = 1024;
/// Bytes that a connection may have on the way; a stream's share is what one message may need.
const WINDOW_BYTES: u32 = 4 << 20;

/// Runs a node until it is told to stop.
///
/// # Errors
/// If it can't start; one line that says what to do.
pub fn run(config: Config) -> Result<(), ServerError> {
    logging::start(&config);
    // One thread runs everything but file IO: measured faster than several on few cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()
        .map_err(|error| start_error("start the runtime")(error.to_string()))?;
    let served = runtime.block_on(serve(&config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn serve(config: &Config) -> Result<(), ServerError> {
    let tls = config.tls.as_ref().map(ServerTls::load).transpose()?;
    // Told to stop before it serves: nothing is in flight, and the log holds all there is.
    let (listener, node, directory) = tokio::select! {
        started = start(config) => started?,
        () = told_to_stop() => return Ok(()),
    };
    let served = serve_calls(config, listener, tls, &node).await;
    shut_down(&node).await;
    // Nobody else may have the directory before the last checkpoint is written.
    drop(directory);
    served
}

/// Serves gRPC until SIGTERM or SIGINT, then finishes what is in flight.
async fn serve_calls(
    config: &Config,
    listener: TcpListener,
    tls: Option<ServerTls>,
    node: &Node,
) -> Result<(), ServerError> {
    let translator = Translator {
        defaults: Defaults {
            queue: config.default_queue.clone(),
            current_state: config.default_state.clone(),
            timeout_s: config.default_timeout_s,
        },
        max_payload_bytes: config.max_payload,
    };
    let service = CorndogsServiceServer::new(Service::new(node.clone(), translator))
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
    let reflection_v1 = reflection().build_v1().map_err(broken)?;
    let reflection_v1alpha = reflection().build_v1alpha().map_err(broken)?;
    let others = Routes::new(cluster)
        .add_service(health)
        .add_service(reflection_v1)
        .add_service(reflection_v1alpha)
        .prepare();
    let (stop, stopping) = watch::channel(false);
    let mut stopped = stopping.clone();
    let server = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .serve_with_incoming_shutdown(
            Dispatch::new(service, others),
            incoming(listener, tls, "clients"),
            async move {
                // An error means that the sender is gone: then it is time to stop, too.
                let _ = stopped.wait_for(|stop| *stop).await;
            },
        );
    tracing::info!(address = %config.listen, tls = config.tls.is_some(), http = %config.http_listen, "listening");
    tokio::pin!(server);
    let failed = |error: tonic::transport::Error| start_error("serve gRPC")(error.to_string());
    tokio::select! {
        ended = &mut server => return ended.map_err(failed),
        () = async {
            told_to_stop().await;
            tracing::info!("told to stop: finishing what is in flight");
            // Calls are still served meanwhile: no answer is lost with the lead.
            node.hand_over().await;
        } => {}
    }
    node.health().set(Health::Draining);
    stop.send_replace(true);
    match tokio::time::timeout(DRAIN_TIMEOUT, server).await {
        Ok(ended) => ended.map_err(failed),
        Err(_) => {
            tracing::warn!("some calls or connections were still open after {DRAIN_TIMEOUT:?}");
            Ok(())
        }
    }
}

async fn told_to_stop() {
    let wait = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        // Without a handler the signal's default ends the process: nothing to wait for.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}

/// Keeps `grpc.health.v1` in step: SERVING while a call would be served.
async fn report_health(
    mut health: watch::Receiver<Health>,
    reporter: tonic_health::server::HealthReporter,
) {
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

/// Makes the next start quick: all that is applied goes to the checkpoint.
async fn shut_down(node: &Node) {
    node.raft().shutdown().await;
    if let Err(error) = node.store().checkpoint_now().await {
        tracing::warn!(%error, "no last checkpoint: the next start replays more of the log");
    }
    tracing::info!("stopped");
}
