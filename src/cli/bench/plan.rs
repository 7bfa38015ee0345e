//! The steps that a run takes, in order.

use clap::ValueEnum;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Submits, in a closed loop.
    Submit,
    /// Claims and completes all that was submitted.
    Drain,
    /// Submits, claims and completes.
    Lifecycle,
    /// The three, one after the other.
    All,
}

/// What the workers do in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Submit until the time is up.
    Submit,
    /// Submit this many tasks.
    Fill(u64),
    /// Claim and complete until nothing is left.
    Drain,
    /// Submit, claim and complete until the time is up.
    Lifecycle,
}

/// One step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub phase: Phase,
    pub workers: u32,
    /// Whether it is one of those that were asked for.
    pub shown: bool,
}

/// What was asked for.
#[derive(Debug)]
pub struct Workload {
    pub mode: Mode,
    pub workers: Vec<u32>,
    pub backlog: u64,
}

/// Enough workers to fill or empty a queue quickly, whatever is measured.
const HELPERS: u32 = 64;

impl Workload {
    /// The lifecycles of all worker counts share one backlog: it may take minutes to put in.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut step = |phase, workers, shown| {
            steps.push(Step {
                phase,
                workers,
                shown,
            });
        };
        for &workers in &self.workers {
            match self.mode {
                Mode::Submit => step(Phase::Submit, workers, true),
                Mode::Drain | Mode::All => {
                    step(Phase::Submit, workers, self.mode == Mode::All);
                    step(Phase::Drain, workers, true);
                }
                Mode::Lifecycle => {}
            }
        }
        if matches!(self.mode, Mode::Lifecycle | Mode::All) {
            step(Phase::Fill(self.backlog), HELPERS, false);
            for &workers in &self.workers {
                step(Phase::Lifecycle, workers, true);
            }
            step(Phase::Drain, HELPERS, false);
        }
        steps
    }
}

impl Phase {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Fill(_) => "fill",
            Self::Drain => "drain",
            Self::Lifecycle => "lifecycle",
        }
    }

    /// What is timed; the last is what the progress shows.
    pub fn operations(self) -> &'static [&'static str] {
        match self {
            Self::Submit | Self::Fill(_) => &["submit"],
            Self::Drain => &["claim", "complete", "task"],
            Self::Lifecycle => &["submit", "claim", "complete", "task"],
        }
    }
}
