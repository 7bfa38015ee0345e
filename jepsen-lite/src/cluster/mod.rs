//! A cluster of real processes on free ports, with what faults need around them: proxies between the nodes, disks of their own,
//! clocks that can be set.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::Failed;
use crate::api::Place;

pub mod clock;
pub mod files;
mod home;
pub mod links;
mod node;
mod operator;
mod ports;
mod tools;
pub mod tracer;
pub mod volume;
pub mod wire;

use clock::FakeClock;
use files::Loss;
use home::Home;
use links::{Links, Way};
pub use node::{Node, PATIENCE, Started};
use ports::Ports;
use volume::{VOLUME_BYTES, Volume};

/// What the nodes get beside their process.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Gear {
    /// Nodes reach each other through proxies.
    pub links: bool,
    /// Each node has a disk of its own.
    pub volumes: bool,
    /// Each node has a clock of its own.
    pub clocks: bool,
}

/// What is to be started.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The server.
    pub binary: &'a Path,
    /// The server that the first node runs, where versions are to be mixed.
    pub old_binary: Option<&'a Path>,
    /// How many nodes.
    pub nodes: u64,
    /// What they get beside.
    pub gear: Gear,
    /// Where the nodes' logs go.
    pub out: &'a Path,
}

/// The nodes. All are killed when it is dropped, and their data is removed.
pub struct Cluster {
    nodes: Vec<Node>,
    /// The server.
    pub binary: PathBuf,
    /// The other version of it, where versions are mixed.
    pub old_binary: Option<PathBuf>,
    links: Option<Links>,
    ports: Ports,
    gear: Gear,
    out: PathBuf,
    home: Home,
}

impl Cluster {
    /// Starts the nodes, with their stderr in `out`, and waits until all are ready.
    pub async fn start(setup: &Setup<'_>) -> Result<Self, Failed> {
        home::clean_up_after_the_dead();
        let mut cluster = Self {
            nodes: Vec::new(),
            binary: setup.binary.to_owned(),
            old_binary: setup.old_binary.map(Path::to_owned),
            links: setup.gear.links.then(Links::default),
            ports: Ports::new(),
            gear: setup.gear,
            out: setup.out.to_owned(),
            home: Home::create()?,
        };
        for id in 1..=setup.nodes {
            cluster.add(id).await?;
        }
        let members = cluster.addresses();
        for node in &mut cluster.nodes {
            node.members.clone_from(&members);
            node.start()?;
        }
        for node in &mut cluster.nodes {
            node.ready().await?;
        }
        Ok(cluster)
    }

    /// Where each node is dialed by the others.
    fn addresses(&self) -> BTreeMap<u64, SocketAddr> {
        let nodes = self.nodes.iter();
        nodes.map(|node| (node.place.node, node.address)).collect()
    }

    /// Prepares a node that was not there before, as a member beside those that are.
    pub async fn add(&mut self, id: u64) -> Result<(), Failed> {
        let place = Place {
            node: id,
            grpc: self.ports.free(),
            http: self.ports.free(),
        };
        let peer = self.ports.free();
        let name = format!("node-{id}");
        let log = self.out.join(format!("{name}.log"));
        File::create(&log)?;
        let mut address = peer;
        if let Some(links) = &self.links {
            address = self.ports.free();
            links.offer(id, address, peer).await?;
        }
        let clock = match self.gear.clocks {
            true => Some(FakeClock::create(
                self.home.path().join(format!("clock-{id}")),
            )?),
            false => None,
        };
        let volume = match self.gear.volumes {
            true => Some(Volume::create(self.home.path(), &name, VOLUME_BYTES).await?),
            false => None,
        };
        // The first node is old, so that the members never agree on what only the new version knows.
        let old = self.old_binary.as_ref().filter(|_| id == 1);
        let mut members = self.addresses();
        members.insert(id, address);
        self.nodes.push(Node {
            place,
            binary: old.unwrap_or(&self.binary).clone(),
            address,
            peer,
            members,
            data: self.home.path().join(name).join("data"),
            log,
            links: self.links.clone(),
            clock,
            volume,
            child: None,
            log_bytes: 0,
            may_stop: false,
        });
        Ok(())
    }

