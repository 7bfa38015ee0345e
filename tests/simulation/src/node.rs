//! A node of the cluster, as the server assembles it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use corndogs::config::{Cluster, Config};
use corndogs::net::TcpListener;
use corndogs::node::health::HealthBoard;
use corndogs::server::{Certificates, assemble, directory};
use tokio::runtime::Handle;

use crate::world::world;
use crate::{disk, system};

/// How many nodes there are.
pub const NODES: u64 = 3;
/// Where clients are served.
pub const PORT: u16 = 5080;
const PEER_PORT: u16 = 5081;

/// A node's name in the network.
pub fn name(id: u64) -> String {
    format!("n{id}")
}

fn config(id: u64) -> Config {
    let members = (1..=NODES).map(|id| (id, format!("{}:{PEER_PORT}", name(id))));
    let at = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    Config {
        data_dir: world(|world| world.nodes[&id].dir.clone()),
        listen: at(PORT),
        cluster: Some(Cluster {
            node_id: id,
            peer_listen: at(PEER_PORT),
            members: members.collect::<BTreeMap<_, _>>(),
        }),
        // Often enough that each run has snapshots, purges behind them, and nodes that need one.
        snapshot_every: 120,
        timeout_sweep: Some(Duration::from_millis(200)),
        ..Config::default()
    }
}

/// Runs a node until its host crashes.
pub async fn run(id: u64) -> turmoil::Result {
    let host = Handle::current().id();
    let skew_ns = world(|world| {
        let slot = world.nodes.get_mut(&id).expect("a known node");
        slot.starts += 1;
        slot.host = Some(host);
        slot.skew_ns
    });
    system::set_skew_ns(host, skew_ns);
    let started = start(&config(id)).await;
    match started {
        Ok(started) => {
            world(|world| {
                world.event("start", &name(id));
                for file in disk::left_unsynced(&world.nodes[&id].dir) {
                    let what = format!("{} serves, and never synced {}", name(id), file.display());
                    world.violation(what);
                }
                if let Some(slot) = world.nodes.get_mut(&id) {
                    slot.node = Some(started.node.clone());
                    slot.failure = None;
                }
            });
            let _held = started;
            std::future::pending().await
        }
        Err(why) => {
            world(|world| {
                let may_fail = world.nodes[&id].may_fail;
                // The directory's name is another one each time.
                let dir = world.nodes[&id].dir.display().to_string();
                let why = why.replace(&dir, "");
                let what = format!("{} does not start: {why}", name(id));
                match may_fail {
                    true => world.event("refusal", &what),
                    false => world.violation(what),
                }
                if let Some(slot) = world.nodes.get_mut(&id) {
                    slot.failure = Some(why);
                }
            });
            std::future::pending().await
        }
    }
}

async fn start(config: &Config) -> Result<corndogs::server::Started, String> {
    let directory = directory(config).map_err(|error| error.to_string())?;
    let grpc = TcpListener::bind(config.listen).await;
    let grpc = grpc.map_err(|error| error.to_string())?;
    let health = Arc::new(HealthBoard::default());
    let started = assemble(config, Certificates::default(), directory, grpc, health).await;
    started.map_err(|error| error.to_string())
}
