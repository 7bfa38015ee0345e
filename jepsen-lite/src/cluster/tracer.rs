//! strace, attached to a node: it lets system calls fail.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::tools::find;
use crate::Failed;

/// How strace marks a call that it let fail.
const MARK: &str = "(INJECTED)";
/// Attaching takes a moment.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const TRIES: u32 = 250;

/// It lets go of the node when it is dropped.
pub struct Tracer {
    strace: Child,
    output: PathBuf,
}

impl Tracer {
    /// Lets those system calls of a process fail, as in `fdatasync:error=EIO:when=1`. `when` counts for each thread.
    ///
    /// # Errors
    /// Where strace can't attach to it.
    pub async fn attach(
        pid: u32,
        calls: &str,
        failure: &str,
        output: PathBuf,
    ) -> Result<Self, Failed> {
        let strace = find("strace").ok_or("strace is not there")?;
        let said = output.with_extension("strace");
        let child = Command::new(strace)
            .args(["-f", "-p", &pid.to_string()])
            .args(["-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:{failure}")])
            .arg("-o")
            .arg(&output)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&said)?)
            .spawn()?;
        let mut tracer = Self {
            strace: child,
            output,
        };
        for _ in 0..TRIES {
            let says = fs::read_to_string(&said)?;
            if let Some(status) = tracer.strace.try_wait()? {
                return Err(format!("strace can't attach: {} ({status})", says.trim()).into());
            }
            if says.contains("attached") {
                return Ok(tracer);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err("strace does not attach".into())
    }

    /// How many calls it has let fail so far.
    pub fn injected(&self) -> usize {
        let lines = fs::read_to_string(&self.output).unwrap_or_default();
        lines.matches(MARK).count()
    }

    /// Lets go of the process; it runs on.
    ///
    /// # Errors
    /// Where strace does not end.
    pub async fn detach(&mut self) -> Result<(), Failed> {
        self.interrupt();
        for _ in 0..TRIES {
            if self.strace.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err("strace does not let go of the node".into())
    }

    fn interrupt(&self) {
        let pid = i32::try_from(self.strace.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It has ended already where the process that it traced has.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if matches!(self.strace.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.strace.wait();
        }
    }
}

/// Why this machine can't do it.
pub async fn missing() -> Option<String> {
    if find("strace").is_none() {
        return Some("strace is not there; install it (`apt-get install strace`)".to_owned());
    }
    try_out().await.err().map(|error| {
        format!("{error}; strace must be allowed to trace (in a container: --cap-add SYS_PTRACE)")
    })
}

async fn try_out() -> Result<(), Failed> {
    let home = super::home::Home::create()?;
    let mut sleep = Command::new("sleep").arg("60").spawn()?;
    let output = home.path().join("trial");
    let attached = Tracer::attach(sleep.id(), "fsync", "error=EIO", output).await;
    sleep.kill()?;
    sleep.wait()?;
    attached.map(drop)
}
