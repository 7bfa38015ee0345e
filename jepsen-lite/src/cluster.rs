//! Three nodes as real processes on free ports.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Failed;
use crate::api::{Place, http_get};
use crate::random::Random;

/// How long a node may take to become ready, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Ports that no outgoing connection gets by chance while a node is down.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// The nodes. All are killed when it is dropped, and their data is removed.
pub struct Cluster {
    nodes: Vec<Node>,
    _home: TempDir,
}

/// One node, running or not.
pub struct Node {
    /// Where it is found.
    pub place: Place,
    command: Command,
    log: PathBuf,
    child: Option<Child>,
}

impl Cluster {
    /// Starts that many nodes, with their stderr in `out`, and waits until all are ready.
    pub async fn start(binary: &Path, nodes: u64, out: &Path) -> Result<Self, Failed> {
        let home = tempfile::tempdir()?;
        let mut ports = Ports::new();
        let peers: Vec<(u64, SocketAddr)> = (1..=nodes).map(|id| (id, ports.free())).collect();
        let members = peers.iter().map(|(id, peer)| format!("{id}={peer}"));
        let members = members.collect::<Vec<_>>().join(",");
        let mut cluster = Self {
            nodes: Vec::new(),
            _home: home,
        };
        for (id, peer) in peers {
            let place = Place {
                node: id,
                grpc: ports.free(),
                http: ports.free(),
            };
            let data = cluster._home.path().join(format!("node-{id}"));
            let log = out.join(format!("node-{id}.log"));
            File::create(&log)?;
            let mut command = Command::new(binary);
            command.arg("run");
            let id = id.to_string();
            let [grpc, http, peer] =
                [place.grpc, place.http, peer].map(|address| address.to_string());
            command.args([
                "--node-id",
                &id,
                "--members",
                &members,
                "--peer-listen",
                &peer,
            ]);
            command.args(["--listen", &grpc, "--http-listen", &http]);
            // Snapshots, purges behind them and timeouts come in the middle of it.
            command.args(["--snapshot-every", "500", "--timeout-sweep", "200ms"]);
            command.arg("--data-dir").arg(data);
            // The caller's environment must not configure the servers under test.
            command
                .env_clear()
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            let mut node = Node {
                place,
                command,
                log,
                child: None,
            };
            node.start()?;
            cluster.nodes.push(node);
        }
        for node in &mut cluster.nodes {
            node.ready().await?;
        }
        Ok(cluster)
    }

    /// Where the nodes are found.
    pub fn places(&self) -> Vec<Place> {
        self.nodes.iter().map(|node| node.place).collect()
    }

    /// The node of that id.
    pub fn node(&mut self, id: u64) -> Result<&mut Node, Failed> {
        let mut nodes = self.nodes.iter_mut();
        let node = nodes.find(|node| node.place.node == id);
        node.ok_or_else(|| format!("there is no node {id}").into())
    }

    /// An error where a node has ended that nobody ended.
    pub fn all_run(&mut self) -> Result<(), Failed> {
        self.nodes.iter_mut().try_for_each(Node::runs)
    }
}

impl Node {
    /// Starts the process, and waits for nothing.
    pub fn start(&mut self) -> Result<(), Failed> {
        let log = File::options().append(true).open(&self.log)?;
        let name = self.command.get_program().to_string_lossy().into_owned();
        let child = self.command.stderr(log).spawn();
        self.child = Some(child.map_err(|error| format!("can't start {name}: {error}"))?);
        Ok(())
    }

    /// Waits until it reads and writes.
    pub async fn ready(&mut self) -> Result<(), Failed> {
        let began = Instant::now();
        loop {
            self.runs()?;
            let answer = http_get(self.place.http, "/readyz").await;
            if answer.is_ok_and(|(code, _)| code == 200) {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(self.failed("is not ready"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// An error where its process has ended.
    fn runs(&mut self) -> Result<(), Failed> {
        let ended = match &mut self.child {
            Some(child) => child.try_wait()?,
            None => None,
        };
        match ended {
            Some(status) => Err(self.failed(&format!("ended by itself: {status}"))),
            None => Ok(()),
        }
    }

    fn failed(&self, what: &str) -> Failed {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let last = said.lines().last().unwrap_or_default();
        let log = self.log.display();
        format!(
            "node {} {what}; its last line in {log}: {last}",
            self.place.node
        )
        .into()
    }

    /// Sends a signal to its process.
    pub fn signal(&self, signal: Signal) -> Result<(), Failed> {
        let child = self.child.as_ref().ok_or("the node does not run")?;
        let pid = Pid::from_raw(i32::try_from(child.id())?).ok_or("no process has the id 0")?;
        Ok(kill_process(pid, signal)?)
    }

    /// kill -9, also of a process that is paused.
    pub fn kill(&mut self) -> Result<(), Failed> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM: it must end by itself, with success.
    pub async fn terminate(&mut self) -> Result<(), Failed> {
        self.signal(Signal::TERM)?;
        let began = Instant::now();
        loop {
            let child = self.child.as_mut().ok_or("the node does not run")?;
            match child.try_wait()? {
                Some(status) if status.success() => break,
                Some(status) => return Err(self.failed(&format!("ended after SIGTERM: {status}"))),
                None if began.elapsed() > PATIENCE => {
                    return Err(self.failed("does not end after SIGTERM"));
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        self.child = None;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nobody is left who could be told of an error.
        let _ = self.kill();
    }
}

/// Free ports, each given once.
struct Ports(Random);

impl Ports {
    /// Two runs of one seed at the same time must not meet: these are left to chance.
    fn new() -> Self {
        Self(Random::new(uuid::Uuid::new_v4().as_u64_pair().0, 0))
    }

    fn free(&mut self) -> SocketAddr {
        loop {
            let offset = self.0.below(u64::from(PORTS.end - PORTS.start));
            let port = PORTS.start + u16::try_from(offset).unwrap_or_default();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if TcpListener::bind(address).is_ok() {
                return address;
            }
        }
    }
}
