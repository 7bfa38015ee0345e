//! Corndogs.
pub mod clock;
pub mod proto;
pub mod queue;
pub mod store;
