//! What must hold at each moment, looked at from above.

use std::collections::{BTreeMap, BTreeSet};

use corndogs::node::Node;
use corndogs::raft::Leadership;
use corndogs::store::View;

use crate::node::{NODES, name};
use crate::world::{World, world};

/// The newest snapshot is looked for once in so many looks: that reads a directory.
const SNAPSHOT_LOOKS: u64 = 64;

/// What was seen so far.
#[derive(Default)]
pub struct Invariants {
    /// State hash and clock at each index, and who was there first.
    states: BTreeMap<u64, (u64, i64, u64)>,
    /// Who led in which term: openraft may elect a second leader in a term, who stands above the first.
    leaders: BTreeSet<(u64, u64)>,
    /// How far each node was, by its start.
    seen: BTreeMap<(u64, u64), (u64, i64)>,
    /// The last index that was applied anywhere.
    applied: u64,
    looks: u64,
    /// What each node last was, for the story.
    roles: BTreeMap<u64, String>,
}

impl Invariants {
    /// Looks at all nodes that run.
    pub fn look(&mut self) {
        self.looks += 1;
        world(|world| {
            for id in 1..=NODES {
                self.look_at(world, id);
            }
            self.look_at_quorum(world);
        });
    }

    fn look_at(&mut self, world: &mut World, id: u64) {
        let Some(slot) = world.nodes.get_mut(&id) else {
            return;
        };
        let Some(node) = slot.node.clone() else {
            return;
        };
        let starts = slot.starts;
        let log = node.raft().log();
        slot.durable = *log.durable_index().borrow();
        self.tell_role(world, id, &node);
        if let Leadership::Mine { term } = node.raft().leadership()
            && self.leaders.insert((term, id))
        {
            world.event("leader", &format!("{} in term {term}", name(id)));
        }
        let (index, hash, clock_ns) = {
            let state = node.store().lock();
            let header = state.header();
            (header.position.index, header.state_hash, header.clock_ns)
        };
        let before = self.seen.insert((id, starts), (index, clock_ns));
        if before == Some((index, clock_ns)) && !self.looks.is_multiple_of(SNAPSHOT_LOOKS) {
            return;
        }
        if before.is_some_and(|before| before.0 > index || before.1 > clock_ns) {
            let what = format!(
                "{} went from {before:?} back to {index}, {clock_ns}",
                name(id)
            );
            world.violation(what);
        }
        self.applied = self.applied.max(index);
        let (known_hash, known_clock, who) =
            *self.states.entry(index).or_insert((hash, clock_ns, id));
        if (known_hash, known_clock) != (hash, clock_ns) {
            let what = format!(
                "state at {index} is {hash:x}, {clock_ns} on {} and was {known_hash:x}, {known_clock} on {}",
                name(id),
                name(who)
            );
            world.violation(what);
        }
        let checkpoint = node.store().checkpoint_index();
        if checkpoint > index {
            world.violation(format!(
                "{}: checkpoint {checkpoint} > applied {index}",
                name(id)
            ));
        }
        if self.looks.is_multiple_of(SNAPSHOT_LOOKS) {
            let newest = node.store().newest_snapshot().ok().flatten();
            let snapshot = newest.map_or(0, |snapshot| snapshot.index);
            let purged = log.first_index().saturating_sub(1);
            if purged > snapshot || snapshot > index {
                let what = format!(
                    "{}: purged {purged}, snapshot {snapshot}, applied {index}",
                    name(id)
                );
                world.violation(what);
            }
        }
    }

    /// For the story: what a node is, whenever that changes.
    fn tell_role(&mut self, world: &World, id: u64, node: &Node) {
        if !world.is_told {
            return;
        }
        let status = node.status();
        let role = format!(
            "{} is {:?} in term {}, leader {:?}, log {}",
            name(id),
            status.role,
            status.term,
            status.leader,
            status.last_log_index
        );
        if self.roles.insert(id, role.clone()).as_ref() != Some(&role) {
            println!("{:>7} ms  {role}", world.now_ms);
        }
    }

    /// What was applied anywhere is in the synced logs of a quorum.
    fn look_at_quorum(&self, world: &mut World) {
        let synced = world.nodes.values();
        let synced = synced.filter(|slot| slot.durable >= self.applied).count() as u64;
        if synced * 2 <= NODES {
            let what = format!(
                "{} is applied, and synced on {synced} nodes only",
                self.applied
            );
            world.violation(what);
        }
    }
}
