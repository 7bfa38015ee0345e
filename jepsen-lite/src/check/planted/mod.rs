//! Histories as broken servers would leave them: bug planted → checker that caught it, by the fewest calls.

use crate::history::Operation;

use super::{Violation, check};
use bugs::BUGS;
use script::Script;

mod bugs;
mod queries;
mod script;
#[cfg(test)]
mod tests;

/// A bug of a server.
struct Bug {
    /// What the server does wrong.
    name: &'static str,
    /// Adds to a correct history what clients would see of it.
    plant: fn(&mut Script),
    /// The checker that must catch it, and by which calls.
    checker: &'static str,
    calls: &'static [u64],
}

const fn bug(
    name: &'static str,
    plant: fn(&mut Script),
    checker: &'static str,
    calls: &'static [u64],
) -> Bug {
    Bug {
        name,
        plant,
        checker,
        calls,
    }
}

/// A planted bug, and what came of it.
#[derive(Debug)]
pub struct Planted {
    /// What the server does wrong.
    pub bug: &'static str,
    /// The checker that must catch it.
    pub checker: &'static str,
    /// The calls by which it must.
    pub calls: &'static [u64],
    /// The history.
    pub history: Vec<Operation>,
    /// What was found.
    pub found: Vec<Violation>,
}

impl Planted {
    /// What the checker found that must catch it.
    pub fn caught(&self) -> Option<&Violation> {
        let mut found = self.found.iter();
        found.find(|one| one.checker == self.checker && one.calls == self.calls)
    }

    /// The others that saw it, too.
    pub fn others(&self) -> Vec<&str> {
        let others = self.found.iter().map(|one| one.checker.as_str());
        let mut others: Vec<&str> = others.filter(|name| *name != self.checker).collect();
        others.sort_unstable();
        others.dedup();
        others
    }
}

/// Plants each bug in a correct history, and checks that.
pub fn planted() -> Vec<Planted> {
    let bugs = BUGS.iter().chain(&queries::BUGS);
    let planted = bugs.map(|bug| {
        let mut script = script::correct();
        (bug.plant)(&mut script);
        let history = script.operations();
        let found = check(&history).violations;
        Planted {
            bug: bug.name,
            checker: bug.checker,
            calls: bug.calls,
            history,
            found,
        }
    });
    planted.collect()
}
