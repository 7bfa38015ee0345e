//! Corndogs.
pub mod cli;
pub mod config;
pub mod proto;
pub mod queue;
pub mod server;
pub mod store;
