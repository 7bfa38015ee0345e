//! Corndogs.
pub mod config;
pub mod proto;
pub mod queue;
pub mod store;
