//! What befalls the nodes: crashes, power cuts, disks that fail, a network that holds messages back, clocks that jump.

use std::collections::BTreeMap;
use std::path::PathBuf;

use corndogs::node::health::Health;
use rand::Rng;
use rand::rngs::StdRng;
use turmoil::Sim;

use crate::disk;
use crate::node::{NODES, name};
use crate::system;
use crate::world::world;

const NS_PER_MS: i64 = 1_000_000;
/// A node that is ready for so long has noted how far its clock is ahead.
const NOTED_MS: u64 = 2500;

/// What is broken now, and when it is mended.
pub struct Nemesis {
    chance: StdRng,
    next_ms: u64,
    /// When nodes that are down start again.
    starts_ms: Vec<(u64, u64)>,
    /// When links are themselves again.
    heals_ms: Vec<(u64, Heal)>,
    /// A node that is to be cut off once its log has grown, and how far that is now.
    cut_in_flight: Option<(u64, u64)>,
    /// Since when nodes are ready.
    ready_ms: BTreeMap<u64, u64>,
    /// When clocks were set of nodes that may not have noted it.
    unnoted_ms: BTreeMap<u64, u64>,
}

enum Heal {
    Release(u64, u64),
    Speed(u64),
}

impl Nemesis {
    /// Nothing is broken yet.
    pub fn new(chance: StdRng) -> Self {
        Self {
            chance,
            next_ms: 1500,
            starts_ms: Vec::new(),
            heals_ms: Vec::new(),
            cut_in_flight: None,
            ready_ms: BTreeMap::new(),
            unnoted_ms: BTreeMap::new(),
        }
    }

    /// Does what is due now.
    pub fn act(&mut self, sim: &mut Sim<'_>, now_ms: u64) {
        self.mend(sim, now_ms, false);
        self.end_failed(sim, now_ms);
        self.look_who_is_ready(now_ms);
        if let Some((node, last)) = self.cut_in_flight
            && last_index(node).is_none_or(|index| index > last)
        {
            self.cut_in_flight = None;
            self.cut_off(sim, node, now_ms);
        }
        if now_ms < self.next_ms {
            return;
        }
        self.next_ms = now_ms + self.chance.random_range(100..1500);
        let node = self.victim();
        match self.chance.random_range(0..12) {
            0..2 => self.crash(sim, node, false, now_ms),
            2..4 => self.crash(sim, node, true, now_ms),
            4 => {
                let all = self.chance.random_bool(0.5);
                let spared = if all { 0 } else { node };
                for id in (1..=NODES).filter(|id| *id != spared) {
                    self.crash(sim, id, true, now_ms);
                }
                if all && self.chance.random_bool(0.5) {
                    // Nobody is left who knows what time it was.
                    self.set_clock(node, now_ms);
                }
            }
            5 => self.fail_disk(node),
            6..8 => self.cut_power_soon(node),
            8 => self.cut_off(sim, node, now_ms),
            9 => self.cut_in_flight = last_index(node).map(|last| (node, last)),
            10 => self.slow_down(sim, node, now_ms),
            _ => self.set_clock(node, now_ms),
        }
    }

    /// Its disk fails at some sync.
    fn fail_disk(&mut self, node: u64) {
        let syncs = self.chance.random_range(0..60);
        if let Some(dir) = trouble(node, "disk fails", syncs) {
            disk::fail_after(&dir, syncs);
        }
    }

    /// Its power goes at some sync, in the middle of whatever that is.
    fn cut_power_soon(&mut self, node: u64) {
        let syncs = self.chance.random_range(0..40);
        let seed = self.chance.random();
        if let Some(dir) = trouble(node, "cut soon", syncs) {
            disk::cut_after(&dir, syncs, &next_dir(&dir), seed);
        }
    }

