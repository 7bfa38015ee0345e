//! Which ticks of a schedule are to be proposed now. Pure: knows no clock.

use sha2::{Digest, Sha256};
use uuid::Builder;

use super::calendar::{Calendar, rfc3339};
use crate::proto::durable::{Missed, Schedule, Tick};

const NS_PER_S: i64 = 1_000_000_000;
const NS_PER_MS: i64 = 1_000_000;
/// The most ticks of one schedule that are made up for.
const MAX_MISSED: usize = 1000;
/// A later tick is a missed one: as long as a change of leaders may take.
const LATE_NS: i64 = 5 * NS_PER_S;
/// The most ticks of one schedule that are proposed together.
const STEP: usize = 100;

/// The ticks that are due at `now_ns`, since 1970, up to so many, each with the one after it.
///
/// A schedule whose calendar can't be read, as one of another version's time zones, has no tick any more.
pub fn ticks(name: &str, schedule: &Schedule, now_ns: i64) -> Vec<Tick> {
    let due = Due {
        name,
        schedule,
        calendar: Calendar::read(&schedule.cron, &schedule.time_zone).ok(),
    };
    if schedule.next_ns == 0 || schedule.next_ns > now_ns {
        return Vec::new();
    }
    match schedule.missed() {
        Missed::Last => due.latest(now_ns, i64::MAX),
        Missed::None => due.latest(now_ns, LATE_NS),
        Missed::All => due.all(now_ns),
    }
}

struct Due<'a> {
    name: &'a str,
    schedule: &'a Schedule,
    calendar: Option<Calendar>,
}

impl Due<'_> {
    /// The latest tick, unless it is later than that; those before it are skipped.
    fn latest(&self, now_ns: i64, late_ns: i64) -> Vec<Tick> {
        let first_ns = self.schedule.next_ns;
        let latest_ns = self.until(now_ns).max(first_ns);
        let mut ticks = Vec::new();
        if latest_ns > first_ns {
            ticks.push(self.tick(first_ns, latest_ns, true));
        }
        let is_late = now_ns.saturating_sub(latest_ns) > late_ns;
        ticks.push(self.tick(latest_ns, self.after(latest_ns), is_late));
        ticks
    }

    /// Each tick in order, but of too many the latest.
    fn all(&self, now_ns: i64) -> Vec<Tick> {
        let mut at_ns = self.schedule.next_ns;
        let mut ticks = Vec::new();
        if let Some(first_ns) = self.first_made_up(now_ns) {
            ticks.push(self.tick(at_ns, first_ns, true));
            at_ns = first_ns;
        }
        while at_ns != 0 && at_ns <= now_ns && ticks.len() < STEP {
            let next_ns = self.after(at_ns);
            ticks.push(self.tick(at_ns, next_ns, false));
            at_ns = next_ns;
        }
        ticks
    }

    /// Where the latest ticks begin that are made up for, if there are more than those.
    fn first_made_up(&self, now_ns: i64) -> Option<i64> {
        let next_ns = self.schedule.next_ns;
        // There is at most one tick a second.
        if now_ns.saturating_sub(next_ns) / NS_PER_S < MAX_MISSED as i64 {
            return None;
        }
        let mut first_ns = self.until(now_ns);
        for _ in 1..MAX_MISSED {
            if first_ns <= next_ns {
                return None;
            }
            first_ns = self.until(first_ns - 1);
        }
        (first_ns > next_ns).then_some(first_ns)
    }

    fn after(&self, moment_ns: i64) -> i64 {
        let calendar = self.calendar.as_ref();
        let next = calendar.and_then(|calendar| calendar.after(moment_ns));
        next.unwrap_or(0)
    }

    fn until(&self, moment_ns: i64) -> i64 {
        let calendar = self.calendar.as_ref();
        let last = calendar.and_then(|calendar| calendar.until(moment_ns));
        last.unwrap_or(0)
    }

    fn tick(&self, tick_ns: i64, next_ns: i64, is_skipped: bool) -> Tick {
        let generation = self.schedule.generation;
        let uuid = uuid_of(self.name, generation, tick_ns);
        Tick {
            name: self.name.to_owned(),
            generation,
            tick_ns,
            next_ns,
            uuid: bytes::Bytes::copy_from_slice(&uuid),
            tick_time: rfc3339(tick_ns),
            is_skipped,
        }
    }
}

