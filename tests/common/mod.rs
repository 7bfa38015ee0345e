//! A real server process on free ports, and what tests need to talk to it.
//!
//! `CORNDOGS_BIN` names another binary to test than the one of this build.
// Each test binary uses some of it.
#![allow(clippy::disallowed_methods, dead_code, unused_imports)]

mod api;
pub mod certs;
pub mod cluster;
mod failure;
pub mod figures;
pub mod history;
pub mod plant;
mod random;
pub mod schedules;
pub mod small_disk;
mod web;
pub mod workload;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use api::{Api, Tries, code, keyed, names};
pub use failure::{Failure, failure};
pub use random::Random;
pub use web::{http_get, metric, metrics};

/// How long anything may take on a slow machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Tries to find ports that nobody takes between our look and the server's bind.
const PORT_TRIES: usize = 10;

pub fn binary() -> PathBuf {
    let named = std::env::var_os("CORNDOGS_BIN");
    named.map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_corndogs")),
        PathBuf::from,
    )
}

/// What a variable says, for runs that are longer than usual.
pub fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable);
    given.map_or(default, |given| given.parse().unwrap())
}

/// Processor time that a process has taken, in seconds.
pub fn processor_time_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Behind the name, which may hold anything: utime and stime, in hundredths.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}

/// How a server is started.
#[derive(Clone)]
pub struct Setup {
    pub data_dir: PathBuf,
    wrapper: Vec<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Setup {
    pub fn at(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            wrapper: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    pub fn arg(mut self, flag: &str, value: &str) -> Self {
        self.args.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the server under another command, which must keep its own process id for it.
    pub fn wrapper(mut self, command: &[&str]) -> Self {
        self.wrapper = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper.clone();
        words.push(binary().display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("run").args(&self.args);
        command.arg("--data-dir").arg(&self.data_dir);
        // The caller's environment must not configure the server under test.
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Runs a server that must not start: its exit code, and its stderr.
    pub fn refused(&self) -> (Option<i32>, String) {
        let home = tempfile::tempdir().unwrap();
        let mut server = Server::spawn(self.clone(), home, ports());
        while server.is_running() {
            assert!(
                !web::is_ready(server.http),
                "it was not refused:\n{}",
                server.stderr()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        (server.child.wait().unwrap().code(), server.stderr())
    }

    pub async fn start(self) -> Server {
        let home = tempfile::tempdir().unwrap();
        Server::start_in(self, home).await
    }
}

/// Two ports that were free a moment ago.
fn ports() -> [SocketAddr; 2] {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    [bind(), bind()].map(|listener| listener.local_addr().unwrap())
}

/// A server process. It is killed when dropped.
pub struct Server {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    setup: Setup,
    home: TempDir,
    child: Child,
}

impl Server {
    /// A server with default options on a new data directory.
    pub async fn start() -> Self {
        Self::start_with(|setup| setup).await
    }

    pub async fn start_with(configure: impl FnOnce(Setup) -> Setup) -> Self {
        let home = tempfile::tempdir().unwrap();
        let setup = configure(Setup::at(&home.path().join("data")));
        Self::start_in(setup, home).await
    }

    async fn start_in(setup: Setup, mut home: TempDir) -> Self {
        for _ in 0..PORT_TRIES {
            let mut server = Self::spawn(setup.clone(), home, ports());
            match server.ready().await {
                Ok(()) => return server,
                Err(text) if text.contains("can't listen") => home = server.take_home(),
                Err(text) => panic!("the server did not start:\n{text}"),
            }
        }
        panic!("no free ports");
    }

    fn spawn(setup: Setup, home: TempDir, [grpc, http]: [SocketAddr; 2]) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.path().join("stderr"))
            .unwrap();
        let mut command = setup.command();
        command
            .arg("--listen")
            .arg(grpc.to_string())
            .arg("--http-listen")
            .arg(http.to_string());
        let child = command.stderr(log).spawn().unwrap();
        Self {
            grpc,
            http,
            setup,
            home,
            child,
        }
    }

    /// Waits until it serves; tells its stderr if it ends before.
    async fn ready(&mut self) -> Result<(), String> {
        let patience = Instant::now() + PATIENCE;
        while Instant::now() < patience {
            if self.child.try_wait().unwrap().is_some() {
                return Err(self.stderr());
            }
            if self.readyz().await.0 == 200 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(format!("not ready in {PATIENCE:?}:\n{}", self.stderr()))
    }

    /// Status and text of `/readyz`; status 0 where nobody answers.
    pub async fn readyz(&self) -> (u16, String) {
        http_get(self.http, "/readyz").await.unwrap_or_default()
    }

    pub async fn api(&self) -> Api {
        Api::connect(self.grpc).await
    }

    pub fn data_dir(&self) -> &Path {
        &self.setup.data_dir
    }

    pub fn stderr(&self) -> String {
        let bytes = fs::read(self.home.path().join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if self.is_running() {
            self.signal(Signal::KILL);
        }
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait().await.code()
    }

    /// Waits for its end, without blocking the clients of this test: they have to hang up.
    pub async fn wait(&mut self) -> ExitStatus {
        let patience = Instant::now() + PATIENCE;
        while Instant::now() < patience {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("still running after {PATIENCE:?}:\n{}", self.stderr());
    }

    /// Starts it again on the same directory and ports, once it has ended.
    pub async fn restart(self) -> Self {
        let setup = self.setup.clone();
        self.restart_as(setup).await
    }

    /// The same with other options.
    pub async fn restart_as(mut self, setup: Setup) -> Self {
        assert!(!self.is_running(), "end it first");
        let addresses = [self.grpc, self.http];
        let mut server = Self::spawn(setup.clone(), self.take_home(), addresses);
        match server.ready().await {
            Ok(()) => server,
            Err(text) if text.contains("can't listen") => {
                Self::start_in(setup, server.take_home()).await
            }
            Err(text) => panic!("the server did not start again:\n{text}"),
        }
    }

    /// Starts it again, and does not wait until it serves.
    pub fn restart_at_once(mut self) -> Self {
        let (setup, home) = (self.setup.clone(), self.take_home());
        Self::spawn(setup, home, [self.grpc, self.http])
    }

    /// Starts it again and kills it that much later, ready or not.
    pub fn restart_and_kill(&mut self, after: Duration) {
        let home = self.take_home();
        let mut server = Self::spawn(self.setup.clone(), home, [self.grpc, self.http]);
        std::thread::sleep(after);
        server.kill();
        self.home = server.take_home();
    }

    pub fn setup(&self) -> Setup {
        self.setup.clone()
    }

    fn take_home(&mut self) -> TempDir {
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's stderr:\n{}", self.stderr());
        }
    }
}

/// The wall clock, in nanoseconds since 1970.
pub fn now_ns() -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}

/// Asks until the answer is right, for as long as patience lasts.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let patience = Instant::now() + PATIENCE;
    while Instant::now() < patience {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within {PATIENCE:?}: {what}");
}
