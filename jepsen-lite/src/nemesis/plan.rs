//! What will be done when: all of it follows from the seed.

use std::fmt;

use super::Nemesis;
use crate::random::Random;

/// What a fault is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Whoever leads then.
    Leader,
    /// One of the others, counted in turn.
    Other(u64),
}

/// A fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// How long the cluster has rest before it, milliseconds.
    pub after_ms: u64,
    /// What it is.
    pub kind: Nemesis,
    /// At whom.
    pub aim: Aim,
    /// How long it lasts, milliseconds; with the mending it takes longer.
    pub lasts_ms: u64,
    /// What it chooses beside that follows from this.
    pub seed: u64,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aim = match self.aim {
            Aim::Leader => "leader".to_owned(),
            Aim::Other(number) => format!("follower {}", number + 1),
        };
        let (after_ms, name, lasts_ms) = (self.after_ms, self.kind.name(), self.lasts_ms);
        write!(
            f,
            "{after_ms} ms rest, {name} of the {aim} for {lasts_ms} ms"
        )
    }
}

/// The endless plan of a seed: each kind comes once before any comes again.
#[derive(Debug, Clone)]
pub struct Planner {
    random: Random,
    kinds: Vec<Nemesis>,
    bag: Vec<Nemesis>,
    next: Option<Planned>,
}

impl Planner {
    /// The plan for those kinds; without any it is empty.
    pub fn new(random: Random, kinds: &[Nemesis]) -> Self {
        Self {
            random,
            kinds: kinds.to_vec(),
            bag: Vec::new(),
            next: None,
        }
    }

    /// Lets a fault that was not begun come next.
    pub fn put_back(&mut self, planned: Planned) {
        self.next = Some(planned);
    }

    /// The faults of that many seconds, as if mending took a second each.
    pub fn preview(&self, time_s: u64) -> Vec<Planned> {
        const MENDING_MS: u64 = 1_000;
        let mut at_ms = 0;
        let plan = self.clone();
        plan.take_while(|planned| {
            at_ms += planned.after_ms;
            let begins = at_ms < time_s * 1_000;
            at_ms += planned.lasts_ms + MENDING_MS;
            begins
        })
        .collect()
    }

    fn draw(&mut self) -> Option<Nemesis> {
        if self.bag.is_empty() {
            self.bag.clone_from(&self.kinds);
        }
        let at = self.random.below(self.bag.len() as u64);
        let at = usize::try_from(at).unwrap_or_default();
        (at < self.bag.len()).then(|| self.bag.swap_remove(at))
    }

    fn between(&mut self, ms: std::ops::Range<u64>) -> u64 {
        ms.start + self.random.below(ms.end - ms.start)
    }
}

impl Iterator for Planner {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        if let Some(planned) = self.next.take() {
            return Some(planned);
        }
        let kind = self.draw()?;
        // As often the leader as any other.
        let aim = match self.random.below(2) {
            0 => Aim::Leader,
            _ => Aim::Other(self.random.below(12)),
        };
        Some(Planned {
            after_ms: self.between(1_000..2_000),
            kind,
            aim,
            lasts_ms: self.between(kind.lasts_ms()),
            seed: self.random.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Nemesis; 3] = [Nemesis::Kill, Nemesis::Slow, Nemesis::Wipe];

    fn plan(seed: u64) -> Vec<Planned> {
        Planner::new(Random::new(seed, 0), &KINDS)
            .take(30)
            .collect()
    }

    #[test]
    fn a_seed_repeats_its_plan() {
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn each_kind_comes_once_before_any_comes_again() {
        for three in plan(1).chunks(3) {
            let mut kinds: Vec<Nemesis> = three.iter().map(|planned| planned.kind).collect();
            kinds.sort_unstable();
            assert_eq!(kinds, KINDS);
        }
    }

    #[test]
    fn leaders_and_others_are_struck() {
        let plan = plan(2);
        let leaders = plan.iter().filter(|planned| planned.aim == Aim::Leader);
        assert!((5..=25).contains(&leaders.count()));
    }

    #[test]
    fn a_preview_is_what_comes() {
        let planner = Planner::new(Random::new(3, 0), &KINDS);
        let preview = planner.preview(60);
        assert!(preview.len() > 5, "{preview:?}");
        let comes: Vec<Planned> = planner.take(preview.len()).collect();
        assert_eq!(preview, comes);
    }

    #[test]
    fn without_kinds_there_is_no_plan() {
        assert_eq!(Planner::new(Random::new(1, 0), &[]).next(), None);
    }

    #[test]
    fn what_was_not_begun_comes_next() {
        let mut planner = Planner::new(Random::new(4, 0), &KINDS);
        let first = planner.next().unwrap();
        planner.put_back(first);
        assert_eq!(planner.next(), Some(first));
    }
}
