//! Slots that close, expire and are dropped, against a list of all that was booked.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Cell, Event, FigureKey, Figures, Kind, Resolution, SlotKey, Subject, hash};
use crate::store::Change;
use crate::store::testing::task;

const NS_PER_S: i64 = 1_000_000_000;

/// Figures with the clock and the state hash that go with them.
#[derive(Default)]
struct Kept {
    figures: Figures,
    clock_ns: i64,
    hash: u64,
    /// What a checkpoint holds.
    disk: BTreeMap<FigureKey, Cell>,
}

impl Kept {
    /// One entry that submits a task to each of those lines.
    fn submit(&mut self, now_ns: i64, lines: impl IntoIterator<Item = String>) {
        self.clock_ns = self.clock_ns.max(now_ns);
        let delta = self.figures.advance(self.clock_ns);
        self.hash = self.hash.wrapping_add(delta);
        for queue in lines {
            let mut task = task(1);
            task.queue = queue.as_str().into();
            let change = Change::Submit(Arc::new(task));
            self.figures.book(&change, self.clock_ns);
        }
        self.hash = self.hash.wrapping_add(self.figures.end_entry());
    }

    /// The same with claims by those workers.
    fn claim(&mut self, now_ns: i64, workers: impl IntoIterator<Item = String>) {
        self.clock_ns = self.clock_ns.max(now_ns);
        let delta = self.figures.advance(self.clock_ns);
        self.hash = self.hash.wrapping_add(delta);
        for worker in workers {
            let before = task(1);
            let mut after = before.clone();
            after.attempt += 1;
            after.claimed_ns = self.clock_ns.max(1);
            after.worker = worker.as_str().into();
            let (before, after) = (Arc::new(before), Arc::new(after));
            let change = Change::Replace { before, after };
            self.figures.book(&change, self.clock_ns);
        }
        self.hash = self.hash.wrapping_add(self.figures.end_entry());
    }

    /// Writes what changed, and goes on from what is written.
    fn restart(&mut self) {
        for (key, cell) in self.figures.freeze() {
            match cell {
                Some(cell) => self.disk.insert(key, cell),
                None => self.disk.remove(&key),
            };
        }
        assert!(self.figures.freeze().is_empty());
        let restarted = Figures::new(self.disk.clone(), self.clock_ns);
        assert_eq!(restarted, self.figures);
        self.figures = restarted;
        self.check();
    }

    fn check(&self) {
        let rows = self.figures.rows();
        let sum = rows.fold(0u64, |sum, (key, cell)| sum.wrapping_add(hash(&key, cell)));
        assert_eq!(self.hash, sum, "state hash");
        let keys: Vec<FigureKey> = self.figures.rows().map(|(key, _)| key).collect();
        assert!(keys.is_sorted(), "rows come in order");
    }

    /// Submits of a slot by queue, as a question finds them.
    fn found(&self, slot: SlotKey) -> BTreeMap<String, u64> {
        // Not its very end: a window that ends now holds what happens now, which may be the next slot's first.
        let (begin, end) = (slot.begin_ns(), slot.end_ns() - 1);
        let now_ns = self.clock_ns;
        let window = self
            .figures
            .window(begin, end, now_ns, Some(slot.resolution));
        let totals = self.figures.totals(window, Kind::Line, None);
        let totals = totals.into_iter();
        totals
            .map(|(subject, cell)| (subject.queue.to_string(), cell.count(Event::Submitted)))
            .collect()
    }

    fn cells(&self, resolution: Resolution) -> usize {
        let rows = self.figures.rows();
        rows.filter(|(key, _)| key.slot.resolution == resolution)
            .count()
    }
}

fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> + use<> {
    let prefix = prefix.to_owned();
    (0..count).map(move |number| format!("{prefix}{number:04}"))
}

#[test]
fn a_slot_has_room_for_so_many_and_a_row_for_all_others() {
    let mut kept = Kept::default();
    kept.submit(0, names("q", 501));
    kept.claim(0, names("w", 502));
    kept.restart();
    // Those that have a row go on having it.
    kept.submit(NS_PER_S, names("q", 600));
    kept.restart();
    let hour = Resolution::Hour.slot_of(0);
    // The hour's row of all others is the minute's, as long as that is open; then it is its own.
    for now_ns in [NS_PER_S, 61 * NS_PER_S] {
        kept.submit(now_ns, None);
        let window = kept.figures.window(0, i64::MAX, now_ns, None);
        assert!(!kept.figures.is_complete(window, Kind::Line));
        assert!(!kept.figures.is_complete(window, Kind::Worker));
        assert!(kept.figures.is_complete(window, Kind::Dropped));
        let other = Subject::nameless(Kind::OtherLines);
        for slot in [Resolution::Minute.slot_of(0), hour] {
            let found = kept.found(slot);
            assert_eq!(found.len(), 500);
            assert_eq!(found.get("q0499"), Some(&2));
            let window = kept
                .figures
                .window(0, NS_PER_S, now_ns, Some(slot.resolution));
            let mut all = kept.figures.each(window);
            let others = all.find(|(_, subject, _)| **subject == other).unwrap();
            assert_eq!(others.2.count(Event::Submitted), 1 + 100);
        }
        kept.restart();
    }
    // The claims were all made from one line, which has no row.
    let other = Subject::nameless(Kind::OtherWorkers);
    let window = kept.figures.window(0, 60 * NS_PER_S, kept.clock_ns, None);
    let others = kept.figures.each(window).find(|row| *row.1 == other);
    assert_eq!(others.unwrap().2.count(Event::Claimed), 2);
}

