//! The only source of time, randomness and uuids.
//!
//! The state's clock must not follow a wall clock that jumps: one bad clock would
//! expire every lease at once. So [`Clock`] follows the wall clock at a bounded
//! rate, measured by the boot clock (which runs through a suspend): between half
//! and twice as fast. A lease of 60 seconds lasts at least 30, whatever happens to
//! the wall clock while the process runs.

// What clippy.toml forbids everywhere else.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use uuid::{ContextV7, Timestamp, Uuid};

const NS_PER_S: i64 = 1_000_000_000;

/// Time since an arbitrary point, never going back, counting while the machine is suspended.
pub fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// The wall clock in nanoseconds since 1970; 0 before that.
pub fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// A new random identity, as for a cluster.
pub fn random_uuid() -> Uuid {
    Uuid::now_v7()
}

/// A random number, as for a session.
pub fn random_u64() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}

/// A clock that follows the wall clock and can't be made to jump.
#[derive(Debug)]
pub struct Clock {
    discipline: Mutex<Discipline>,
    uuids: Mutex<ContextV7>,
    /// How far the wall clock was ahead of the cluster's before the process started.
    ahead_at_start_ns: i64,
}

impl Clock {
    /// Starts at the wall clock, less what that was last known to be ahead of the cluster's clock.
    pub fn new(ahead_ns: u64) -> Self {
        let ahead_at_start_ns = i64::try_from(ahead_ns).unwrap_or(i64::MAX);
        let discipline = Discipline {
            clock_ns: wall_ns().saturating_sub(ahead_at_start_ns),
            read_at: monotonic(),
            is_vouched_for: false,
        };
        Self {
            discipline: Mutex::new(discipline),
            uuids: Mutex::new(ContextV7::new()),
            ahead_at_start_ns,
        }
    }

    /// Nanoseconds since 1970, never going back.
    pub fn now_ns(&self) -> i64 {
        self.discipline.lock().advance(monotonic(), wall_ns())
    }

    /// A peer whose clock stands there votes for this node. A node that has not been with its cluster since it started
    /// knows its own wall clock, and how far that was ahead before. Should it lead, it goes on from the earliest clock of
    /// a quorum: what a minority does not know about its clocks can't put the cluster's ahead.
    pub fn voted_for(&self, voter_ns: i64) {
        let mut discipline = self.discipline.lock();
        if !discipline.is_vouched_for {
            let now_ns = discipline.advance(monotonic(), wall_ns());
            discipline.clock_ns = now_ns.min(voter_ns);
        }
    }

    /// What a voter says of its clock: before it has been with its cluster, that is what its wall clock shows, less what
    /// that was ahead.
    pub fn voters_ns(&self) -> i64 {
        let mut discipline = self.discipline.lock();
        match discipline.is_vouched_for {
            true => discipline.advance(monotonic(), wall_ns()),
            false => wall_ns().saturating_sub(self.ahead_at_start_ns),
        }
    }

    /// Nanoseconds that the wall clock is ahead of this one; negative if behind.
    pub fn wall_ahead_ns(&self) -> i64 {
        let now_ns = self.now_ns();
        wall_ns().saturating_sub(now_ns)
    }

    /// Nanoseconds that the wall clock is ahead of the cluster's clock, 0 if behind; none before that is known.
    pub fn ahead_ns(&self) -> Option<u64> {
        let is_vouched_for = self.discipline.lock().is_vouched_for;
        is_vouched_for.then(|| u64::try_from(self.wall_ahead_ns()).unwrap_or(0))
    }

    /// The node has caught up with its cluster, whose replicated clock stands there: never answers less from now on, and
    /// no vote sets this clock back any more.
    pub fn observe(&self, clock_ns: i64) {
        let mut discipline = self.discipline.lock();
        discipline.is_vouched_for = true;
        discipline.clock_ns = discipline.clock_ns.max(clock_ns);
    }

    /// Goes on from the leader's clock: should this node lead one day, time goes on as it went.
    pub fn follow(&self, leader_ns: i64) {
        let mut discipline = self.discipline.lock();
        discipline.clock_ns = leader_ns;
        discipline.read_at = monotonic();
        discipline.is_vouched_for = true;
    }

