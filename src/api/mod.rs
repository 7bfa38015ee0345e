//! The public gRPC services: translate, validate, ask the node, answer.

pub mod batch;
pub mod bulk;
pub mod call;
pub mod cluster;
pub mod convert;
pub mod counts;
pub mod figures;
pub mod idempotency;
pub mod looking;
pub mod page;
pub mod queues;
pub mod schedules;
pub mod service;
pub mod status;
pub mod validate;

pub use convert::{Defaults, Translator};
pub use schedules::Schedules;
pub use service::Service;

#[cfg(test)]
mod fuzz;