#[test]
fn an_hour_that_is_full_puts_together_what_each_minute_had_room_for() {
    let mut kept = Kept::default();
    kept.submit(0, names("a", 400));
    kept.submit(60 * NS_PER_S, names("b", 400));
    kept.submit(120 * NS_PER_S, names("a", 1));
    kept.restart();
    let found = kept.found(Resolution::Hour.slot_of(0));
    assert_eq!(found.len(), 500);
    assert_eq!(found.get("a0000"), Some(&2));
    let minutes = kept.figures.window(0, i64::MAX, kept.clock_ns, None);
    assert!(kept.figures.is_complete(minutes, Kind::Line));
    let hour = Some(Resolution::Hour);
    let hours = kept.figures.window(0, i64::MAX, kept.clock_ns, hour);
    assert!(!kept.figures.is_complete(hours, Kind::Line));
}

#[test]
fn the_oldest_minutes_are_dropped_where_there_are_too_many() {
    let mut kept = Kept::default();
    let minute_ns = 60 * NS_PER_S;
    for minute in 0..60 {
        kept.submit(minute * minute_ns, names("q", 500));
        assert!(kept.cells(Resolution::Minute) <= 20_000 + 501);
        if minute % 7 == 0 {
            kept.restart();
        }
    }
    kept.check();
    // 59 minutes are closed, of which the last 40 fit.
    let now_ns = kept.clock_ns;
    let window = kept.figures.window(18 * minute_ns, i64::MAX, now_ns, None);
    assert_eq!(
        window.resolution(),
        Resolution::Hour,
        "a coarser one has it all"
    );
    assert!(kept.figures.is_complete(window, Kind::Line));
    let window = kept.figures.window(19 * minute_ns, i64::MAX, now_ns, None);
    assert_eq!(window.resolution(), Resolution::Minute);
    assert!(kept.figures.is_complete(window, Kind::Line));
    let minutes = Some(Resolution::Minute);
    let window = kept.figures.window(0, i64::MAX, now_ns, minutes);
    assert!(!kept.figures.is_complete(window, Kind::Line));
    assert_eq!(
        kept.found(Resolution::Minute.slot_of(18 * minute_ns)).len(),
        0
    );
    assert_eq!(
        kept.found(Resolution::Minute.slot_of(19 * minute_ns)).len(),
        500
    );
    let hour = kept.found(Resolution::Hour.slot_of(0));
    assert!(hour.len() == 500 && hour.values().all(|submits| *submits == 60));
    // What says so goes with the time that it is about.
    kept.submit(400 * minute_ns, None);
    let window = kept.figures.window(0, i64::MAX, kept.clock_ns, minutes);
    assert!(kept.figures.is_complete(window, Kind::Line));
    kept.restart();
}

#[test]
fn a_slot_that_has_just_ended_holds_nothing_of_the_next() {
    let mut kept = Kept::default();
    let minute_ns = 60 * NS_PER_S;
    kept.submit(minute_ns - 1, names("q", 1));
    kept.submit(minute_ns, names("q", 2));
    for (slot, lines) in [(0, 1), (minute_ns, 2)] {
        let slot = Resolution::Minute.slot_of(slot);
        assert_eq!(kept.found(slot).len(), lines);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the clock does, each slot that is kept holds what happened in it, and no other is there.
    #[test]
    fn kept_slots_hold_what_happened_in_them(
        steps in prop::collection::vec(
            (
                prop_oneof![-5..90i64, 0..7200i64, 0..90_000i64, 0..1_000_000i64, Just(9_000_000i64)],
                prop::collection::vec(0..4u8, 0..4),
                prop::bool::weighted(0.2),
            ),
            1..40,
        ),
    ) {
        let mut kept = Kept::default();
        let mut happened: Vec<(i64, String)> = Vec::new();
        let mut now_ns = 1_000_000 * NS_PER_S;
        for (step_s, queues, restarts) in steps {
            now_ns = (now_ns + step_s * NS_PER_S).max(0);
            let queues: Vec<String> = queues.iter().map(|queue| format!("q{queue}")).collect();
            kept.submit(now_ns, queues.clone());
            happened.extend(queues.into_iter().map(|queue| (kept.clock_ns, queue)));
            if restarts {
                kept.restart();
            }
            kept.check();
        }
        for resolution in Resolution::ALL {
            let first = resolution.first_kept(kept.clock_ns);
            let mut slots: BTreeMap<SlotKey, BTreeMap<String, u64>> = BTreeMap::new();
            for (at_ns, queue) in &happened {
                let slot = resolution.slot_of(*at_ns);
                if slot >= first {
                    *slots.entry(slot).or_default().entry(queue.clone()).or_default() += 1;
                }
            }
            for (slot, wanted) in &slots {
                prop_assert_eq!(&kept.found(*slot), wanted);
            }
            let rows = kept.figures.rows().filter(|(key, _)| key.slot.resolution == resolution);
            for (key, _) in rows {
                prop_assert!(slots.contains_key(&key.slot), "{:?} is not gone", key);
            }
        }
    }
}
