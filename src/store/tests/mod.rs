//! The store against the plain maps of [`super::MemoryStore`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod crash;
mod groups;
mod harness;
mod layered;
mod readers;
mod recovery;
mod repack;
mod scrub;
mod snapshot;
mod views;
