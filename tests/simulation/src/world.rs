//! What the hosts of a simulation share: where nodes are, what happened, and what must not have.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use corndogs::node::Node;
use tokio::runtime::Id;

/// A node's place.
pub struct Slot {
    /// Its files.
    pub dir: PathBuf,
    /// How often it was started.
    pub starts: u64,
    /// While it runs.
    pub node: Option<Node>,
    /// Its runtime.
    pub host: Option<Id>,
    /// How far its wall clock is ahead.
    pub skew_ns: i64,
    /// Its disk was made to fail: whatever it says of that is right.
    pub may_fail: bool,
    /// Why it did not start.
    pub failure: Option<String>,
    /// How far its log was synced when it was last looked at.
    pub durable: u64,
}

/// Everything.
#[derive(Default)]
pub struct World {
    /// The nodes by id.
    pub nodes: BTreeMap<u64, Slot>,
    /// Milliseconds since the beginning.
    pub now_ms: u64,
    /// What is wrong.
    pub violations: Vec<String>,
    /// How often what happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// Clients that are at work.
    pub working: u64,
    /// Clients stop now.
    pub is_over: bool,
    trace: DefaultHasher,
    /// Each event is printed.
    pub is_told: bool,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::default());
}

/// Looks at the world, or changes it.
pub fn world<T>(look: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(look)
}

impl World {
    /// Something happened.
    pub fn event(&mut self, kind: &'static str, what: &str) {
        *self.counts.entry(kind).or_default() += 1;
        (self.now_ms, kind, what).hash(&mut self.trace);
        if self.is_told {
            println!("{:>7} ms  {kind:<12} {what}", self.now_ms);
        }
    }

    /// Something happened that must not.
    pub fn violation(&mut self, what: String) {
        if self.violations.len() < 20 {
            self.event("VIOLATION", &what);
            self.violations.push(what);
        }
    }

    /// All that happened, in one number.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }
}
