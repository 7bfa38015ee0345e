//! Stretches of time, and how long their figures are kept.

const NS_PER_MINUTE: i64 = 60_000_000_000;

/// How long a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// 60 seconds.
    Minute = 1,
    /// 60 minutes.
    Hour = 2,
    /// 24 hours, by UTC.
    Day = 3,
}

impl Resolution {
    /// All of them, the finest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The one of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|resolution| *resolution as u8 == number)
    }

    /// How long a slot is, nanoseconds.
    pub fn length_ns(self) -> i64 {
        match self {
            Self::Minute => NS_PER_MINUTE,
            Self::Hour => 60 * NS_PER_MINUTE,
            Self::Day => 24 * 60 * NS_PER_MINUTE,
        }
    }

    /// How many slots are kept before the one of now: 2 hours, 8 days, 100 days.
    pub fn kept_slots(self) -> u32 {
        match self {
            Self::Minute => 120,
            Self::Hour => 8 * 24,
            Self::Day => 100,
        }
    }

    /// How many rows are kept; with more, the oldest slots go.
    pub(super) fn most_cells(self) -> usize {
        match self {
            Self::Minute | Self::Hour => 20_000,
            Self::Day => 10_000,
        }
    }

    /// The slot that a time (nanoseconds since 1970) lies in.
    pub fn slot_of(self, at_ns: i64) -> SlotKey {
        // Times before 1970 count as its beginning; none is so late that its minute has no number.
        let number = at_ns.max(0) / self.length_ns();
        SlotKey {
            resolution: self,
            number: u32::try_from(number).unwrap_or(u32::MAX),
        }
    }

    /// The first slot that is kept when it is `now_ns`.
    pub fn first_kept(self, now_ns: i64) -> SlotKey {
        let now = self.slot_of(now_ns);
        SlotKey {
            number: now.number.saturating_sub(self.kept_slots()),
            ..now
        }
    }
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotKey {
    /// How long it is.
    pub resolution: Resolution,
    /// Counted from 1970.
    pub number: u32,
}

impl SlotKey {
    /// When it begins, nanoseconds since 1970.
    pub fn begin_ns(self) -> i64 {
        i64::from(self.number).saturating_mul(self.resolution.length_ns())
    }

    /// The one after it.
    pub fn next(self) -> Self {
        Self {
            number: self.number.saturating_add(1),
            ..self
        }
    }

    /// When the next one begins.
    pub fn end_ns(self) -> i64 {
        self.next().begin_ns()
    }
}