    /// A new task's uuid: version 7, ordered by time and, within a process, by call.
    pub fn task_uuid(&self) -> Uuid {
        let now_ns = self.now_ns();
        let seconds = (now_ns / NS_PER_S).unsigned_abs();
        let nanos = (now_ns % NS_PER_S).unsigned_abs() as u32;
        let context = self.uuids.lock();
        Uuid::new_v7(Timestamp::from_unix(&*context, seconds, nanos))
    }
}

/// Where the clock stood when it was last read.
#[derive(Debug)]
struct Discipline {
    clock_ns: i64,
    read_at: Duration,
    /// It has been with the cluster's since the process started.
    is_vouched_for: bool,
}

impl Discipline {
    fn advance(&mut self, now: Duration, wall_ns: i64) -> i64 {
        let elapsed = now.saturating_sub(self.read_at);
        let elapsed_ns = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
        let slowest = self.clock_ns.saturating_add(elapsed_ns / 2);
        let fastest = self.clock_ns.saturating_add(elapsed_ns.saturating_mul(2));
        self.clock_ns = wall_ns.clamp(slowest, fastest);
        self.read_at = self.read_at.max(now);
        self.clock_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = NS_PER_S;

    fn at(clock_s: i64) -> Discipline {
        Discipline {
            clock_ns: clock_s * S,
            read_at: Duration::from_secs(10),
            is_vouched_for: false,
        }
    }

    #[test]
    fn follows_a_wall_clock_that_behaves() {
        let mut clock = at(100);
        assert_eq!(clock.advance(Duration::from_secs(11), 101 * S), 101 * S);
        assert_eq!(
            clock.advance(Duration::from_secs(71), 161 * S + 5),
            161 * S + 5
        );
    }

    #[test]
    fn a_jump_forward_is_caught_up_at_twice_the_speed() {
        let mut clock = at(100);
        assert_eq!(clock.advance(Duration::from_secs(11), 5000 * S), 102 * S);
        assert_eq!(clock.advance(Duration::from_secs(21), 5010 * S), 122 * S);
    }

    #[test]
    fn a_jump_back_slows_the_clock_and_never_turns_it() {
        let mut clock = at(100);
        assert_eq!(clock.advance(Duration::from_secs(12), 50 * S), 101 * S);
        assert_eq!(clock.advance(Duration::from_secs(12), 50 * S), 101 * S);
    }

    #[test]
    fn a_first_leader_goes_on_from_the_earliest_of_its_voters_clocks() {
        let clock = Clock::new(0);
        let wall_ns = wall_ns();
        clock.voted_for(wall_ns - 1800 * S);
        clock.voted_for(wall_ns + 1800 * S);
        let now_ns = clock.now_ns();
        assert!((wall_ns - 1800 * S..wall_ns - 1000 * S).contains(&now_ns));
    }

    #[test]
    fn a_vote_tells_nothing_to_a_clock_that_was_with_its_cluster() {
        let [led, followed] = [Clock::new(0), Clock::new(0)];
        let then_ns = wall_ns();
        led.observe(then_ns - 9 * S);
        followed.follow(then_ns);
        for clock in [led, followed] {
            clock.voted_for(then_ns - 1800 * S);
            assert!(clock.now_ns() > then_ns - 1000 * S);
        }
    }

    #[test]
    fn a_voter_that_followed_nobody_says_what_its_wall_clock_shows() {
        let clock = Clock::new(0);
        let wall_ns = wall_ns();
        clock.voted_for(wall_ns - 1800 * S);
        assert!(clock.voters_ns() >= wall_ns);
    }

    #[test]
    fn a_wall_clock_that_was_ahead_starts_no_later_than_the_cluster_left_off() {
        let hour_ns = 3600 * NS_PER_S;
        let clock = Clock::new(hour_ns.unsigned_abs());
        let behind = |ns: i64| wall_ns() - ns > hour_ns - S;
        assert!(behind(clock.voters_ns()) && behind(clock.now_ns()));
        assert_eq!(clock.ahead_ns(), None);
        clock.observe(clock.now_ns());
        assert!(clock.ahead_ns() > Some((hour_ns - S).unsigned_abs()));
    }

    #[test]
    fn uuids_are_ordered() {
        let clock = Clock::new(0);
        let uuids: Vec<_> = (0..1000).map(|_| clock.task_uuid()).collect();
        assert!(uuids.is_sorted());
        assert!(uuids.iter().all(|uuid| uuid.get_version_num() == 7));
    }
}
