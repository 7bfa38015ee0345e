//! The pure machine: what submit, claim, update, complete, cancel and time out mean.
//!
//! Knows no clock, no randomness and no IO: time and uuids come in the command,
//! rows come from a [`crate::store::View`], and changes go to a [`crate::store::Changes`].

pub mod outcome;

pub use outcome::{Outcome, Refusal};
