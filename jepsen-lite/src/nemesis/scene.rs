//! What a nemesis works with: the cluster, its victims, its chance, and the note of what it does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::plan::{Aim, Planned};
use crate::Failed;
use crate::cluster::Cluster;
use crate::random::Random;
use crate::record::Record;
use crate::timeline::{Fault, Timeline};

/// One fault, from the choice of its victims to its end.
pub struct Scene<'a> {
    /// What is broken.
    pub cluster: &'a mut Cluster,
    /// What it chooses follows from this.
    pub random: Random,
    planned: Planned,
    until: Instant,
    record: &'a Arc<Record>,
    timeline: &'a Arc<Mutex<Timeline>>,
    /// Where the fault stands in the timeline, once it has begun.
    place: Option<usize>,
}

impl<'a> Scene<'a> {
    /// The scene of a fault that does not last beyond the end.
    pub fn new(
        cluster: &'a mut Cluster,
        planned: &Planned,
        until: Instant,
        record: &'a Arc<Record>,
        timeline: &'a Arc<Mutex<Timeline>>,
    ) -> Self {
        Self {
            cluster,
            random: Random::new(planned.seed, 0),
            planned: *planned,
            until,
            record,
            timeline,
            place: None,
        }
    }

    /// Who leads now, as far as anybody knows.
    pub fn leader(&self) -> Option<u64> {
        let leader = self.timeline.lock().leader();
        leader.filter(|leader| self.cluster.ids().contains(leader))
    }

    /// The leader, or any node while there is none.
    pub fn leader_or_any(&mut self) -> Result<u64, Failed> {
        match self.leader() {
            Some(leader) => Ok(leader),
            None => self.victim(),
        }
    }

    /// The node that the plan aims at.
    pub fn victim(&mut self) -> Result<u64, Failed> {
        let leader = self.leader();
        if let (Aim::Leader, Some(leader)) = (self.planned.aim, leader) {
            return Ok(leader);
        }
        let ids = self.cluster.ids();
        let mut others: Vec<u64> = ids
            .iter()
            .copied()
            .filter(|id| Some(*id) != leader)
            .collect();
        if others.is_empty() {
            others = ids;
        }
        let number = match self.planned.aim {
            Aim::Leader => 0,
            Aim::Other(number) => usize::try_from(number)? % others.len().max(1),
        };
        Ok(*others.get(number).ok_or("there are no nodes")?)
    }

    /// That node and some more, so many together, or all that there are.
    pub fn victims(&mut self, count: usize) -> Result<Vec<u64>, Failed> {
        let first = self.victim()?;
        let mut rest = self.cluster.ids();
        rest.retain(|id| *id != first);
        let mut victims = vec![first];
        while victims.len() < count && !rest.is_empty() {
            let at = usize::try_from(self.random.below(rest.len() as u64))?;
            victims.push(rest.swap_remove(at));
        }
        victims.sort_unstable();
        Ok(victims)
    }

    /// Notes that the fault begins, for those nodes.
    pub fn begin(&mut self, nodes: &[u64]) {
        let leader = self.leader();
        let mut timeline = self.timeline.lock();
        timeline.faults.push(Fault {
            from_us: self.record.now_us(),
            until_us: u64::MAX,
            nodes: nodes.to_vec(),
            kind: self.planned.kind.name().to_owned(),
            was_leader: leader.is_some_and(|leader| nodes.contains(&leader)),
            did: String::new(),
        });
        self.place = Some(timeline.faults.len() - 1);
    }

    /// Adds to what the fault has really done.
    pub fn did(&mut self, what: impl AsRef<str>) {
        let mut timeline = self.timeline.lock();
        let fault = self.place.and_then(|place| timeline.faults.get_mut(place));
        if let Some(fault) = fault {
            if !fault.did.is_empty() {
                fault.did.push_str("; ");
            }
            fault.did.push_str(what.as_ref());
        }
    }

    /// Notes that all is well again.
    pub fn end(&mut self) {
        let mut timeline = self.timeline.lock();
        let fault = self.place.and_then(|place| timeline.faults.get_mut(place));
        if let Some(fault) = fault {
            fault.until_us = self.record.now_us();
        }
    }

    /// How long the fault is to last.
    pub fn lasts(&self) -> Duration {
        let left = self.until.saturating_duration_since(Instant::now());
        Duration::from_millis(self.planned.lasts_ms).min(left)
    }

    /// Leaves the cluster to it for as long as it is to last.
    pub async fn linger(&self) {
        tokio::time::sleep(self.lasts()).await;
    }

    /// Whether it comes about, of so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }
}
