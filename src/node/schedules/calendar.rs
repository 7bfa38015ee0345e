//! When ticks are: a cron expression in a time zone. Pure: knows no clock.
//!
//! Local times that do not exist or exist twice are croner's matter, as crond has it: a tick at a fixed hour and
//! minute comes once a day, after the gap or at the first of both times; ticks of `*`, `/` and ranges come as often
//! as the clock shows them.

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

const NS_PER_S: i64 = 1_000_000_000;

/// A cron expression in a time zone.
pub struct Calendar {
    cron: Cron,
    time_zone: TimeZone,
}

/// What of a calendar can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCalendar {
    /// The expression, and why.
    Cron(String),
    /// No time zone has this name.
    TimeZone,
}

impl Calendar {
    /// Reads an expression of five or six fields, or one such as `@daily`, and the name of a time zone; none is UTC.
    ///
    /// # Errors
    /// If one of them can't be read.
    pub fn read(expression: &str, time_zone: &str) -> Result<Self, NoCalendar> {
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let unreadable = |error: CronError| NoCalendar::Cron(error.to_string());
        let cron = parser.parse(expression).map_err(unreadable)?;
        let time_zone = match time_zone {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| NoCalendar::TimeZone)?,
        };
        Ok(Self { cron, time_zone })
    }

    /// The first tick after that moment, both in nanoseconds since 1970; none if none comes.
    pub fn after(&self, moment_ns: i64) -> Option<i64> {
        let next = self.cron.find_next_occurrence(&self.at(moment_ns)?, false);
        nanoseconds(&next.ok()?).filter(|next_ns| *next_ns > moment_ns)
    }

    /// The last tick at that moment or before it, both in nanoseconds since 1970; none if there was none.
    pub fn until(&self, moment_ns: i64) -> Option<i64> {
        let last = self
            .cron
            .find_previous_occurrence(&self.at(moment_ns)?, true);
        nanoseconds(&last.ok()?).filter(|last_ns| *last_ns <= moment_ns)
    }

    /// That second in its time zone.
    fn at(&self, moment_ns: i64) -> Option<Zoned> {
        let second = Timestamp::from_second(moment_ns.div_euclid(NS_PER_S)).ok()?;
        Some(second.to_zoned(self.time_zone.clone()))
    }
}

fn nanoseconds(time: &Zoned) -> Option<i64> {
    i64::try_from(time.timestamp().as_nanosecond()).ok()
}

/// A moment in nanoseconds since 1970 in RFC 3339 and UTC, as `2026-01-31T12:00:00Z`.
pub fn rfc3339(moment_ns: i64) -> String {
    Timestamp::from_nanosecond(moment_ns.into())
        .map_or_else(|_| String::new(), |time| time.to_string())
}

