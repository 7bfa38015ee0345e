//! An adversary for Corndogs: it starts a cluster of real processes, works on it as clients do, breaks its nodes,
//! writes down what clients asked and were told, and checks whether that can be explained by a correct server.
//!
//! A black box: it knows the public protocol, the metrics, and signals to processes. The checkers are pure functions
//! over a history (`check`), so that a history from anywhere can be checked.

pub mod api;
pub mod check;
pub mod cluster;
mod drain;
pub mod history;
mod leaders;
pub mod nemesis;
mod progress;
mod random;
mod record;
pub mod report;
mod round;
pub mod run;
mod session;
pub mod simulated;
pub mod timeline;
pub mod workload;

/// Why a run could not be carried through. It says nothing about the server's promises.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The messages and services as generated from the protocol.
#[allow(
    missing_docs,
    clippy::too_many_lines,
    clippy::large_enum_variant,
    reason = "generated code is as it is"
)]
pub mod proto {
    /// Tasks and queues.
    pub mod v1alpha1 {
        tonic::include_proto!("corndogs.v1alpha1");
    }
    /// What an operator asks.
    pub mod cluster {
        tonic::include_proto!("corndogs.cluster.v1alpha1");
    }
}
