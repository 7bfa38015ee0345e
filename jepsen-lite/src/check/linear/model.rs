//! A single task as the contract describes it.

use crate::history::{Act, Deed, Outcome, Seen};

/// A state's name, as a number.
pub type Name = usize;

/// The names that a task's calls use.
#[derive(Debug)]
pub struct Names(Vec<String>);

const SUBMITTED: Name = 0;
const SUBMITTED_WORKING: Name = 1;
const COMPLETED: Name = 2;
const CANCELED: Name = 3;

impl Default for Names {
    fn default() -> Self {
        let known = ["submitted", "submitted-working", "completed", "canceled"];
        Self(known.map(str::to_owned).into())
    }
}

impl Names {
    /// The number of a name.
    pub fn name(&mut self, name: &str) -> Name {
        let known = self.0.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }

    /// What an answer shows.
    pub fn shown(&mut self, seen: &Seen) -> Shown {
        Shown {
            is_archived: seen.is_archived,
            state: self.name(&seen.state),
            auto: self.name(&seen.auto_target_state),
            attempt: seen.attempt,
            is_timed: seen.timeout_s > 0,
            time_ns: seen.update_time_ns,
        }
    }

    /// What an act asks; none where it failed, and says nothing.
    pub fn act(&mut self, act: &Act, outcome: &Outcome, shown: Option<Shown>) -> Option<Step> {
        let told = match (outcome, shown) {
            (Outcome::Ok(_), Some(shown)) => Told::Shown(shown),
            (Outcome::Ok(_), None) => Told::Nothing,
            (Outcome::Fenced(_), _) => Told::Fenced,
            (Outcome::Unknown(_), _) => Told::Unknown,
            (Outcome::Fail(_), _) => return None,
        };
        let does = match &act.deed {
            Deed::Update { new_state, .. } => Does::Update {
                to: self.name(new_state),
                auto: self.name(&format!("{new_state}-working")),
            },
            Deed::Complete { .. } => Does::End(COMPLETED),
            Deed::Cancel => Does::End(CANCELED),
            Deed::Fail => Does::Fail,
            Deed::Extend => Does::Extend,
        };
        Some(Step::Act {
            state: self.name(&act.state),
            attempt: act.attempt,
            does,
            told,
        })
    }
}

/// A task as an answer shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    is_archived: bool,
    state: Name,
    auto: Name,
    attempt: i64,
    is_timed: bool,
    time_ns: i64,
}

/// What an act does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Update { to: Name, auto: Name },
    End(Name),
    Fail,
    Extend,
}

/// What the holder was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Shown(Shown),
    Nothing,
    Fenced,
    Unknown,
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Submit(Option<Shown>),
    Claim {
        from: Name,
        shown: Shown,
    },
    Act {
        state: Name,
        attempt: i64,
        does: Does,
        told: Told,
    },
    Look(Option<Shown>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Absent,
    Live,
    Ended,
}

/// The task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Model {
    phase: Phase,
    state: Name,
    auto: Name,
    attempt: i64,
    /// Whether a timeout runs.
    is_timed: bool,
    /// Whether a worker holds it.
    is_held: bool,
    /// When it last changed, by the server's clock; at that moment or later where nobody was told.
    time_ns: i64,
    is_exact: bool,
}

impl Model {
    /// Before anybody submitted it.
    pub const ABSENT: Self = Self {
        phase: Phase::Absent,
        state: SUBMITTED,
        auto: SUBMITTED_WORKING,
        attempt: 0,
        is_timed: false,
        is_held: false,
        time_ns: i64::MIN,
        is_exact: false,
    };

    /// The task after a call, if the call can be answered as it was.
    pub fn after(&self, step: &Step) -> Option<Self> {
        match step {
            Step::Submit(shown) => self.after_submit(shown.as_ref()),
            Step::Claim { from, shown } => {
                let is_there = self.phase == Phase::Live && self.state == *from;
                let claimed = Self {
                    is_timed: shown.is_timed,
                    ..self.swapped()
                };
                let claimed = Self {
                    attempt: self.attempt + 1,
                    is_held: true,
                    ..claimed
                };
                is_there.then_some(claimed)?.shows(shown)
            }
            Step::Act {
                state,
                attempt,
                does,
                told,
            } => self.after_act(*state, *attempt, *does, told),
            Step::Look(None) => (self.phase == Phase::Absent).then_some(*self),
            Step::Look(Some(shown)) => self.shows(shown),
        }
    }

    fn after_submit(&self, shown: Option<&Shown>) -> Option<Self> {
        let after = match self.phase {
            Phase::Absent => Self {
                phase: Phase::Live,
                ..*self
            },
            // The same submit again is answered the task as it is.
            Phase::Live | Phase::Ended => *self,
        };
        match shown {
            Some(shown) => after.shows(shown),
            None => Some(after),
        }
    }

    fn after_act(&self, state: Name, attempt: i64, does: Does, told: &Told) -> Option<Self> {
        let is_live = self.phase == Phase::Live;
        let is_fenced = is_live && self.attempt != attempt;
        let is_meant =
            is_live && !is_fenced && self.state == state && (self.is_held || does != Does::Fail);
        match told {
            Told::Shown(shown) => is_meant.then(|| self.done(does))?.shows(shown),
            Told::Nothing => (!is_fenced && !is_meant).then_some(*self),
            Told::Fenced => is_fenced.then_some(*self),
            Told::Unknown => is_meant.then(|| self.done(does)),
        }
    }

    fn done(&self, does: Does) -> Self {
        let changed = Self {
            is_exact: false,
            ..*self
        };
        match does {
            Does::Update { to, auto } => Self {
                state: to,
                auto,
                is_timed: false,
                is_held: self.is_held && to == self.state,
                ..changed
            },
            Does::End(state) => Self {
                phase: Phase::Ended,
                state,
                auto: state,
                ..changed
            },
            Does::Fail => self.timed_out(),
            Does::Extend => changed,
        }
    }

    /// The same task with what the answer tells of it, if that fits.
    fn shows(&self, shown: &Shown) -> Option<Self> {
        let is_archived = match self.phase {
            Phase::Absent => return None,
            Phase::Live => false,
            Phase::Ended => true,
        };
        let is_same = is_archived == shown.is_archived
            && self.state == shown.state
            && self.auto == shown.auto
            && self.attempt == shown.attempt
            && (is_archived || self.is_timed == shown.is_timed);
        let fits = match self.is_exact {
            true => shown.time_ns == self.time_ns,
            false => shown.time_ns >= self.time_ns,
        };
        (is_same && fits).then_some(Self {
            time_ns: shown.time_ns,
            is_exact: true,
            ..*self
        })
    }

    fn swapped(&self) -> Self {
        Self {
            state: self.auto,
            auto: self.state,
            is_exact: false,
            ..*self
        }
    }

    fn timed_out(&self) -> Self {
        Self {
            is_timed: false,
            is_held: false,
            ..self.swapped()
        }
    }

    /// The task after its timeout, if one runs.
    pub fn after_timeout(&self) -> Option<Self> {
        let can = self.phase == Phase::Live && self.is_timed;
        can.then(|| self.timed_out())
    }

    /// The task after a claim that nobody was told of, where it can be found in that state.
    pub fn after_lost_claim(&self, from: Name, has_lease: bool) -> Option<Self> {
        let can = self.phase == Phase::Live && self.state == from;
        can.then(|| Self {
            attempt: self.attempt + 1,
            is_timed: has_lease,
            is_held: true,
            ..self.swapped()
        })
    }

    /// How often it was claimed.
    pub fn attempt(&self) -> i64 {
        self.attempt
    }
}
