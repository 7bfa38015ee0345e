//! What tells a process to stop.

use std::io;

/// Comes when the process gets SIGTERM or Ctrl-C. From its first poll on, these do not end the process by themselves.
pub async fn stop_signal() {
    if let Err(error) = signal().await {
        tracing::warn!(%error, "no signals can be received: only the end of the process stops the worker");
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[cfg(not(unix))]
async fn signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
