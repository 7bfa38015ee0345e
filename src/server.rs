//! Starts a node from its configuration, serves, and shuts down in order.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

mod restore;

pub use restore::{Restored, restore};

use crate::api::cluster::Cluster;
use crate::api::{Defaults, Service, Translator};
use crate::clock::{self, Clock};
use crate::config::{Config, LogFormat};
use crate::http::{self, Site, metrics::Metrics};
use crate::node::health::{Health, HealthBoard};
use crate::node::{Node, Options};
use crate::proto::PUBLIC_DESCRIPTORS;
use crate::proto::cluster::cluster_service_server::ClusterServiceServer;
use crate::proto::v1alpha1::corndogs_service_server::CorndogsServiceServer;
use crate::raft::Raft;
use crate::raft::log::LogStore;
use crate::store::directory::{DataDir, DirectoryError, Identity};
use crate::store::{self, Store, StoreError, View};

/// The node of a configuration without `--members`.
const SINGLE_NODE: u64 = 1;
/// How long calls in flight may take to finish after SIGTERM.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that is gone without a word is noticed after this long without an answer.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How often a long replay says how far it is.
const REPLAY_INTERVAL: Duration = Duration::from_secs(1);
/// Calls at once on one connection; more wait in the client.
const MAX_STREAMS: u32 = 1024;
/// Bytes that a connection may have on the way; a stream's share is what one message may need.
const WINDOW_BYTES: u32 = 4 << 20;

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory is refused.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The state can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log can't be opened.
    #[error("the log in {} can't be opened: {source}; a damaged log is never shortened: restore a backup into a new directory, or, in a cluster, replace this node", path.display())]
    Log {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// Entries between state and log are missing.
    #[error("the log in {} holds the entries {first} to {last}, but the state needs entry {next} next: entries are missing; restore a backup into a new directory, or, in a cluster, replace this node", path.display())]
    Gap {
        /// Where it lies.
        path: PathBuf,
        /// The log's first entry.
        first: u64,
        /// The log's last entry.
        last: u64,
        /// The entry that the state needs next.
        next: u64,
    },
    /// An address can't be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A cluster was configured.
    #[error("--members: this version serves single nodes only")]
    Cluster,
    /// Anything else that stops a start.
    #[error("{what}: {why}")]
    Start {
        /// What was being done.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
}

fn start_error(what: &'static str) -> impl FnOnce(String) -> ServerError {
    move |why| ServerError::Start { what, why }
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// If it can't start; one line that says what to do.
pub fn run(config: Config) -> Result<(), ServerError> {
    start_tracing(&config);
    // One thread runs everything but file IO: measured faster than several on few cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| start_error("start the runtime")(error.to_string()))?;
    let served = runtime.block_on(serve(&config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

fn start_tracing(config: &Config) {
    // What the libraries say at `info` is about their insides; at `debug` and below it is wanted.
    let libraries = match config.log_level {
        LevelFilter::INFO => LevelFilter::WARN,
        level => level,
    };
    let filter = Targets::new()
        .with_default(libraries)
        .with_target("corndogs", config.log_level);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match config.log_format {
        LogFormat::Human => layer.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    // Whoever embeds the server may have its own subscriber: then that one stays.
    let _ = subscriber.try_init();
}

async fn serve(config: &Config) -> Result<(), ServerError> {
    if config.cluster.is_some() {
        return Err(ServerError::Cluster);
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        "starting with {}",
        config.describe()
    );
    let fresh = Identity {
        cluster_id: clock::random_uuid(),
        node_id: SINGLE_NODE,
    };
    let directory = DataDir::open(&config.data_dir, fresh)?;
    let grpc = bind(config.listen).await?;
    let web = bind(config.http_listen).await?;
    let metrics =
        Metrics::install().map_err(|error| start_error("set up metrics")(error.to_string()))?;
    let health = Arc::new(HealthBoard::default());
    let site = Site {
        health: health.clone(),
        node: Arc::new(OnceLock::new()),
        metrics: Arc::new(metrics),
    };
    let figures = site.metrics.clone();
    tokio::spawn(async move { figures.upkeep().await });
    let pages = tokio::spawn(axum::serve(web, http::router(site.clone())).into_future());

    let group = directory.group(0);
    let (log, store) = open(&group).await?;
    let identity = directory.identity();
    let replay = tokio::spawn(report_replay(
        log.last_index(),
        store.clone(),
        health.clone(),
    ));
    let raft = Raft::start_single(
        identity.node_id,
        &config.listen.to_string(),
        log,
        store.clone(),
    )
    .await
    .map_err(|error| start_error("start raft")(error.to_string()));
    replay.abort();
    let raft = raft?;
    let node = Node::start(
        raft,
        store,
        Arc::new(Clock::new()),
        health,
        &options(config),
    );
    // The cell is empty: this is the only place that fills it.
    let _ = site.node.set(node.clone());

    let served = serve_calls(config, grpc, &node, &identity).await;
    pages.abort();
    shut_down(&node).await;
    served
}

fn options(config: &Config) -> Options {
    Options {
        timeout_sweep: config.timeout_sweep,
        archive_retention: config.archive_retention,
        snapshot_every: config.snapshot_every,
        data_dir: config.data_dir.clone(),
    }
}

/// Where a group's log lies.
fn log_dir(group: &Path) -> PathBuf {
    group.join("log")
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ServerError::Listen { address, source })
}

/// Opens log and state, beside the runtime: probes answer meanwhile.
async fn open(group: &Path) -> Result<(LogStore, Store), ServerError> {
    let group = group.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let path = log_dir(&group);
        let log = LogStore::open(&path).map_err(|source| ServerError::Log {
            path: path.clone(),
            source,
        })?;
        let options = store::Options {
            durable_index: Some(log.durable_index()),
            ..store::Options::default()
        };
        let store = Store::open(&group, options)?;
        let position = store.lock().header().position.clone();
        let next = if position.log_id.is_empty() {
            0
        } else {
            position.index + 1
        };
        let (first, last) = (log.first_index(), log.last_index());
        // A checkpoint never holds an entry that the log has not synced.
        if first > next || last + 1 < next {
            return Err(ServerError::Gap {
                path,
                first,
                last,
                next,
            });
        }
        Ok((log, store))
    });
    let opened = opened
        .await
        .map_err(|error| start_error("open the data directory")(error.to_string()));
    opened?
}

/// Tells once a second how far the log is replayed, and how long it will still take.
async fn report_replay(last_index: u64, store: Store, health: Arc<HealthBoard>) {
    let applied = || store.lock().header().position.index;
    let (first, started) = (applied(), clock::monotonic());
    loop {
        tokio::time::sleep(REPLAY_INTERVAL).await;
        let (done, all) = (
            applied().saturating_sub(first),
            last_index.saturating_sub(first).max(1),
        );
        let percent = done * 100 / all;
        let spent_s = (clock::monotonic() - started).as_secs_f64();
        let eta_s = (spent_s / done.max(1) as f64 * all.saturating_sub(done) as f64).ceil();
        tracing::info!(percent, eta_s, entries = all, "replaying the log");
        health.set(Health::Starting(format!(
            "replaying the log: {percent} %, about {eta_s} s left"
        )));
    }
}

/// Serves gRPC until SIGTERM or SIGINT, then finishes what is in flight.
async fn serve_calls(
    config: &Config,
    listener: TcpListener,
    node: &Node,
    identity: &Identity,
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
    let cluster = ClusterServiceServer::new(Cluster::new(node.clone(), identity.cluster_id));
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
    let (stop, stopping) = watch::channel(false);
    let mut stopped = stopping.clone();
    let server = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_service(service)
        .add_service(cluster)
        .add_service(health)
        .add_service(reflection_v1)
        .add_service(reflection_v1alpha)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async move {
                // An error means that the sender is gone: then it is time to stop, too.
                let _ = stopped.wait_for(|stop| *stop).await;
            },
        );
    tracing::info!(address = %config.listen, http = %config.http_listen, "listening");
    tokio::pin!(server);
    let failed = |error: tonic::transport::Error| start_error("serve gRPC")(error.to_string());
    tokio::select! {
        ended = &mut server => return ended.map_err(failed),
        () = told_to_stop() => {}
    }
    tracing::info!("told to stop: finishing what is in flight");
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
