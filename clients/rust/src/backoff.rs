//! How long a task waits for its next attempt.

use std::time::Duration;

use crate::moment::{optional_from_s, to_s};
use crate::proto;

/// How long a task waits after an attempt that failed or timed out, kept by the server: at first `initial`, then
/// twice as long each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "hand it to `Submit::retry_backoff`"]
pub struct RetryBackoff {
    /// The wait after the first attempt; whole seconds, rounded up, from a second to 365 days.
    pub initial: Duration,
    /// The longest wait; `None` is 365 days.
    pub cap: Option<Duration>,
    /// Each wait is that many times the one before, in percent: 100 is a fixed wait, 10,000 the most.
    pub factor_percent: u32,
    /// Up to so much of each wait is left out, in percent, so that tasks that failed together don't come back
    /// together.
    pub jitter_percent: u32,
}

impl RetryBackoff {
    /// Waits that begin with this one and double, up to 365 days.
    pub const fn starting_at(initial: Duration) -> Self {
        Self {
            initial,
            cap: None,
            factor_percent: 200,
            jitter_percent: 0,
        }
    }

    /// The longest wait; whole seconds, rounded up.
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = Some(cap);
        self
    }

    /// Each wait is that many times the one before, in percent: from 100, a fixed wait, to 10,000.
    pub const fn factor_percent(mut self, percent: u32) -> Self {
        self.factor_percent = percent;
        self
    }

    /// Up to so much of each wait is left out, in percent, up to 100.
    pub const fn jitter_percent(mut self, percent: u32) -> Self {
        self.jitter_percent = percent;
        self
    }
}

impl From<RetryBackoff> for proto::RetryBackoff {
    fn from(backoff: RetryBackoff) -> Self {
        Self {
            initial: to_s(backoff.initial),
            cap: backoff.cap.map_or(0, to_s),
            factor_percent: backoff.factor_percent.into(),
            jitter_percent: backoff.jitter_percent.into(),
        }
    }
}

impl From<proto::RetryBackoff> for RetryBackoff {
    fn from(backoff: proto::RetryBackoff) -> Self {
        let percent = |percent| u32::try_from(percent).unwrap_or_default();
        Self {
            initial: optional_from_s(backoff.initial).unwrap_or_default(),
            cap: optional_from_s(backoff.cap),
            factor_percent: percent(backoff.factor_percent),
            jitter_percent: percent(backoff.jitter_percent),
        }
    }
}
