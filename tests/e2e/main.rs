//! The contract, checked from outside: each test talks to a server process of its own.
//!
//! `CORNDOGS_BIN` names another binary to test, `CORNDOGS_SEED` repeats random choices,
//! `CORNDOGS_KILL_ROUNDS` says how often the server is killed under load.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs
)]

#[path = "../common/mod.rs"]
mod common;

mod additions;
mod bad_requests;
mod batches;
mod bulk;
mod claims;
mod client_uuids;
mod commands;
mod contract;
mod counts;
mod crash;
mod descriptor;
mod directory;
mod diskfull;
mod extend;
mod figures;
mod fsync;
mod history;
mod hostile;
mod idempotency;
mod keyed_waits;
mod limits;
mod looking;
mod not_before;
mod operations;
mod options;
mod queue_controls;
mod queues;
mod recovery;
mod retries;
mod schedules;
mod scrub;
mod shutdown;
mod task_fields;
mod timeouts;
mod tls;
mod unique_keys;
mod verify;
mod waiting;
mod wire;