/// A uuid of version 7 with the tick's time, and a digest of what makes it this tick in place of chance.
fn uuid_of(name: &str, generation: u64, tick_ns: i64) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(generation.to_be_bytes())
        .chain_update(tick_ns.to_be_bytes())
        .chain_update(name)
        .finalize()
        .into();
    let mut rest = [0; 10];
    rest.copy_from_slice(&digest[..10]);
    let millis = (tick_ns / NS_PER_MS).max(0).unsigned_abs();
    let uuid = Builder::from_unix_timestamp_millis(millis, &rest).into_uuid();
    uuid.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::calendar::moment;
    use super::*;

    const NOON: &str = "2026-01-31T12:00:00Z";

    fn schedule(cron: &str, missed: Missed) -> Schedule {
        Schedule {
            next_ns: moment(NOON),
            generation: 7,
            cron: cron.into(),
            missed: missed.into(),
            ..Schedule::default()
        }
    }

    /// Seconds from noon on: the tick, the next one, and whether it is skipped.
    fn due(schedule: &Schedule, now_s: i64) -> Vec<(i64, i64, bool)> {
        let second = |ns: i64| (ns - moment(NOON)) / NS_PER_S;
        let ticks = ticks("n", schedule, moment(NOON) + now_s * NS_PER_S);
        let ticks = ticks.iter();
        ticks
            .map(|tick| (second(tick.tick_ns), second(tick.next_ns), tick.is_skipped))
            .collect()
    }

    #[test]
    fn nothing_before_its_time() {
        for missed in [Missed::Last, Missed::All, Missed::None] {
            let minutely = schedule("* * * * *", missed);
            assert_eq!(due(&minutely, -1), []);
            assert_eq!(due(&minutely, 0), [(0, 60, false)]);
            assert_eq!(due(&minutely, 5), [(0, 60, false)]);
            let none = Schedule {
                next_ns: 0,
                ..minutely
            };
            assert_eq!(due(&none, 100), []);
        }
    }

    #[test]
    fn the_latest_of_those_that_were_missed() {
        let minutely = schedule("* * * * *", Missed::Last);
        assert_eq!(due(&minutely, 59), [(0, 60, false)]);
        let expected = [(0, 180, true), (180, 240, false)];
        assert_eq!(due(&minutely, 239), expected);
        // However many there were.
        let day = 86_400;
        let expected = [(0, 365 * day, true), (365 * day, 365 * day + 60, false)];
        assert_eq!(due(&minutely, 365 * day), expected);
    }

    #[test]
    fn none_that_was_missed() {
        let minutely = schedule("* * * * *", Missed::None);
        assert_eq!(due(&minutely, 6), [(0, 60, true)]);
        assert_eq!(due(&minutely, 66), [(0, 60, true), (60, 120, true)]);
        assert_eq!(due(&minutely, 65), [(0, 60, true), (60, 120, false)]);
    }

    #[test]
    fn each_that_was_missed_up_to_a_limit() {
        let minutely = schedule("* * * * *", Missed::All);
        let expected = [(0, 60, false), (60, 120, false), (120, 180, false)];
        assert_eq!(due(&minutely, 150), expected);
        // In steps.
        assert_eq!(due(&minutely, 60 * 999).len(), STEP);
        assert_eq!(due(&minutely, 60 * 999)[0], (0, 60, false));
        // Exactly as many as the limit, and one more.
        let secondly = schedule("* * * * * *", Missed::All);
        assert_eq!(due(&secondly, 999)[0], (0, 1, false));
        let more = due(&secondly, 1000);
        assert_eq!(more[..2], [(0, 1, true), (1, 2, false)]);
        let more = due(&secondly, 5000);
        assert_eq!(more[..2], [(0, 4001, true), (4001, 4002, false)]);
    }

    #[test]
    fn a_calendar_that_can_t_be_read_ends() {
        let strange = schedule("never", Missed::Last);
        let ticks = ticks("n", &strange, moment(NOON));
        assert_eq!(ticks.len(), 1);
        assert_eq!((ticks[0].next_ns, ticks[0].is_skipped), (0, false));
    }

    /// Whichever node proposes a tick, its task has the same uuid.
    #[test]
    fn uuids_are_of_the_tick() {
        let uuid = |name, generation, tick_ns| {
            uuid::Uuid::from_bytes(uuid_of(name, generation, tick_ns)).to_string()
        };
        let first = uuid("n", 1, moment(NOON));
        assert_eq!(first, uuid("n", 1, moment(NOON)));
        assert!(first.starts_with("019c13ec-9e00-7"), "{first}");
        assert_ne!(first, uuid("m", 1, moment(NOON)));
        assert_ne!(first, uuid("n", 2, moment(NOON)));
        assert_ne!(first, uuid("n", 1, moment(NOON) + NS_PER_S));
    }
}
