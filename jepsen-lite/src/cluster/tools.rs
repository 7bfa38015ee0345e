//! Programs of the system: found and run.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::Failed;

/// Where programs of the administrator lie that are not in everyone's `PATH`.
const MORE: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/bin"];

/// Where a program lies, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = MORE.iter().map(PathBuf::from);
    let mut files = std::env::split_paths(&path).chain(more);
    files
        .find(|directory| directory.join(program).is_file())
        .map(|directory| directory.join(program))
}

/// Runs a program to its end beside the run; what it wrote to stdout.
///
/// # Errors
/// Where it is not there, or does not succeed: its last words.
pub async fn run(program: &str, arguments: &[&str]) -> Result<String, Failed> {
    let file = find(program).ok_or_else(|| format!("{program} is not installed"))?;
    let ran = tokio::process::Command::new(file)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ran = ran.await.map_err(|error| format!("{program}: {error}"))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let arguments = arguments.join(" ");
    Err(format!("`{program} {arguments}` failed: {}", said.trim()).into())
}

/// Whether there is no such process any more.
pub fn is_dead(process: Pid) -> bool {
    test_kill_process(process) == Err(Errno::SRCH)
}

/// A path as an argument.
///
/// # Errors
/// Where it is not UTF-8.
pub fn text(path: &Path) -> Result<&str, Failed> {
    let wrong = || format!("{}: the path is not UTF-8", path.display());
    Ok(path.to_str().ok_or_else(wrong)?)
}
