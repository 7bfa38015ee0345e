//! Schedules: the leader proposes each tick when its time has come.
//!
//! Which tick is the next stands in the state, and applying one moves it on. So a tick that two leaders propose, or one
//! that was proposed before, comes to nothing: see [`crate::queue::schedule`].

use std::time::Duration;

use prost::Message;

use super::{Node, NodeError};
use crate::proto::durable::{Schedule, Tick, command::Kind};
use crate::queue::{Outcome, schedule};
use crate::work;

pub mod calendar;
mod due;

use calendar::Calendar;

/// How often schedules are looked at: for new ones, and when the next tick is far off.
const LONGEST_LOOK: Duration = Duration::from_millis(250);
const SHORTEST_LOOK: Duration = Duration::from_millis(5);
/// The most schedules whose ticks are proposed together.
const TOGETHER: usize = 100;

/// Only what a look at all schedules needs.
#[derive(Clone, PartialEq, Message)]
struct NextTick {
    #[prost(int64, tag = "1")]
    next_ns: i64,
}

/// A schedule with its name.
type Named = (String, Schedule);

impl Node {
    /// Computes what may take a while, as the ticks of a calendar, without holding up the node.
    ///
    /// # Errors
    /// If the node is shutting down.
    pub async fn compute<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        let done = work::blocking(job).await;
        done.map_err(|error| NodeError::Unavailable(error.to_string()))
    }

    /// Proposes what is due; returns how long the next tick is off, if there is one.
    async fn tick(&self) -> Result<Option<Duration>, NodeError> {
        loop {
            let now_ns = self.clock.now_ns();
            let (due, next_ns) = self.due_schedules(now_ns)?;
            if due.is_empty() {
                let wait_ns = next_ns.map(|next_ns| next_ns.saturating_sub(now_ns));
                return Ok(wait_ns.map(|ns| Duration::from_nanos(ns.max(0).unsigned_abs())));
            }
            let ticks = self.compute(move || {
                let ticks = due.iter();
                let ticks = ticks.map(|(name, schedule)| due::ticks(name, schedule, now_ns));
                ticks.flatten().collect::<Vec<Tick>>()
            });
            // In order, and each schedule's one after the other: an entry holds them as they are handed in.
            let proposed = ticks.await?.into_iter().map(|tick| self.propose_tick(tick));
            for proposed in futures::future::join_all(proposed).await {
                proposed?;
            }
        }
    }

    /// The schedules that are due, those that wait longest first, and when the first of the others is.
    fn due_schedules(&self, now_ns: i64) -> Result<(Vec<Named>, Option<i64>), NodeError> {
        self.local(|view| {
            let mut due = Vec::new();
            let mut next_ns = None;
            for (name, value) in view.documents().of_kind(schedule::KIND) {
                let next = NextTick::decode(value.clone()).map_or(0, |next| next.next_ns);
                match next {
                    0 => {}
                    next if next <= now_ns => due.push((next, name, value)),
                    next => next_ns = Some(next_ns.map_or(next, |first: i64| first.min(next))),
                }
            }
            due.sort_unstable_by_key(|(next, ..)| *next);
            due.truncate(TOGETHER);
            let due = due.into_iter();
            let due = due.map(|(_, name, value)| Ok((name.to_string(), schedule::decode(value)?)));
            Ok((due.collect::<Result<_, _>>()?, next_ns))
        })
    }

    async fn propose_tick(&self, tick: Tick) -> Result<(), NodeError> {
        let (name, tick_time) = (tick.name.clone(), tick.tick_time.clone());
        let is_missed = tick.is_skipped;
        let outcome = self.execute(Kind::Tick(tick), None).await?;
        match outcome {
            Outcome::Task(Some(task)) => {
                tracing::debug!(schedule = name, tick = tick_time, uuid = %task.uuid, "a tick");
            }
            Outcome::Task(None) if is_missed => {
                tracing::info!(schedule = name, tick = tick_time, "ticks were missed");
            }
            Outcome::Task(None) => {
                tracing::debug!(schedule = name, tick = tick_time, "a tick without a task");
            }
            Outcome::Refused(refusal) => {
                tracing::warn!(schedule = name, tick = tick_time, %refusal, "a tick was skipped");
            }
            _ => return Err(NodeError::unexpected()),
        }
        Ok(())
    }
}

/// Proposes the ticks of all schedules as their times come, for as long as this node leads.
pub async fn run(node: Node) {
    let mut look = LONGEST_LOOK;
    loop {
        tokio::time::sleep(look).await;
        look = LONGEST_LOOK;
        if !node.leads() {
            continue;
        }
        match node.tick().await {
            Ok(Some(next)) => look = next.clamp(SHORTEST_LOOK, LONGEST_LOOK),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "schedules were not seen to; will try again"),
        }
    }
}

/// The next ticks of a calendar after a moment, up to `count`, in nanoseconds since 1970.
pub fn next_ticks(calendar: &Calendar, after_ns: i64, count: usize) -> Vec<i64> {
    std::iter::successors(calendar.after(after_ns), |tick| calendar.after(*tick))
        .take(count)
        .collect()
}

#[cfg(test)]
mod fuzz;
