//! Submit tasks to [Corndogs](https://github.com/catalystcommunity/corndogs), and work them off.
//!
//! A [`Client`] knows all nodes of a cluster. A call that fails on one is tried again on the next, and
//! every call that changes something carries an idempotency key, so that however often it is tried it is done
//! once: the death of a leader is a pause, not an error.
//!
//! A [`Worker`] claims tasks without polling, keeps their leases while handlers run, and ends what it holds
//! before it stops.
//!
//! The crate's README has a whole worker. Without one:
//!
//! ```no_run
//! use corndogs_client::{Claim, Client, Error};
//!
//! async fn by_hand(client: &Client) -> Result<(), Error> {
//!     let task = client.submit("mail", &"hello").priority(5).send().await?;
//!     println!("submitted {}", task.uuid);
//!     while let Some(task) = client.claim(Claim::of("mail")).await? {
//!         println!("{}", task.json::<String>()?);
//!         client.complete(&task).await?;
//!     }
//!     Ok(())
//! }
//! ```

#![allow(
    clippy::needless_update,
    reason = "requests grow: the rest of their fields keep their defaults"
)]

mod backoff;
mod claim;
mod client;
mod error;
mod failure;
mod moment;
mod options;
mod retry;
mod submit;
mod task;
mod update;
mod worker;

pub use backoff::RetryBackoff;
pub use claim::Claim;
pub use client::{Client, StateCounts};
pub use error::Error;
pub use failure::Failure;
pub use options::Options;
pub use submit::Submit;
pub use task::Task;
pub use tokio_util::sync::CancellationToken;
#[cfg(feature = "tls")]
pub use tonic::transport::{Certificate, ClientTlsConfig, Identity};
pub use update::Update;
pub use uuid::Uuid;
pub use worker::{Job, Outcome, Summary, Worker, stop_signal};

/// The messages and the bare service as generated from the protocol, for calls that have no method here.
#[allow(
    missing_docs,
    clippy::too_many_lines,
    clippy::large_enum_variant,
    reason = "generated code is as it is"
)]
pub mod proto {
    tonic::include_proto!("corndogs.v1alpha1");
}

/// The README's worker must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
