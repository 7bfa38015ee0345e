//! What happened to the cluster meanwhile: faults and leaders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A fault that was injected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it began, microseconds since the run began.
    pub from_us: u64,
    /// When it was mended and the nodes were ready again; the largest number until then.
    pub until_us: u64,
    /// The nodes that it struck.
    pub nodes: Vec<u64>,
    /// The nemesis' name, as in `--nemesis`.
    pub kind: String,
    /// Whether one of those nodes led.
    pub was_leader: bool,
    /// What it really did, as `cut 2 links`; empty where the name says it all.
    pub did: String,
}

impl Fault {
    /// Whether it has not been mended yet.
    pub fn is_open(&self) -> bool {
        self.until_us == u64::MAX
    }
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
    /// In the order in which they began.
    pub faults: Vec<Fault>,
    /// In order.
    pub reigns: Vec<Reign>,
    /// The faults that were planned, in words; how many of them there was time for, the faults tell.
    #[serde(default)]
    pub plan: Vec<String>,
    /// The nemeses that this machine can't do, and why.
    pub left_out: BTreeMap<String, String>,
}

impl Timeline {
    /// The leader that is known now.
    pub fn leader(&self) -> Option<u64> {
        self.reigns.last().and_then(|reign| reign.leader)
    }
}
