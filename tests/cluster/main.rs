//! Clusters of real processes: what they promise, also while nodes fail.
//!
//! `CORNDOGS_BIN` names another binary to test, `CORNDOGS_SEED` repeats random choices,
//! `CORNDOGS_FAULT_ROUNDS` says how often each fault happens (20 is the full run),
//! `CORNDOGS_RESTART_ROUNDS` how often the leader is killed and started at once (100 is the full run),
//! `CORNDOGS_AWAY_ENTRIES` for how many log entries a node is away (1000000 is the full run),
//! `CORNDOGS_WAITERS` how many claims wait (10000 is the full run),
//! `CORNDOGS_LEASES` how many leases are given while workers stop in the middle (1000000 is the full run),
//! `CORNDOGS_RETRY_KILLS` and `CORNDOGS_RETRY_CLIENTS` how often the leader is killed under how many clients with keys (20, 32).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs
)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../e2e/wire.rs"]
mod wire;

mod any_node;
mod away;
mod batches;
mod bootstrap;
mod delayed;
mod failures;
mod faults;
mod figures;
mod full_disk;
mod gaps;
mod leases;
mod load;
mod looking;
mod membership;
mod minority;
mod peers;
mod queue_controls;
mod reads;
mod repair;
mod restarts;
mod retries;
mod rolling;
mod schedules;
mod scrub;
mod snapshot;
mod stale;
mod transfer;
mod waiting;
