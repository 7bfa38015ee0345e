//! Corndogs.
pub mod proto;
pub mod queue;
pub mod store;
