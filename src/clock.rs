//! The only source of time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Time since the first call, never going back.
#[allow(clippy::disallowed_methods)]
pub fn monotonic() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