    /// Forgets a node that was added; it is killed if it still runs.
    pub fn forget(&mut self, id: u64) {
        self.nodes.retain(|node| node.place.node != id);
        if let Some(links) = &self.links {
            links.forget(id);
        }
    }

    /// Where the nodes are found.
    pub fn places(&self) -> Vec<Place> {
        self.nodes.iter().map(|node| node.place).collect()
    }

    /// The ids of the nodes.
    pub fn ids(&self) -> Vec<u64> {
        self.nodes.iter().map(|node| node.place.node).collect()
    }

    /// The node of that id.
    pub fn node(&mut self, id: u64) -> Result<&mut Node, Failed> {
        let mut nodes = self.nodes.iter_mut();
        let node = nodes.find(|node| node.place.node == id);
        node.ok_or_else(|| format!("there is no node {id}").into())
    }

    /// The ways between the nodes.
    pub fn links(&self) -> Result<&Links, Failed> {
        let none = "the nodes reach each other without proxies";
        Ok(self.links.as_ref().ok_or(none)?)
    }

    /// All ways between some of the nodes and the rest, in both directions.
    pub fn ways_around(&self, some: &[u64]) -> Vec<Way> {
        let ids = self.ids();
        let inside = ids.iter().filter(|id| some.contains(id));
        let pairs = inside.flat_map(|one| {
            let outside = ids.iter().filter(|id| !some.contains(id));
            outside.flat_map(move |other| [(*one, *other), (*other, *one)])
        });
        pairs.collect()
    }

    /// An error where a node has ended that nobody ended.
    pub fn all_run(&mut self) -> Result<(), Failed> {
        self.nodes.iter_mut().try_for_each(Node::runs)
    }

    /// Waits until all nodes read and write.
    pub async fn all_ready(&mut self) -> Result<(), Failed> {
        for node in &mut self.nodes {
            node.ready().await?;
        }
        Ok(())
    }

    /// Cuts the power of all these nodes in the same moment: they are stopped, and a moment later nothing reaches their disks any more.
    /// Those are mounted again, and the nodes don't run. What that lost, where it is to be measured: then no sync is under way at the cut.
    pub async fn cut_power(&mut self, ids: &[u64], is_measured: bool) -> Result<Loss, Failed> {
        let mut switches = Vec::new();
        for id in ids {
            switches.push(self.node(*id)?.disk()?.switch()?);
        }
        // Whoever is stopped answers nobody any more, whatever its syncs come to: this is the moment of the cut.
        for id in ids {
            self.node(*id)?.signal(Signal::STOP)?;
        }
        let before = match is_measured {
            true => self.contents(ids).await?,
            false => Vec::new(),
        };
        for switch in switches {
            switch.turn_off()?;
        }
        for id in ids {
            let node = self.node(*id)?;
            node.kill().await?;
            node.disk()?.unmount().await?;
            node.disk()?.mount().await?;
        }
        if !is_measured {
            return Ok(Loss::default());
        }
        let after = self.contents(ids).await?;
        let losses = before.iter().zip(&after);
        let losses = losses.map(|(before, after)| Loss::between(before, after));
        Ok(losses.fold(Loss::default(), Loss::and))
    }

    async fn contents(&self, ids: &[u64]) -> Result<Vec<files::Contents>, Failed> {
        let nodes = self.nodes.iter();
        let nodes = nodes.filter(|node| ids.contains(&node.place.node));
        let directories: Vec<PathBuf> = nodes.map(|node| node.data.clone()).collect();
        let read = move || directories.iter().map(|path| files::read(path)).collect();
        let read: std::io::Result<Vec<_>> = tokio::task::spawn_blocking(read).await?;
        Ok(read?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The listeners hold the links, and the links the listeners.
        for id in self.ids() {
            self.forget(id);
        }
    }
}
