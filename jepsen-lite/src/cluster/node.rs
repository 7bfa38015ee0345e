//! One node as a process, with what a fault needs around it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::clock::FakeClock;
use super::links::Links;
use super::volume::Volume;
use crate::Failed;
use crate::api::{Place, http_get};

/// How long a node may take to become ready, or to end.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One node, running or not. It is killed when it is dropped.
pub struct Node {
    /// Where it is found.
    pub place: Place,
    /// The program that the next start runs.
    pub binary: PathBuf,
    /// Where the other nodes dial it.
    pub address: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) members: BTreeMap<u64, SocketAddr>,
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    pub(super) links: Option<Links>,
    /// Its clock, where that can be set.
    pub clock: Option<FakeClock>,
    /// Its disk, where that is its own.
    pub volume: Option<Volume>,
    pub(super) child: Option<Child>,
    /// How long the log was at the last start.
    pub(super) log_bytes: u64,
    /// Its disk has failed since: a while later it may stop over that, and ask for a restart.
    pub may_stop: bool,
}

/// What became of a start.
#[derive(Debug)]
pub enum Started {
    /// It reads and writes.
    Ready,
    /// It ended by itself.
    Ended(ExitStatus),
    /// It runs, and is not ready: what `/readyz` says.
    Waits(String),
}

impl Node {
    /// Starts the process, and waits for nothing.
    pub fn start(&mut self) -> Result<(), Failed> {
        let log = File::options().append(true).open(&self.log)?;
        self.log_bytes = log.metadata()?.len();
        let members = self.members.iter().map(|(id, peer)| format!("{id}={peer}"));
        let members = members.collect::<Vec<_>>().join(",");
        let mut command = Command::new(&self.binary);
        command.arg("run");
        command.args(["--node-id", &self.place.node.to_string()]);
        command.args(["--members", &members]);
        command.args(["--peer-listen", &self.peer.to_string()]);
        command.args(["--listen", &self.place.grpc.to_string()]);
        command.args(["--http-listen", &self.place.http.to_string()]);
        // Snapshots, purges behind them and timeouts come in the middle of it.
        command.args(["--snapshot-every", "500", "--timeout-sweep", "200ms"]);
        command.arg("--data-dir").arg(&self.data);
        // The caller's environment must not configure the servers under test.
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(clock) = &self.clock {
            clock.dress(&mut command);
        }
        let name = self.binary.display();
        let child = command.spawn();
        let child = child.map_err(|error| format!("can't start {name}: {error}"))?;
        if let Some(links) = &self.links {
            links.is_now(self.place.node, child.id());
        }
        self.child = Some(child);
        self.may_stop = false;
        Ok(())
    }

    /// Where its data lies.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Whether its process is there.
    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The id of its process.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn process(&self) -> Result<u32, Failed> {
        let child = self.child.as_ref().ok_or("the node does not run")?;
        Ok(child.id())
    }

    /// Waits until it reads and writes; does what it asks for if its disk has failed.
    pub async fn ready(&mut self) -> Result<(), Failed> {
        let mut started = self.started(PATIENCE).await?;
        if self.may_stop && matches!(&started, Started::Waits(why) if asks_for_a_restart(why)) {
            self.kill().await?;
            self.start()?;
            started = self.started(PATIENCE).await?;
        }
        match started {
            Started::Ready => Ok(()),
            Started::Ended(status) => Err(self.failed(&format!("ended by itself: {status}"))),
            Started::Waits(why) => Err(self.failed(&format!("is not ready: {why}"))),
        }
    }

    /// Waits that long until it is ready or has ended.
    pub async fn started(&mut self, patience: Duration) -> Result<Started, Failed> {
        let began = Instant::now();
        loop {
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?,
                None => return Err(self.failed("was not started")),
            };
            if let Some(status) = ended {
                return Ok(Started::Ended(status));
            }
            let why = match http_get(self.place.http, "/readyz").await {
                Ok((200, _)) => return Ok(Started::Ready),
                Ok((_, why)) => why.trim().to_owned(),
                Err(error) => error.to_string(),
            };
            let is_over = self.may_stop && asks_for_a_restart(&why);
            if is_over || began.elapsed() > patience {
                return Ok(Started::Waits(why));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What `/readyz` says now; none where it is ready.
    pub async fn unready(&self) -> Option<String> {
        match http_get(self.place.http, "/readyz").await {
            Ok((200, _)) => None,
            Ok((_, why)) => Some(why.trim().to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// A figure of its metrics page.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, page) = http_get(self.place.http, "/metrics").await.ok()?;
        let mut lines = page.lines().filter_map(|line| line.strip_prefix(name));
        lines.find_map(|rest| rest.trim().parse().ok())
    }

    /// An error where its process has ended.
    pub(super) fn runs(&mut self) -> Result<(), Failed> {
        let ended = match &mut self.child {
            Some(child) => child.try_wait()?,
            None => None,
        };
        match ended {
            Some(status) => Err(self.failed(&format!("ended by itself: {status}"))),
            None => Ok(()),
        }
    }

    /// What it has logged since it was started.
    pub fn said(&self) -> String {
        let mut said = Vec::new();
        let read = File::open(&self.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.log_bytes))?;
            log.read_to_end(&mut said)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&said).into_owned(),
            Err(error) => format!("{}: {error}", self.log.display()),
        }
    }

    /// Its last line.
    pub fn last_words(&self) -> String {
        let said = self.said();
        said.lines().last().unwrap_or_default().to_owned()
    }

    /// An error about this node.
    pub fn failed(&self, what: &str) -> Failed {
        let (id, log, last) = (self.place.node, self.log.display(), self.last_words());
        format!("node {id} {what}; its last line in {log}: {last}").into()
    }

    /// Sends a signal to its process.
    pub fn signal(&self, signal: Signal) -> Result<(), Failed> {
        let pid = Pid::from_raw(i32::try_from(self.process()?)?);
        Ok(kill_process(pid.ok_or("no process has the id 0")?, signal)?)
    }

    /// kill -9, also of a process that is paused.
    pub async fn kill(&mut self) -> Result<(), Failed> {
        if let Some(child) = &mut self.child {
            child.kill()?;
            self.ended().await?;
            self.child = None;
        }
        Ok(())
    }

    /// SIGTERM: it must end by itself, with success.
    pub async fn terminate(&mut self) -> Result<(), Failed> {
        self.signal(Signal::TERM)?;
        let status = self.ended().await?;
        if !status.success() {
            return Err(self.failed(&format!("ended after SIGTERM: {status}")));
        }
        self.child = None;
        Ok(())
    }

    async fn ended(&mut self) -> Result<ExitStatus, Failed> {
        let began = Instant::now();
        loop {
            let child = self.child.as_mut().ok_or("the node does not run")?;
            match child.try_wait()? {
                Some(status) => return Ok(status),
                None if began.elapsed() > PATIENCE => {
                    return Err(self.failed("does not end after a signal"));
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Removes all its data; it must not run.
    pub fn wipe(&mut self) -> Result<(), Failed> {
        if self.child.is_some() {
            return Err("a node that runs can't be wiped".into());
        }
        match fs::remove_dir_all(&self.data) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Its disk.
    ///
    /// # Errors
    /// Where it has none of its own.
    pub fn disk(&self) -> Result<&Volume, Failed> {
        Ok(self
            .volume
            .as_ref()
            .ok_or("the node has no disk of its own")?)
    }
}

/// Whether that is what `/readyz` says of a node that has stopped over an error.
fn asks_for_a_restart(why: &str) -> bool {
    why.contains("restart it")
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Nobody is left who could be told of an error.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
