//! Starts a node from its configuration, serves, and shuts down in order.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

mod ahead;
mod calls;
mod dispatch;
mod error;
mod incoming;
mod join;
mod logging;
mod open;
mod peers;
mod restore;
mod start;
mod verify;

pub use error::ServerError;
pub use restore::{Restored, restore};
pub use verify::{Part, Verified, verify};

use crate::config::Config;
use crate::node::Node;
use crate::node::health::Health;
use error::start_error;
use start::start;
pub use start::{Certificates, Started, assemble, directory};

/// The node of a configuration without `--members`.
const SINGLE_NODE: u64 = 1;
/// Tasks polled between two looks at the sockets: a group's answers are all written, and
/// whole connections' requests read, in one go (tokio's 61: about a tenth slower at 64 workers).
const EVENT_INTERVAL: u32 = 256;

/// Runs a node until it is told to stop.
///
/// # Errors
/// If it can't start; one line that says what to do.
pub fn run(config: Config) -> Result<(), ServerError> {
    logging::start(&config);
    use_small_pages();
    // One thread runs everything but file IO: measured faster than several on few cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()
        .map_err(|error| start_error("start the runtime")(error.to_string()))?;
    let served = runtime.block_on(serve(&config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

/// Huge pages cost twice the resident memory, and a stall each time that one is cleared: a
/// submit's p99 with 64 workers on three nodes was 10 ms with them, and is 5 ms without.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages can't be switched off");
    }
}

async fn serve(config: &Config) -> Result<(), ServerError> {
    // Told to stop before it serves: nothing is in flight, and the log holds all there is.
    let Started {
        mut calls,
        node,
        directory,
    } = tokio::select! {
        started = start(config) => started?,
        () = told_to_stop() => return Ok(()),
    };
    tracing::info!(address = %config.listen, tls = config.tls.is_some(), http = %config.http_listen, "listening");
    let told = async {
        told_to_stop().await;
        tracing::info!("told to stop: finishing what is in flight");
        // Calls are still served meanwhile: no answer is lost with the lead.
        node.hand_over().await;
    };
    let served = tokio::select! {
        ended = calls.ended() => ended,
        () = told => {
            node.health().set(Health::Draining);
            calls.finish().await
        }
    };
    shut_down(&node).await;
    // Nobody else may have the directory before the last checkpoint is written.
    drop(directory);
    served
}

async fn told_to_stop() {
    let wait = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        // Without a handler the signal's default ends the process: nothing to wait for.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}

/// Makes the next start quick: all that is applied goes to the checkpoint.
async fn shut_down(node: &Node) {
    node.raft().shutdown().await;
    if let Err(error) = node.store().checkpoint_now().await {
        tracing::warn!(%error, "no last checkpoint: the next start replays more of the log");
    }
    tracing::info!("stopped");
}
