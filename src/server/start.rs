//! Opens and starts all that a node is made of, in order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use super::calls::Calls;
use super::error::{ServerError, start_error};
use super::open::{open, report_replay, report_to};
use super::{SINGLE_NODE, ahead, join, peers};
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::http::{self, Site, metrics::Metrics};
use crate::net::TcpListener;
use crate::node::health::HealthBoard;
use crate::node::remedy::Remedy;
use crate::node::{Node, Options};
use crate::note;
use crate::raft::network::Network;
use crate::raft::network::peers::Peers;
use crate::raft::network::service::PeerServer;
use crate::raft::{self, Raft};
use crate::store::Store;
use crate::store::directory::{DataDir, Identity};
use crate::tls::{PeerTls, ServerTls};

/// In a cluster, this share of the entries between two snapshots stays in the log behind one:
/// a peer that was away for a moment needs no snapshot.
const KEEP_SHARE: u64 = 4;

/// All that runs.
pub struct Started {
    /// The server that clients talk to.
    pub calls: Calls,
    /// What it serves.
    pub node: Node,
    /// Held until the end.
    pub directory: DataDir,
}

/// What clients and peers are served with; nothing means without TLS.
#[derive(Default)]
pub struct Certificates {
    clients: Option<ServerTls>,
    peers: Option<PeerTls>,
}

impl Certificates {
    fn load(config: &Config) -> Result<Self, ServerError> {
        Ok(Self {
            clients: config.tls.as_ref().map(ServerTls::load).transpose()?,
            peers: config.peer_tls.as_ref().map(PeerTls::load).transpose()?,
        })
    }
}

/// Opens and starts everything. Probes and clients are answered from the beginning.
///
/// # Errors
/// What keeps the node from starting.
pub async fn start(config: &Config) -> Result<Started, ServerError> {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        "starting with {}",
        config.describe()
    );
    let certificates = Certificates::load(config)?;
    let directory = directory(config)?;
    let grpc = bind(config.listen).await?;
    let http_listen = config.http_listen;
    let web = tokio::net::TcpListener::bind(http_listen).await;
    let web = web.map_err(|source| ServerError::Listen {
        address: http_listen,
        source,
    })?;
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
    tokio::spawn(axum::serve(web, http::router(site.clone())).into_future());
    let started = assemble(config, certificates, directory, grpc, health).await?;
    // The cell is empty: this is the only place that fills it.
    let _ = site.node.set(started.node.clone());
    Ok(started)
}

/// Opens the data directory that the configuration names.
///
/// # Errors
/// If it is refused.
pub fn directory(config: &Config) -> Result<DataDir, ServerError> {
    let cluster = config.cluster.as_ref();
    let node_id = cluster.map_or(SINGLE_NODE, |cluster| cluster.node_id);
    Ok(DataDir::open(&config.data_dir, node_id)?)
}

/// Starts all but the site for operators.
///
/// # Errors
/// What keeps the node from starting.
pub async fn assemble(
    config: &Config,
    certificates: Certificates,
    mut directory: DataDir,
    grpc: TcpListener,
    health: Arc<HealthBoard>,
) -> Result<Started, ServerError> {
    let Certificates {
        clients,
        peers: peer_tls,
    } = certificates;
    let calls = Calls::serve(grpc, clients, health.clone());
    let cluster = config.cluster.as_ref();
    let node_id = cluster.map_or(SINGLE_NODE, |cluster| cluster.node_id);
    let members = cluster.map(|cluster| cluster.members.clone());
    let client_tls = peer_tls.as_ref().map(|tls| tls.client.clone());
    let peers = Peers::new(node_id, members.unwrap_or_default(), client_tls);
    let ahead_path = ahead::path(&directory.group(0));
    let ahead_ns = note::read(&ahead_path, ahead::MAGIC);
    let ahead_ns = ahead_ns.map_err(|error| start_error("read clock-ahead")(error.to_string()))?;
    let clock = Arc::new(Clock::new(ahead_ns));
    let (foundings, mut founding) = mpsc::channel(1);
    let peer_server = PeerServer::new(peers.clone(), clock.clone(), foundings);
    if let Some(cluster) = cluster {
        let tls = peer_tls.map(|tls| tls.server);
        peers::serve(bind(cluster.peer_listen).await?, tls, &peer_server);
        if directory.identity().is_none() {
            join::join(&mut directory, &peers, &mut founding, &health).await?;
        }
    }
    drop(founding);
    let identity = directory.identity_or(Identity {
        cluster_id: clock::random_uuid(),
        node_id,
    })?;
    peers.join(identity.cluster_id);
    let (raft, store) = start_raft(config, &directory, &peers, &clock, &health).await?;
    tokio::spawn(ahead::keep(clock.clone(), ahead_path, ahead_ns));
    let node = Node::start(
        raft.clone(),
        peers.clone(),
        store,
        clock,
        health,
        &options(config),
    );
    peer_server.run(raft.clone(), Arc::new(node.clone()));
    if cluster.is_some() {
        tokio::spawn(join::found(raft, peers));
    }
    calls.open(config, &node)?;
    Ok(Started {
        calls,
        node,
        directory,
    })
}

/// Opens log and state, and starts raft on them. A single node founds its own group.
async fn start_raft(
    config: &Config,
    directory: &DataDir,
    peers: &Peers,
    clock: &Arc<Clock>,
    health: &Arc<HealthBoard>,
) -> Result<(Raft, Store), ServerError> {
    let failed = |error: std::io::Error| start_error("start raft")(error.to_string());
    let report = report_to(health.clone());
    let remedy = match &config.cluster {
        Some(cluster) => Remedy::Replace {
            node_id: cluster.node_id,
        },
        None => Remedy::Restore,
    };
    let (log, store) = open(&directory.group(0), remedy, report.clone()).await?;
    let replay = tokio::spawn(report_replay(log.last_index(), store.clone(), report));
    let network = Network::new(peers.clone(), clock.clone(), store.clone());
    let keep_entries = match config.cluster {
        Some(_) => config.snapshot_every / KEEP_SHARE,
        None => 0,
    };
    let options = raft::Options { keep_entries };
    let raft = Raft::start(peers.me(), log, store.clone(), network, &options).await;
    replay.abort();
    let raft = raft.map_err(failed)?;
    if config.cluster.is_none() {
        if !raft.is_founded().await {
            let alone = BTreeMap::from([(peers.me(), config.listen.to_string())]);
            raft.found(&alone).await.map_err(failed)?;
            return Ok((raft, store));
        }
        let status = raft.status();
        if !status.is_only_voter() {
            return Err(ServerError::NotSingle {
                path: config.data_dir.clone(),
                members: status.members.len(),
            });
        }
    }
    Ok((raft, store))
}

fn options(config: &Config) -> Options {
    Options {
        timeout_sweep: config.timeout_sweep,
        archive_retention: config.archive_retention,
        snapshot_every: config.snapshot_every,
        scrub_every: config.scrub_every,
        data_dir: config.data_dir.clone(),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ServerError::Listen { address, source })
}
