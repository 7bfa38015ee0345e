//! What happened to the cluster meanwhile: faults and leaders.

use serde::{Deserialize, Serialize};

/// A fault that was injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it began, microseconds since the run began.
    pub from_us: u64,
    /// When the node was ready again.
    pub until_us: u64,
    /// The node that it struck.
    pub node: u64,
    /// `kill`, `pause` or `term`.
    pub kind: String,
    /// Whether that node led.
    pub was_leader: bool,
}

/// A change of the leader, as the nodes tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reign {
    /// When it was noticed, microseconds since the run began.
    pub from_us: u64,
    /// The leader's id; none while no node knows one.
    pub leader: Option<u64>,
    /// Its term.
    pub term: u64,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// In order.
    pub faults: Vec<Fault>,
    /// In order.
    pub reigns: Vec<Reign>,
}

impl Timeline {
    /// The leader that is known now.
    pub fn leader(&self) -> Option<u64> {
        self.reigns.last().and_then(|reign| reign.leader)
    }
}
