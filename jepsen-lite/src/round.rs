//! A run goes in rounds of about a minute: clients work and nodes are broken, then all is taken out, counted and checked. So a run of
//! hours needs no more memory than one of a minute, and ends with the first violation.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::Place;
use crate::drain;
use crate::history::{Operation, Outcome, Request};
use crate::record::Record;
use crate::run::Plan;
use crate::session::Session;
use crate::workload::Desk;
use crate::{Failed, random::Random};

/// So many tasks of earlier rounds are looked at again at each round's end.
const MOST_OLD: usize = 200;
/// So many of them a round adds.
const NEW_OLD: usize = 10;
/// So many clients for each node look at everything at a round's end.
const DRAINS: usize = 4;
/// Clients, drains: each its own stream of chance, apart from that of the faults.
const STREAMS: u64 = 1_000;

/// What all rounds share.
pub struct Rounds {
    plan: Plan,
    record: Arc<Record>,
    /// The first is 1.
    number: u64,
    sessions: u64,
    old: Vec<String>,
}

impl Rounds {
    pub fn new(plan: &Plan, record: Arc<Record>) -> Self {
        Self {
            plan: plan.clone(),
            record,
            number: 0,
            sessions: 0,
            old: Vec::new(),
        }
    }

    fn session(&mut self, name: String, places: &[Place]) -> Result<Session, Failed> {
        self.sessions += 1;
        let random = Random::new(self.plan.seed, STREAMS + self.sessions);
        let at = usize::try_from(self.sessions)?;
        Session::new(name, places, at, random, self.record.clone())
    }

    /// Begins the next round: its clients work until then.
    pub async fn begin(
        &mut self,
        places: &[Place],
        until: Instant,
    ) -> Result<Vec<tokio::task::JoinHandle<()>>, Failed> {
        self.number += 1;
        let round = self.number;
        let mut first = self.session(format!("base-{round}"), places)?;
        drain::base(&mut first).await?;
        let mut workers = Vec::new();
        for workload in self.plan.workloads.clone() {
            let desk = Desk::new(self.queue(workload.name()), until);
            for client in 1..=workload.clients(self.plan.clients) {
                let name = format!("{}-{round}.{client}", workload.name());
                let session = self.session(name, places)?;
                workers.push(tokio::spawn(workload.work(session, desk.clone())));
            }
        }
        Ok(workers)
    }

    fn queue(&self, workload: &str) -> String {
        format!("{workload}-{}", self.number)
    }

    /// Takes out, counts and looks at what the round has left; its history.
    pub async fn end(&mut self, places: &[Place]) -> Result<Vec<Operation>, Failed> {
        let queues = self.plan.workloads.iter();
        let queues: Vec<String> = queues.map(|one| self.queue(one.name())).collect();
        let round = self.number;
        let mut drains = Vec::new();
        for number in 1..=places.len() * DRAINS {
            drains.push(self.session(format!("drain-{round}.{number}"), places)?);
        }
        drain::drain(&mut drains, &queues).await?;
        let mut uuids = self.record.look(drain::uuids);
        uuids.extend(self.old.iter().cloned());
        drain::look(&mut drains, &queues, uuids).await?;
        if let Some(first) = drains.first_mut() {
            drain::settle(first).await?;
        }
        Ok(self.record.take()?)
    }

    /// What the next round's history begins with: what is still in doubt, and a few tasks that must be there for ever.
    pub fn carry(&mut self, operations: Vec<Operation>) -> Vec<Operation> {
        carried(operations, &mut self.old)
    }
}

fn carried(operations: Vec<Operation>, old: &mut Vec<String>) -> Vec<Operation> {
    let known: HashSet<&String> = old.iter().collect();
    let new = settled(&operations, &known);
    let room = MOST_OLD.saturating_sub(old.len());
    old.extend(new.into_iter().take(NEW_OLD.min(room)));
    let old: HashSet<&str> = old.iter().map(String::as_str).collect();
    let shown = drain::shown(&operations);
    let is_carried = |one: &Operation| match one.outcome {
        Outcome::Unknown(_) => is_doubtful(one, &shown),
        _ => uuid(one).is_some_and(|uuid| old.contains(uuid)),
    };
    operations.into_iter().filter(is_carried).collect()
}

/// The one task that a call is about.
fn uuid(one: &Operation) -> Option<&str> {
    match &one.request {
        Request::Submit(task) => Some(&task.uuid),
        Request::Act(act) => Some(&act.uuid),
        Request::Get { uuid } => Some(uuid),
        Request::Claim(_) => one.outcome.task().map(|task| task.uuid.as_str()),
        _ => None,
    }
}

/// Whether it may still submit a task that nobody has seen.
fn is_doubtful(one: &Operation, shown: &BTreeSet<String>) -> bool {
    let task = match &one.request {
        Request::Submit(task) => Some(task),
        request => request.next(),
    };
    task.is_some_and(|task| !shown.contains(&task.uuid) && !shown.contains(&task.payload))
}

/// Tasks of which all is known: plain submits, certain answers, every attempt's claim. Others can't be told without the calls
/// around them.
fn settled(operations: &[Operation], known: &HashSet<&String>) -> Vec<String> {
    let mut tasks: HashMap<&str, (bool, bool, i64, i64)> = HashMap::new();
    for one in operations {
        let Some(uuid) = uuid(one).filter(|uuid| !uuid.is_empty()) else {
            continue;
        };
        let (is_plain, has_origin, claims, attempts) =
            tasks.entry(uuid).or_insert((true, false, 0, 0));
        *is_plain &= one.key.is_none() && one.request.next().is_none() && one.outcome.is_certain();
        *has_origin |= matches!(one.request, Request::Submit(_)) && one.outcome.task().is_some();
        *claims += i64::from(matches!(one.request, Request::Claim(_)));
        let attempt = one.outcome.task().map_or(0, |task| task.attempt);
        *attempts = attempt.max(*attempts);
    }
    let settled = tasks.into_iter().filter(|(uuid, task)| {
        let (is_plain, has_origin, claims, attempts) = *task;
        is_plain && has_origin && claims == attempts && !known.contains(&(*uuid).to_owned())
    });
    let mut settled: Vec<String> = settled.map(|(uuid, _)| uuid.to_owned()).collect();
    settled.sort_unstable();
    settled
}

/// How long a round's clients work at most.
pub const ROUND: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::simulated;

    #[test]
    fn what_is_carried_over_can_be_explained_by_itself() {
        for seed in 0..20 {
            let operations = simulated::history(&simulated::Plan {
                seed,
                calls: 1_500,
                clients: 6,
                lost_percent: 5,
                bug: None,
            });
            let calls = operations.len();
            let mut old = Vec::new();
            let carried = carried(operations, &mut old);
            assert!(!old.is_empty() && old.len() <= NEW_OLD, "seed {seed}");
            assert!(carried.len() < calls / 5, "{} calls", carried.len());
            for uuid in &old {
                let submits = carried.iter().filter(
                    |one| matches!(&one.request, Request::Submit(task) if task.uuid == *uuid),
                );
                assert_eq!(submits.count(), 1, "seed {seed}");
            }
            assert_eq!(check(&carried).violations, [], "seed {seed}");
        }
    }
}
