//! The public gRPC services: translate, validate, ask the node, answer.

pub mod batch;
pub mod call;
pub mod cluster;
pub mod convert;
pub mod idempotency;
pub mod queues;
mod service;
pub mod status;
pub mod validate;

pub use convert::{Defaults, Translator};
pub use service::Service;