    /// What it sends and is sent is held back.
    fn cut_off(&mut self, sim: &Sim<'_>, node: u64, now_ms: u64) {
        world(|world| world.event("cut off", &name(node)));
        for other in (1..=NODES).filter(|other| *other != node) {
            sim.hold(name(node), name(other));
        }
        let until_ms = now_ms + self.chance.random_range(200..4000);
        for other in (1..=NODES).filter(|other| *other != node) {
            // What was held back does not come from all at the same time.
            let at_ms = until_ms + self.chance.random_range(0..6);
            self.heals_ms.push((at_ms, Heal::Release(node, other)));
        }
    }

    fn slow_down(&mut self, sim: &Sim<'_>, node: u64, now_ms: u64) {
        let ms = self.chance.random_range(5..150);
        world(|world| world.event("slow", &format!("{} by {ms} ms", name(node))));
        self.set_latency(sim, node, ms);
        let until_ms = now_ms + self.chance.random_range(500..4000);
        self.heals_ms.push((until_ms, Heal::Speed(node)));
    }

    fn set_clock(&mut self, node: u64, now_ms: u64) {
        let most_ms = [200, 5_000, 3_600_000][self.chance.random_range(0..3)];
        let skew_ms = self.chance.random_range(-most_ms..most_ms);
        // At most one node of three may not have noted yet that its clock was set: that is assumed of clocks.
        self.unnoted_ms.retain(|other, set_ms| {
            let ready_ms = self.ready_ms.get(other).copied();
            ready_ms.is_none_or(|ready_ms| now_ms < NOTED_MS + ready_ms.max(*set_ms))
        });
        if self.unnoted_ms.keys().any(|other| *other != node) {
            return;
        }
        self.unnoted_ms.insert(node, now_ms);
        world(|world| {
            world.event("clock", &format!("{} jumps to {skew_ms} ms", name(node)));
            if let Some(slot) = world.nodes.get_mut(&node) {
                slot.skew_ns = skew_ms * NS_PER_MS;
                if let Some(host) = slot.host {
                    system::set_skew_ns(host, slot.skew_ns);
                }
            }
        });
    }

    fn look_who_is_ready(&mut self, now_ms: u64) {
        for id in 1..=NODES {
            if is_ready(id) {
                self.ready_ms.entry(id).or_insert(now_ms);
            } else {
                self.ready_ms.remove(&id);
            }
        }
    }

    /// As often the leader as any other.
    fn victim(&mut self) -> u64 {
        let leader = world(|world| {
            let mut running = world.nodes.iter();
            running.find_map(|(id, slot)| slot.node.as_ref()?.leads().then_some(*id))
        });
        match leader {
            Some(leader) if self.chance.random_bool(0.5) => leader,
            _ => self.chance.random_range(1..=NODES),
        }
    }

    fn set_latency(&self, sim: &Sim<'_>, node: u64, ms: u64) {
        for other in (1..=NODES).filter(|other| *other != node) {
            let latency = std::time::Duration::from_millis(ms);
            sim.set_link_latency(name(node), name(other), latency);
        }
    }

    fn crash(&mut self, sim: &mut Sim<'_>, node: u64, power: bool, now_ms: u64) {
        if self.starts_ms.iter().any(|(_, down)| *down == node) {
            return;
        }
        let (dir, next) = world(|world| {
            let slot = world.nodes.get_mut(&node).expect("a known node");
            slot.node = None;
            let next = next_dir(&slot.dir);
            (std::mem::replace(&mut slot.dir, next.clone()), next)
        });
        let seed = self.chance.random();
        let cut = disk::take_cut(&dir);
        let power = power || cut.is_some();
        let lost = cut.unwrap_or_else(|| {
            let lost = disk::crash(&dir, &next, power, seed);
            lost.map_err(|error| error.to_string())
        });
        sim.crash(name(node));
        // sled's threads may still write into what nobody reads any more.
        let _ = std::fs::remove_dir_all(&dir);
        world(|world| {
            let kind = if power { "power cut" } else { "kill" };
            match lost {
                Ok(lost) => {
                    world.event(kind, &name(node));
                    *world.counts.entry("bytes lost").or_default() += lost.bytes;
                    *world.counts.entry("names lost").or_default() += lost.names;
                }
                Err(error) => world.violation(format!("the simulation's disk: {error}")),
            }
        });
        let down_ms = match self.chance.random_bool(0.4) {
            // Sooner than anybody is elected.
            true => self.chance.random_range(0..300),
            false => self.chance.random_range(300..3000),
        };
        self.starts_ms.push((now_ms + down_ms, node));
    }

