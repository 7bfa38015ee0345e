//! The network between the nodes: what they dial is a proxy, which asks the system who dials, and lets bytes fare as the way between the two
//! is set. So all nodes have the same `--members`, and no privilege is needed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::wire::{Flow, Tally, Wire};
use crate::Failed;
use crate::random::Random;

/// Whoever dials and is no node of ours.
const STRANGER: u64 = 0;

/// From a node to another.
pub type Way = (u64, u64);

/// All ways between all nodes.
#[derive(Clone, Default)]
pub struct Links(Arc<Shared>);

#[derive(Default)]
struct Shared {
    wires: Mutex<BTreeMap<Way, Arc<Wire>>>,
    /// The processes of the nodes.
    processes: Mutex<BTreeMap<u64, u32>>,
    /// One listener for each node.
    listeners: Mutex<BTreeMap<u64, JoinSet<()>>>,
}

impl Links {
    /// Listens at `proxy` for whoever wants to reach that node, which listens at `peer`.
    ///
    /// # Errors
    /// Where it can't listen there.
    pub async fn offer(
        &self,
        node: u64,
        proxy: SocketAddr,
        peer: SocketAddr,
    ) -> Result<(), Failed> {
        let listener = TcpListener::bind(proxy).await?;
        let links = self.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { links.listen(node, listener, proxy, peer).await });
        self.0.listeners.lock().insert(node, tasks);
        Ok(())
    }

    /// Listens no more for that node.
    pub fn forget(&self, node: u64) {
        self.0.listeners.lock().remove(&node);
        self.0.processes.lock().remove(&node);
    }

    /// Notes which process is that node now.
    pub fn is_now(&self, node: u64, process: u32) {
        self.0.processes.lock().insert(node, process);
    }

    fn wire(&self, way: Way) -> Arc<Wire> {
        self.0.wires.lock().entry(way).or_default().clone()
    }

    /// Lets bytes fare like that on those ways.
    pub fn set(&self, ways: &[Way], flow: Flow) {
        for way in ways {
            self.wire(*way).set(flow);
        }
    }

    /// Lets all through again.
    pub fn open_all(&self) {
        for wire in self.0.wires.lock().values() {
            wire.set(Flow::Open);
        }
    }

    /// What has happened on those ways so far, together.
    pub fn tally(&self, ways: &[Way]) -> Tally {
        let mut all = Tally::default();
        for way in ways {
            let tally = self.wire(*way).tally();
            all.passed += tally.passed;
            all.lost += tally.lost;
            all.late += tally.late;
            all.resets += tally.resets;
        }
        all
    }

    /// Whether nobody is to get through to that node.
    fn is_refused(&self, node: u64) -> bool {
        let wires = self.0.wires.lock();
        let mut ways = wires
            .iter()
            .filter(|((from, to), _)| *to == node && *from != node && *from != STRANGER);
        let mut has_ways = false;
        let all = ways.all(|(_, wire)| {
            has_ways = true;
            wire.flow() == Flow::Refused
        });
        all && has_ways
    }

    async fn listen(&self, node: u64, first: TcpListener, proxy: SocketAddr, peer: SocketAddr) {
        const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(20);
        let mut listener = Some(first);
        let mut connections = JoinSet::new();
        loop {
            if self.is_refused(node) {
                listener = None;
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            let Some(open) = &listener else {
                // The port was ours a moment ago, and is nobody else's: try until it is ours again.
                listener = TcpListener::bind(proxy).await.ok();
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            let accepted = tokio::time::timeout(LOOK_EVERY, open.accept()).await;
            if let Ok(Ok((stream, dialer))) = accepted {
                let links = self.clone();
                connections.spawn(async move {
                    let from = links.node_of(dialer, proxy).await;
                    // The end of a connection, however it ends.
                    let _ = links.connect((from, node), stream, peer).await;
                });
            }
            while connections.try_join_next().is_some() {}
        }
    }

    /// Whose process has that socket.
    async fn node_of(&self, dialer: SocketAddr, proxy: SocketAddr) -> u64 {
        let processes: Vec<(u64, u32)> = {
            let processes = self.0.processes.lock();
            processes
                .iter()
                .map(|(node, process)| (*node, *process))
                .collect()
        };
        let look = move || owner(dialer, proxy, &processes);
        let found = tokio::task::spawn_blocking(look).await;
        found.ok().flatten().unwrap_or(STRANGER)
    }

    async fn connect(&self, way: Way, dialed: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let (from, to) = way;
        let (there, back) = (self.wire((from, to)), self.wire((to, from)));
        // As long as packets vanish, a connection does not come about.
        there.until(|flow| !flow.is_silent()).await;
        back.until(|flow| !flow.is_silent()).await;
        if there.flow().is_cut() || back.flow().is_cut() {
            there.count_reset();
            return dialed.set_zero_linger();
        }
        let Ok(reached) = TcpStream::connect(peer).await else {
            return dialed.set_zero_linger();
        };
        dialed.set_nodelay(true)?;
        reached.set_nodelay(true)?;
        self.carry(way, dialed, reached).await
    }

    /// Carries both ways until one side ends, then resets both.
    async fn carry(
        &self,
        (from, to): Way,
        mut dialed: TcpStream,
        mut reached: TcpStream,
    ) -> io::Result<()> {
        let (there, back) = (self.wire((from, to)), self.wire((to, from)));
        let random = || Random::new(uuid::Uuid::new_v4().as_u64_pair().0, from);
        let (from_dialer, to_dialer) = dialed.split();
        let (from_reached, to_reached) = reached.split();
        tokio::select! {
            () = there.carry(from_dialer, to_reached, random()) => {}
            () = back.carry(from_reached, to_dialer, random()) => {}
            () = there.until(|flow| flow.is_cut()) => there.count_reset(),
            () = back.until(|flow| flow.is_cut()) => back.count_reset(),
        }
        dialed.set_zero_linger()?;
        reached.set_zero_linger()
    }
}

/// The node whose process has the socket from `dialer` to `proxy`, as the system says.
fn owner(dialer: SocketAddr, proxy: SocketAddr, processes: &[(u64, u32)]) -> Option<u64> {
    let sockets = procfs::net::tcp().ok()?;
    let mut sockets = sockets.into_iter();
    let socket = sockets.find(|one| one.local_address == dialer && one.remote_address == proxy)?;
    let has_it = |process: u32| {
        let process = procfs::process::Process::new(i32::try_from(process).ok()?).ok()?;
        let mut files = process.fd().ok()?.flatten();
        let wanted = procfs::process::FDTarget::Socket(socket.inode);
        files.any(|file| file.target == wanted).then_some(())
    };
    let mut nodes = processes.iter();
    nodes
        .find(|(_, process)| has_it(*process).is_some())
        .map(|(node, _)| *node)
}
