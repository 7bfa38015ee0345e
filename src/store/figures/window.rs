//! Figures of a stretch of time.

use std::collections::BTreeMap;

use super::{Cell, Figures, Kind, Resolution, SlotKey, Subject};

/// The slots that a question is answered from: the finest that are kept for all of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    first: SlotKey,
    /// The one after its last.
    end: SlotKey,
}

impl Window {
    /// How long its slots are.
    pub fn resolution(self) -> Resolution {
        self.first.resolution
    }

    /// When it begins, nanoseconds since 1970.
    pub fn begin_ns(self) -> i64 {
        self.first.begin_ns()
    }

    /// When it ends, nanoseconds since 1970: the end of its last slot, which may be later than now.
    pub fn end_ns(self) -> i64 {
        self.end.begin_ns()
    }

    /// Its slots in order, at most one more than are kept.
    pub fn slots(self) -> impl Iterator<Item = SlotKey> {
        let resolution = self.first.resolution;
        (self.first.number..self.end.number).map(move |number| SlotKey { resolution, number })
    }
}

impl Figures {
    /// The window from `since_ns` to `until_ns` when it is `now_ns`, in slots of that length, or the finest
    /// that are kept for so long. It begins no earlier than figures are kept, and ends with the slot that
    /// `until_ns` is the end of or lies in; it is empty if that is earlier too.
    pub fn window(
        &self,
        since_ns: i64,
        until_ns: i64,
        now_ns: i64,
        resolution: Option<Resolution>,
    ) -> Window {
        let now_ns = now_ns.max(self.open.slot.begin_ns());
        let is_kept = |resolution: &Resolution| {
            let first = resolution.first_kept(now_ns);
            let whole = first.begin_ns() <= since_ns;
            whole && self.dropped_before(*resolution) <= since_ns
        };
        let finest = Resolution::ALL.into_iter().find(is_kept);
        let resolution = resolution.or(finest).unwrap_or(Resolution::Day);
        // What happens now lies before the end of a window that ends now.
        let last_ns = match until_ns < now_ns {
            true => until_ns.saturating_sub(1),
            false => now_ns,
        };
        let first = resolution.slot_of(since_ns.min(last_ns));
        let first = first.max(resolution.first_kept(now_ns));
        let end = resolution.slot_of(last_ns).next().max(first);
        Window { first, end }
    }

    /// Whether nothing of the window was dropped, and none of its lines or its workers, whichever `kind`
    /// says, share a row for want of room.
    pub fn is_complete(&self, window: Window, kind: Kind) -> bool {
        let other = match kind {
            Kind::Worker => Kind::OtherWorkers,
            Kind::Line => Kind::OtherLines,
            other => other,
        };
        self.dropped_before(window.resolution()) <= window.begin_ns()
            && !self
                .each(window)
                .any(|(_, subject, _)| subject.kind == other)
    }

    /// The window's rows of each slot: of hours and days, the open minute's own too.
    pub fn each(&self, window: Window) -> impl Iterator<Item = (SlotKey, &Subject, &Cell)> {
        let slots = self.closed.range(window.first..window.end);
        let closed = slots.flat_map(|(slot, rows)| {
            let rows = rows.rows.iter();
            rows.map(|(subject, row)| (*slot, subject, &row.cell))
        });
        let open = window.resolution().slot_of(self.open.slot.begin_ns());
        let is_open = window.first <= open && open < window.end;
        let rows = is_open.then(|| self.open.rows()).into_iter().flatten();
        let open = rows.map(move |(subject, cell)| (open, subject, cell));
        closed
            .chain(open)
            .filter(|(_, subject, _)| subject.kind != Kind::Dropped)
    }

    /// The window's figures of each line or each worker of a queue, or of all queues, added up.
    pub fn totals(
        &self,
        window: Window,
        kind: Kind,
        queue: Option<&str>,
    ) -> BTreeMap<&Subject, Cell> {
        let mut totals: BTreeMap<&Subject, Cell> = BTreeMap::new();
        for (_, subject, cell) in self.each(window) {
            if subject.kind == kind && queue.is_none_or(|queue| *subject.queue == *queue) {
                totals.entry(subject).or_default().merge(cell);
            }
        }
        totals
    }

    /// Figures of that resolution are not all there before that time, nanoseconds since 1970.
    fn dropped_before(&self, resolution: Resolution) -> i64 {
        let note = Subject::nameless(Kind::Dropped);
        // Slots go from the oldest on, so a note can only be in the first that is left.
        let oldest = self.oldest(resolution);
        let noted = oldest.filter(|oldest| {
            let slot = self.closed.get(oldest);
            slot.is_some_and(|slot| slot.rows.contains_key(&note))
        });
        noted.map_or(0, SlotKey::end_ns)
    }
}
