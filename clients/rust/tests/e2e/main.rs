//! The client and its workers against real servers.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod failures;
mod leases;
mod worker;
