//! One node of a cluster: its process, and what it tells.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use corndogs::proto::cluster::cluster_service_client::ClusterServiceClient;
use corndogs::proto::cluster::{self, StatusRequest, StatusResponse};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tonic::transport::Endpoint;

use super::super::{PATIENCE, Setup, http_get, now_ns, until};

/// How long one node may take to tell its status.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);
/// Ports that no outgoing connection gets by chance while a node is down.
const PORTS: std::ops::Range<u64> = 10_000..32_000;

/// A port that is free and stays so while its node is down.
fn free_port() -> SocketAddr {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let _ = NEXT.compare_exchange(0, now_ns(), Ordering::SeqCst, Ordering::SeqCst);
    loop {
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let port = PORTS.start + number % (PORTS.end - PORTS.start);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// One node's process, or the place where it would run.
pub struct Node {
    pub id: u64,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub peer: SocketAddr,
    /// The `--members` that it is started with.
    pub members: String,
    setup: Setup,
    home: TempDir,
    child: Option<Child>,
    paused: bool,
}

impl Node {
    pub fn new(id: u64, setup: &Setup) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut setup = setup.clone();
        setup.data_dir = home.path().join("data");
        Self {
            id,
            grpc: free_port(),
            http: free_port(),
            peer: free_port(),
            members: String::new(),
            setup,
            home,
            child: None,
            paused: false,
        }
    }

    /// Its data will lie there.
    pub fn keep_data_in(&mut self, data_dir: PathBuf) {
        assert!(self.child.is_none(), "node {} runs already", self.id);
        self.setup.data_dir = data_dir;
    }

    /// `ID=HOST:PORT` for its peers.
    pub fn member(&self) -> String {
        format!("{}={}", self.id, self.peer)
    }

    /// Starts the process, and does not wait for anything.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "node {} runs already", self.id);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.home.path().join("stderr"))
            .unwrap();
        let setup = self.setup.clone();
        let setup = setup
            .arg("--node-id", &self.id.to_string())
            .arg("--members", &self.members)
            .arg("--peer-listen", &self.peer.to_string())
            .arg("--listen", &self.grpc.to_string())
            .arg("--http-listen", &self.http.to_string());
        self.child = Some(setup.command().stderr(log).spawn().unwrap());
        self.paused = false;
    }

    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Started, not ended by this test, and not paused.
    pub fn is_serving(&self) -> bool {
        self.child.is_some() && !self.paused
    }

    /// Waits until it reads and writes.
    pub async fn ready(&mut self) {
        let patience = Instant::now() + PATIENCE;
        loop {
            assert!(
                self.is_running(),
                "node {} ended by itself:\n{}",
                self.id,
                self.stderr()
            );
            let (code, text) = self.readyz().await;
            if code == 200 {
                return;
            }
            assert!(
                Instant::now() < patience,
                "node {} is not ready in {PATIENCE:?}: {code} {text}",
                self.id
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Status and text of `/readyz`; status 0 where nobody answers.
    pub async fn readyz(&self) -> (u16, String) {
        http_get(self.http, "/readyz").await.unwrap_or_default()
    }

    /// The cluster as this node sees it; none where it does not answer.
    pub async fn status(&self) -> Option<StatusResponse> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap();
        let endpoint = endpoint
            .timeout(STATUS_TIMEOUT)
            .connect_timeout(STATUS_TIMEOUT);
        let mut service = ClusterServiceClient::new(endpoint.connect().await.ok()?);
        let answer = service.status(StatusRequest {}).await;
        answer.ok().map(tonic::Response::into_inner)
    }

    /// What it tells of itself.
    pub async fn own_status(&self) -> Option<cluster::Node> {
        let status = self.status().await?;
        status.nodes.into_iter().find(|node| node.id == self.id)
    }

    /// What it has written to stderr, over all its starts.
    pub fn stderr(&self) -> String {
        let bytes = fs::read(self.home.path().join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until stderr or `/readyz` holds one of the texts; it may also have ended by itself.
    pub async fn says(&self, texts: &[&str]) -> String {
        let what = format!("node {} says one of {texts:?}", self.id);
        until(&what, async || {
            let said = self.readyz().await.1 + &self.stderr();
            let lower = said.to_lowercase();
            texts
                .iter()
                .any(|text| lower.contains(text))
                .then_some(said)
        })
        .await
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// kill -9, also of a process that is paused; nothing where none runs.
    pub fn kill(&mut self) {
        if self.is_running() {
            self.signal(Signal::KILL);
        }
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
        self.paused = false;
    }

    /// SIGSTOP.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
        self.paused = true;
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
        self.paused = false;
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let child = self.child.as_mut().unwrap();
        let what = "the end after SIGTERM";
        let status = until(what, async || child.try_wait().unwrap()).await;
        self.child = None;
        status
    }

    pub fn data_dir(&self) -> &Path {
        &self.setup.data_dir
    }

    /// Keeps what it has under another name, and has nothing.
    pub fn move_data_away(&self) {
        assert!(self.child.is_none(), "end it first");
        let away = self.home.path().join(format!("away-{}", now_ns()));
        fs::rename(&self.setup.data_dir, away).unwrap();
    }

    /// Loses everything that it has, like a new disk.
    pub fn wipe(&mut self) {
        assert!(self.child.is_none(), "end it first");
        fs::remove_dir_all(&self.setup.data_dir).unwrap();
    }
}
