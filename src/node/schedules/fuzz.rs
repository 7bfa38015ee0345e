//! Cron expressions and time zones as clients send them: refused, or ticks that come in order.

use super::calendar::{Calendar, rfc3339};
use crate::fuzz::{Input, Output, fuzz_target};

fuzz_target!(
    /// An expression, a time zone, and a moment.
    calendar, 1000, seeds, run
);

/// The longest expression that is let through.
const MAX_BYTES: usize = 255;

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (cron, zone, moment_ns) = (input.text(), input.text(), input.number());
    if cron.len() > MAX_BYTES || zone.len() > MAX_BYTES {
        return;
    }
    let Ok(calendar) = Calendar::read(&cron, &zone) else {
        return;
    };
    rfc3339(moment_ns);
    if let Some(first_ns) = calendar.after(moment_ns) {
        assert!(first_ns > moment_ns);
        if let Some(second_ns) = calendar.after(first_ns) {
            assert!(second_ns > first_ns, "{cron:?} {zone:?}");
        }
    }
    if let Some(last_ns) = calendar.until(moment_ns) {
        assert!(last_ns <= moment_ns);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let calendars = [
        ("* * * * *", ""),
        ("*/20 * * * * *", "UTC"),
        ("30 6 * * MON-FRI", "Europe/Berlin"),
        ("0 0 29 2 *", "America/New_York"),
        ("0 0 L * *", "Australia/Lord_Howe"),
        ("0 9 * * 5#2", ""),
        ("0 0 15W * *", ""),
        ("@daily", "Asia/Kathmandu"),
    ];
    calendars
        .map(|(cron, zone)| {
            let mut seed = Output::default();
            seed.chunk(cron.as_bytes()).chunk(zone.as_bytes());
            seed.number(1_774_746_000_000_000_000);
            seed.bytes()
        })
        .into()
}
