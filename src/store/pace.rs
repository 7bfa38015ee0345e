//! Says how far something long is, and how long it will still take.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;

const INTERVAL: Duration = Duration::from_secs(1);

/// Who else is told, besides the log.
#[derive(Clone, Default)]
pub struct Report(Option<Arc<dyn Fn(String) + Send + Sync>>);

impl Report {
    /// Tells that one.
    pub fn to(listener: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report")
    }
}

/// Work of known size, from its beginning on.
#[derive(Debug)]
pub struct Pace {
    what: &'static str,
    all: u64,
    started: Duration,
    said: Duration,
    report: Report,
}

impl Pace {
    /// Begins work of `all` parts.
    pub fn new(what: &'static str, all: u64, report: Report) -> Self {
        let now = clock::monotonic();
        Self {
            what,
            all,
            started: now,
            said: now,
            report,
        }
    }

    /// So many parts are done: says so, at most once a second.
    pub fn at(&mut self, done: u64) {
        let now = clock::monotonic();
        if now.saturating_sub(self.said) < INTERVAL {
            return;
        }
        self.said = now;
        let (percent, eta_s) = ahead(done, self.all, now.saturating_sub(self.started));
        tracing::info!(percent, eta_s, "{}", self.what);
        if let Report(Some(tell)) = &self.report {
            tell(format!("{}: {percent} %, about {eta_s} s left", self.what));
        }
    }
}

/// How many percent are done, and in how many seconds the rest will be, at the pace so far.
fn ahead(done: u64, all: u64, spent: Duration) -> (u64, u64) {
    let done = done.min(all);
    let percent = (done * 100).checked_div(all).unwrap_or(100);
    let each_s = spent.as_secs_f64() / done.max(1) as f64;
    (percent, (each_s * (all - done) as f64).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        let spent = Duration::from_secs(30);
        assert_eq!(ahead(25, 100, spent), (25, 90));
        assert_eq!(ahead(100, 100, spent), (100, 0));
        // More may turn up than was known; nothing may have been done, or be there to do.
        assert_eq!(ahead(120, 100, spent), (100, 0));
        assert_eq!(ahead(0, 100, spent), (0, 3000));
        assert_eq!(ahead(0, 0, spent), (100, 0));
    }
}
