//! Real servers on free ports, and what tests need to kill them.
//!
//! `CORNDOGS_BIN` names the server; without it, it is the one that was built into the same target directory.
// Each test binary uses some of it.
#![allow(dead_code)]

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use corndogs_client::{Client, Options, Uuid};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// How long anything may take on a slow machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// One cluster at a time: the machine may be small.
static TURN: Mutex<()> = Mutex::const_new(());
/// How much of each process's stderr is shown when a test fails.
const SHOWN_LINES: usize = 60;

/// A program of the build that this test belongs to.
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.exists(),
        "{path:?} is missing: `cargo test --workspace` builds it"
    );
    path
}

fn server() -> PathBuf {
    let named = std::env::var_os("CORNDOGS_BIN");
    named.map_or_else(|| built("corndogs"), PathBuf::from)
}

/// A port that is free, and that no outgoing connection gets by chance while its node is down.
fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = Uuid::new_v4().as_u128() as u16;
    let _ = NEXT.compare_exchange(0, start, Ordering::SeqCst, Ordering::SeqCst);
    loop {
        let port = 10_000 + NEXT.fetch_add(1, Ordering::SeqCst) % 22_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A process that is killed when it is dropped. Its stderr is shown when the test fails.
pub struct Process {
    command: Command,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A command that writes its stderr to a file.
    pub fn new(mut command: Command, log: PathBuf) -> Self {
        let stderr = File::create(&log).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        Self {
            command,
            log,
            child: None,
        }
    }

    pub fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.child = Some(self.command.spawn().unwrap());
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().unwrap().is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("--- {}:\n{}", self.log.display(), shown.join("\n"));
        }
    }
}

/// One node.
pub struct Node {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    // Dropped before its directory.
    pub process: Process,
    _home: TempDir,
}

impl Node {
    fn new(id: usize, peer: SocketAddr, members: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let [grpc, http] = [free_port(), free_port()];
        let mut command = Command::new(server());
        command.env_clear().arg("run");
        let id = id.to_string();
        let addresses = [grpc, http, peer].map(|address| address.to_string());
        command.args(["--node-id", &id, "--members", members]);
        command.args(["--listen", &addresses[0], "--http-listen", &addresses[1]]);
        command.args(["--peer-listen", &addresses[2]]);
        command.arg("--data-dir").arg(home.path().join("data"));
        let process = Process::new(command, home.path().join("stderr"));
        Self {
            grpc,
            http,
            process,
            _home: home,
        }
    }

    /// Waits until it serves.
    pub async fn ready(&self) {
        let options = Options::new([self.grpc.to_string()]).retry_for(PATIENCE);
        options.build().unwrap().get(Uuid::nil()).await.unwrap();
    }

    /// A figure of `/metrics`.
    pub async fn metric(&self, name: &str) -> Option<u64> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let mut stream = tokio::net::TcpStream::connect(self.http).await.ok()?;
        stream
            .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
            .await
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }
}

/// A cluster. All its processes are killed when it is dropped.
pub struct Cluster {
    pub nodes: Vec<Node>,
    /// Given back after the nodes are dropped.
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// So many nodes, all of them ready.
    pub async fn start(nodes: usize) -> Self {
        let turn = TURN.lock().await;
        let peers: Vec<SocketAddr> = (0..nodes).map(|_| free_port()).collect();
        let members = peers.iter().enumerate();
        let members = members.map(|(index, peer)| format!("{}={peer}", index + 1));
        let members = members.collect::<Vec<_>>().join(",");
        let nodes = peers.iter().enumerate();
        let nodes = nodes.map(|(index, peer)| Node::new(index + 1, *peer, &members));
        let mut cluster = Self {
            nodes: nodes.collect(),
            _turn: turn,
        };
        cluster
            .nodes
            .iter_mut()
            .for_each(|node| node.process.start());
        for node in &cluster.nodes {
            node.ready().await;
        }
        cluster
    }

    pub fn addresses(&self) -> Vec<String> {
        self.nodes
            .iter()
            .map(|node| node.grpc.to_string())
            .collect()
    }

    /// A client of all nodes.
    pub fn client(&self) -> Client {
        Options::new(self.addresses())
            .retry_for(PATIENCE)
            .build()
            .unwrap()
    }

    /// Where in `nodes` the leader is, once there is one that runs.
    pub async fn leader(&mut self) -> usize {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            for index in 0..self.nodes.len() {
                let leader = self.leader_of(index);
                if let Some(leader) =
                    leader.filter(|leader| self.nodes[*leader].process.is_running())
                {
                    return leader;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no leader within {PATIENCE:?}");
    }

    fn leader_of(&mut self, asked: usize) -> Option<usize> {
        if !self.nodes[asked].process.is_running() {
            return None;
        }
        let address = self.nodes[asked].grpc.to_string();
        let mut command = Command::new(server());
        command
            .env_clear()
            .args(["cluster", "status", "--format", "json", "--address"]);
        let output = command.arg(address).output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let leader = status["leader"].as_u64()?;
        usize::try_from(leader).ok()?.checked_sub(1)
    }
}

/// Asks until the answer is right, for as long as patience lasts.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within {PATIENCE:?}: {what}");
}

/// Chance that can be repeated: SplitMix64.
pub struct Random(u64);

impl Random {
    /// From `CORNDOGS_SEED`, or another one each time; printed, so that a failure can be run again.
    pub fn seeded() -> Self {
        let given = std::env::var("CORNDOGS_SEED").ok();
        let seed = given.map_or_else(
            || Uuid::new_v4().as_u64_pair().0,
            |seed| seed.parse().unwrap(),
        );
        println!("CORNDOGS_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// All files of a directory that are complete.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect()
}
