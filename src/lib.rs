//! Corndogs keeps the state of tasks: durable, replicated, behind gRPC.
//!
//! Imports point one way, and a test checks it:
//! `cli`, `server` → `api`, `http` → `node` → `raft` → `queue` → `store`.
//! `clock`, `config`, `connection`, `net`, `proto`, `tls` and `work` are leaves.
//!
//! - [`cli`]: the command line: the server, and a client command for every call
//! - [`api`]: the public contract: translate, validate, errors to gRPC codes
//! - [`node`]: propose, read, and what time brings
//! - [`raft`]: openraft over our log, state machine and network
//! - [`queue`]: the pure machine: what the commands mean
//! - [`store`]: rows and indexes: memtable, checkpoint, snapshot
//!
//! `ARCHITECTURE.md` tells the rules that all of them keep.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod http;
pub mod net;
pub mod node;
pub mod note;
pub mod proto;
pub mod queue;
pub mod raft;
pub mod server;
pub mod store;
pub mod tls;
pub mod work;

#[cfg(test)]
mod directions;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod fuzz;
