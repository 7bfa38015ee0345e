//! Times as the wire has them: nanoseconds since 1970, and whole seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970; what lies before is 0, what lies too far ahead is the last moment there is.
pub fn to_ns(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A moment; negative ones are 1970.
pub fn from_ns(ns: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}

/// A moment, where 0 means that there is none.
pub fn optional_from_ns(ns: i64) -> Option<SystemTime> {
    (ns > 0).then(|| from_ns(ns))
}

/// Whole seconds, rounded up, at least 1: on the wire 0 means something else.
pub fn to_s(duration: Duration) -> i64 {
    let rounded = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0));
    i64::try_from(rounded).unwrap_or(i64::MAX).max(1)
}

/// Seconds, where 0 means none.
pub fn optional_from_s(seconds: i64) -> Option<Duration> {
    let seconds = u64::try_from(seconds).ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_as_they_were() {
        let moment = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        assert_eq!(from_ns(to_ns(moment)), moment);
        assert_eq!(optional_from_ns(to_ns(moment)), Some(moment));
        assert_eq!(optional_from_ns(0), None);
        assert_eq!(from_ns(-1), UNIX_EPOCH);
        assert_eq!(to_ns(UNIX_EPOCH - Duration::from_secs(1)), 0);
    }

    #[test]
    fn seconds_are_rounded_up_and_never_zero() {
        let cases = [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (60_000, 60)];
        for (ms, expected) in cases {
            assert_eq!(to_s(Duration::from_millis(ms)), expected, "{ms} ms");
        }
        assert_eq!(to_s(Duration::MAX), i64::MAX);
        assert_eq!(optional_from_s(0), None);
        assert_eq!(optional_from_s(-1), None);
        assert_eq!(optional_from_s(2), Some(Duration::from_secs(2)));
    }
}