    /// A node whose disk has failed needs a restart, on a disk that works.
    fn end_failed(&mut self, sim: &mut Sim<'_>, now_ms: u64) {
        for node in 1..=NODES {
            let has_failed = world(|world| {
                let slot = &world.nodes[&node];
                if disk::is_cut(&slot.dir) {
                    return true;
                }
                let running = slot.node.as_ref();
                let health = running.map(|node| node.health().get());
                let why = match health {
                    Some(Health::Failed(why)) => Some(why),
                    _ => slot.failure.clone(),
                };
                if let Some(why) = &why
                    && !slot.may_fail
                {
                    let what = format!("{} has failed: {why}", name(node));
                    world.violation(what);
                }
                why.is_some()
            });
            if has_failed && !self.starts_ms.iter().any(|(_, down)| *down == node) {
                let power = self.chance.random_bool(0.5);
                self.crash(sim, node, power, now_ms);
                mend_disk(node);
            }
        }
    }

    /// Mends what is due, or all.
    pub fn mend(&mut self, sim: &mut Sim<'_>, now_ms: u64, all: bool) {
        for (_, node) in self
            .starts_ms
            .extract_if(.., |(at_ms, _)| all || *at_ms <= now_ms)
        {
            sim.bounce(name(node));
        }
        let due = self
            .heals_ms
            .extract_if(.., |(at_ms, _)| all || *at_ms <= now_ms);
        for heal in due.collect::<Vec<_>>() {
            match heal.1 {
                Heal::Release(node, other) => {
                    let link = format!("{} and {}", name(node), name(other));
                    world(|world| world.event("heal", &link));
                    sim.release(name(node), name(other));
                }
                Heal::Speed(node) => self.set_latency(sim, node, 1),
            }
        }
    }

    /// Ends failures that are under way, too.
    pub fn rest(&mut self, sim: &mut Sim<'_>, now_ms: u64) {
        for node in 1..=NODES {
            if world(|world| world.nodes[&node].may_fail) {
                self.crash(sim, node, false, now_ms);
                mend_disk(node);
            }
        }
        self.mend(sim, now_ms, true);
    }
}

fn is_ready(node: u64) -> bool {
    world(|world| {
        let running = world.nodes[&node].node.as_ref();
        running.is_some_and(|node| node.health().is_ready())
    })
}

/// How far a node's log goes, if it runs.
fn last_index(node: u64) -> Option<u64> {
    world(|world| Some(world.nodes[&node].node.as_ref()?.status().last_log_index))
}

/// A node's disk will not do what it should, and the node may say so. Its directory.
fn trouble(node: u64, kind: &'static str, syncs: u64) -> Option<PathBuf> {
    world(|world| {
        world.event(kind, &format!("{} after {syncs} syncs", name(node)));
        let slot = world.nodes.get_mut(&node)?;
        slot.may_fail = true;
        Some(slot.dir.clone())
    })
}

fn mend_disk(node: u64) {
    let dir = world(|world| {
        let slot = world.nodes.get_mut(&node)?;
        slot.may_fail = false;
        slot.failure = None;
        Some(slot.dir.clone())
    });
    if let Some(dir) = dir {
        disk::mend(&dir);
    }
}

fn next_dir(dir: &std::path::Path) -> PathBuf {
    let number = dir
        .extension()
        .and_then(|number| number.to_str()?.parse::<u64>().ok());
    dir.with_extension((number.unwrap_or(0) + 1).to_string())
}
