//! One simulated run, from its seed to its verdict.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use turmoil::{Builder, Sim};

use crate::client::{Caller, told};
use crate::invariants::Invariants;
use crate::nemesis::Nemesis;
use crate::node::{self, NODES, name};
use crate::world::{Slot, world};
use crate::{disk, system};

const TICK: Duration = Duration::from_millis(1);
const CLIENTS: u64 = 4;
/// How long it is tormented.
const TORMENT_MS: u64 = 12_000;
/// How long it may take to come to rest.
const REST_MS: u64 = 40_000;

/// Runs a seed. What happened is in the world afterwards.
pub fn run(seed: u64) -> std::io::Result<()> {
    let home = tempfile::Builder::new()
        .prefix("simulation")
        .tempdir_in(memory())?;
    system::enter(seed);
    system::set_now_ns(0);
    let mut chance = StdRng::seed_from_u64(seed);
    disk::begin(home.path());
    std::panic::set_hook(Box::new(panicked));
    let mut sim = Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(Duration::from_millis(TORMENT_MS + REST_MS))
        .min_message_latency(Duration::from_micros(100))
        .max_message_latency(Duration::from_millis(4))
        .tcp_capacity(65_536)
        .build();
    for id in 1..=NODES {
        let slot = Slot {
            dir: home.path().join(format!("{}.0", name(id))),
            starts: 0,
            node: None,
            host: None,
            skew_ns: chance.random_range(-50_000_000..50_000_000),
            may_fail: false,
            failure: None,
            durable: 0,
        };
        world(|world| world.nodes.insert(id, slot));
        sim.host(name(id), move || node::run(id));
    }
    for number in 0..CLIENTS {
        let (client, seed) = (format!("c{number}"), chance.random());
        sim.client(client.clone(), async move {
            Caller::new(&client, seed).work().await
        });
    }
    let seeds: [u64; NODES as usize] = chance.random();
    sim.client("watchers", async move {
        let mut watchers = JoinSet::new();
        for (node, seed) in (1..=NODES).zip(seeds) {
            let caller = Caller::new(&format!("w{node}"), seed);
            watchers.spawn_local(caller.watch(node));
        }
        while watchers.join_next().await.is_some() {}
        Ok(())
    });
    let is_at_rest = Rc::new(Cell::new(false));
    let rest = is_at_rest.clone();
    let seed = chance.random();
    sim.client("last", async move {
        while !rest.get() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let tasks = Caller::new("last", seed).list().await;
        told(|told| told.check(&tasks));
        Ok(())
    });
    steps(&mut sim, Nemesis::new(chance), &is_at_rest);
    world(|world| {
        for slot in world.nodes.values_mut() {
            slot.node = None;
        }
    });
    disk::end();
    drop(sim);
    Ok(())
}

fn steps(sim: &mut Sim<'_>, mut nemesis: Nemesis, is_at_rest: &Cell<bool>) {
    let mut invariants = Invariants::default();
    for now_ms in 0.. {
        system::set_now_ns(now_ms as i64 * 1_000_000);
        world(|world| world.now_ms = now_ms);
        match now_ms {
            0..TORMENT_MS => nemesis.act(sim, now_ms),
            TORMENT_MS => {
                world(|world| world.is_over = true);
                nemesis.rest(sim, now_ms);
            }
            _ => {
                nemesis.mend(sim, now_ms, true);
                is_at_rest.set(is_at_rest.get() || agree());
            }
        }
        match sim.step() {
            Ok(false) => invariants.look(),
            Ok(true) => return,
            Err(error) => {
                world(|world| world.violation(format!("it comes to no rest: {error}")));
                return;
            }
        }
        if world(|world| !world.violations.is_empty()) {
            return;
        }
    }
}

/// Whether all clients are done, and all nodes ready and at the same index.
fn agree() -> bool {
    world(|world| {
        let mut indexes = world.nodes.values().map(|slot| {
            let node = slot.node.as_ref()?;
            node.health()
                .is_ready()
                .then(|| node.status().applied_index)
        });
        let first = indexes.next().flatten();
        world.working == 0 && first.is_some() && indexes.all(|index| index == first)
    })
}

/// sled panics where a disk fails, and the store takes that for an error; nothing else may.
fn panicked(panic: &std::panic::PanicHookInfo<'_>) {
    let is_sled = panic
        .location()
        .is_some_and(|at| at.file().contains("/sled-"));
    if !is_sled {
        eprintln!("{panic}");
        std::process::abort();
    }
}

/// Where files are kept in memory, if there is such a place.
fn memory() -> std::path::PathBuf {
    let memory = std::path::PathBuf::from("/dev/shm");
    match memory.is_dir() {
        true => memory,
        false => std::env::temp_dir(),
    }
}