/// The moment of an RFC 3339 text; for tests.
#[cfg(test)]
pub(super) fn moment(text: &str) -> i64 {
    let time: Timestamp = text.parse().unwrap();
    i64::try_from(time.as_nanosecond()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next ticks after a moment.
    fn ticks<const N: usize>(cron: &str, time_zone: &str, after: &str) -> [String; N] {
        let calendar = Calendar::read(cron, time_zone).unwrap();
        let mut at = moment(after);
        std::array::from_fn(|_| {
            at = calendar.after(at).unwrap();
            rfc3339(at)
        })
    }

    #[test]
    fn expressions_of_all_forms() {
        let after = "2026-01-31T12:00:00Z";
        for (cron, expected) in [
            ("* * * * *", "2026-01-31T12:01:00Z"),
            ("* * * * * *", "2026-01-31T12:00:01Z"),
            ("*/20 * * * * *", "2026-01-31T12:00:20Z"),
            ("30 6 * * MON-FRI", "2026-02-02T06:30:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 0 L * *", "2026-02-28T00:00:00Z"),
            ("@hourly", "2026-01-31T13:00:00Z"),
            ("@daily", "2026-02-01T00:00:00Z"),
            ("@weekly", "2026-02-01T00:00:00Z"),
            ("@monthly", "2026-02-01T00:00:00Z"),
            ("@yearly", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(ticks(cron, "", after), [expected], "{cron}");
            assert_eq!(ticks(cron, "UTC", after), [expected], "{cron}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for cron in [
            "",
            " ",
            "*",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "0 0 0 1 1 * 2030",
            "@sometimes",
            "@reboot",
            "* * * * FRY",
            "*/0 * * * *",
        ] {
            let read = Calendar::read(cron, "UTC");
            assert!(matches!(read, Err(NoCalendar::Cron(_))), "{cron}");
        }
        for time_zone in ["Europe/Atlantis", "x", "../../etc/passwd", "+01:00"] {
            let read = Calendar::read("* * * * *", time_zone).err();
            assert_eq!(read, Some(NoCalendar::TimeZone), "{time_zone}");
        }
    }

    #[test]
    fn a_tick_that_never_comes() {
        let never = Calendar::read("0 0 30 2 *", "Europe/Berlin").unwrap();
        assert_eq!(never.after(moment("2026-01-01T00:00:00Z")), None);
        assert_eq!(never.until(moment("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_tick_is_after_and_until_is_not() {
        let calendar = Calendar::read("0 * * * *", "").unwrap();
        let at = moment("2026-01-31T12:00:00Z");
        let hour = 3600 * NS_PER_S;
        assert_eq!(calendar.after(at), Some(at + hour));
        assert_eq!(calendar.after(at - 1), Some(at));
        assert_eq!(calendar.after(at + 1), Some(at + hour));
        assert_eq!(calendar.until(at), Some(at));
        assert_eq!(calendar.until(at - 1), Some(at - hour));
        assert_eq!(calendar.until(at + 1), Some(at));
        assert_eq!(calendar.after(i64::MAX), None);
        assert_eq!(calendar.after(i64::MIN), calendar.after(i64::MIN + 1));
    }

    /// On 29 March 2026 clocks go from 02:00 to 03:00 in Berlin.
    #[test]
    fn the_hour_that_is_left_out() {
        let after = "2026-03-28T12:00:00Z";
        // 02:30 does not exist: the tick comes when the gap is over.
        let fixed = ticks("30 2 * * *", "Europe/Berlin", after);
        let expected = [
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:30:00Z",
            "2026-03-31T00:30:00Z",
        ];
        assert_eq!(fixed, expected);
        // A wildcard goes on with the clock: 01:30, 03:00.
        let after = "2026-03-29T00:00:00Z";
        let each = ticks("*/30 * * * *", "Europe/Berlin", after);
        let expected = [
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
        ];
        assert_eq!(each, expected);
    }

    /// On 25 October 2026 clocks go from 03:00 back to 02:00 in Berlin.
    #[test]
    fn the_hour_that_comes_twice() {
        let after = "2026-10-24T12:00:00Z";
        // 02:30 comes twice: the tick comes at the first.
        let fixed = ticks("30 2 * * *", "Europe/Berlin", after);
        let expected = ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
        assert_eq!(fixed, expected);
        // A wildcard ticks in both hours: no hour is without.
        let after = "2026-10-25T00:00:00Z";
        let each = ticks("30 * * * *", "Europe/Berlin", after);
        let expected = [
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:30:00Z",
        ];
        assert_eq!(each, expected);
    }

    #[test]
    fn ticks_each_second_leave_out_none() {
        for start in [
            "2026-03-29T00:59:50Z",
            "2026-10-25T00:59:50Z",
            "2026-10-25T01:59:50Z",
        ] {
            let calendar = Calendar::read("* * * * * *", "Europe/Berlin").unwrap();
            let mut at = moment(start);
            for _ in 0..20 {
                let next = calendar.after(at);
                assert_eq!(next, Some(at + NS_PER_S), "{start}");
                at += NS_PER_S;
                assert_eq!(calendar.until(at), Some(at));
            }
        }
    }

    #[test]
    fn noon_stays_noon() {
        let after = "2026-03-28T00:00:00Z";
        let noon = ticks("0 12 * * *", "Europe/Berlin", after);
        let expected = ["2026-03-28T11:00:00Z", "2026-03-29T10:00:00Z"];
        assert_eq!(noon, expected);
    }
}
