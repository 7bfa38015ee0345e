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
mod claims;
mod client_uuids;
mod contract;
mod counts;
mod crash;
mod descriptor;
mod directory;
mod diskfull;
mod fsync;
mod history;
mod hostile;
mod idempotency;
mod limits;
mod operations;
mod options;
mod recovery;
mod shutdown;
mod timeouts;
mod tls;
mod wire;
