//! Batches of commands on their way through the log, and who waits for them here.
//!
//! Every node applies every entry and so comes to every outcome by itself: nobody sends
//! outcomes around. A batch is bound to one leadership. Once an entry of a later one is
//! applied, a batch that has not come by is not in the log and never will be (Raft's
//! log matching): nothing was done, and it may be proposed again.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::types::LeaderId;
use crate::clock;
use crate::proto::durable::Origin;
use crate::queue::Outcome;

/// Why a batch has no outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It was not proposed and never will be: it may be handed in again.
    NothingDone,
    /// The same, for the leader has too much to do.
    Overloaded,
    /// It may be applied, or may still be.
    Unknown,
}

/// Gets the outcomes of a batch, in the order of its commands.
pub type Done = Box<dyn FnOnce(Result<Vec<Outcome>, Lost>) + Send>;

/// The last entry that was applied here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Its index.
    pub index: u64,
    /// Whose it is; none before the first. Leaderships are in order: openraft may elect a second leader in a term, one
    /// with a higher id, who stands above the first.
    pub leader: Option<LeaderId>,
}

/// The batches that this process waits for.
pub struct Batches {
    /// Tells this process's batches from those of others, and of its own past.
    session: u64,
    waiting: Mutex<Waiting>,
    applied: watch::Sender<Applied>,
}

#[derive(Default)]
struct Waiting {
    last: u64,
    /// As in `applied`, but under the lock that also guards the batches.
    leader: Option<LeaderId>,
    batches: BTreeMap<u64, Batch>,
}

struct Batch {
    leader: LeaderId,
    route: u64,
    done: Done,
}

impl Default for Batches {
    fn default() -> Self {
        Self {
            session: clock::random_u64(),
            waiting: Mutex::default(),
            applied: watch::Sender::default(),
        }
    }
}

impl Batches {
    /// Waits for a batch that a leadership may propose. `route` is how it gets there.
    ///
    /// None if that leadership is over already; `done` is told so.
    pub fn register(
        &self,
        leader: LeaderId,
        route: u64,
        commands: u32,
        done: Done,
    ) -> Option<Origin> {
        let mut waiting = self.waiting.lock();
        if waiting.leader > Some(leader) {
            drop(waiting);
            done(Err(Lost::NothingDone));
            return None;
        }
        waiting.last += 1;
        let number = waiting.last;
        waiting.batches.insert(
            number,
            Batch {
                leader,
                route,
                done,
            },
        );
        Some(Origin {
            session: self.session,
            batch: number,
            commands,
        })
    }

    /// Stops waiting for a batch; nothing happens if it was answered already.
    pub fn give_up(&self, batch: u64, lost: Lost) {
        let batch = self.waiting.lock().batches.remove(&batch);
        if let Some(batch) = batch {
            (batch.done)(Err(lost));
        }
    }

    /// Stops waiting for all that went one way.
    pub fn give_up_route(&self, route: u64, lost: Lost) {
        self.give_up_if(|batch| batch.route == route, lost);
    }

    /// Stops waiting for everything.
    pub fn give_up_all(&self, lost: Lost) {
        self.give_up_if(|_| true, lost);
    }

    fn give_up_if(&self, gone: impl Fn(&Batch) -> bool, lost: Lost) {
        let given_up: Vec<Batch> = {
            let mut waiting = self.waiting.lock();
            let batches = std::mem::take(&mut waiting.batches).into_iter();
            let (given_up, stay): (BTreeMap<_, _>, _) = batches.partition(|(_, batch)| gone(batch));
            waiting.batches = stay;
            given_up.into_values().collect()
        };
        for batch in given_up {
            (batch.done)(Err(lost));
        }
    }

    /// An entry was applied: whoever waits for a part of it gets its outcomes.
    pub(super) fn applied(&self, entry: Applied, origins: &[Origin], outcomes: Vec<Outcome>) {
        let mut outcomes = outcomes.into_iter();
        for origin in origins {
            let count = origin.commands as usize;
            if origin.session != self.session {
                outcomes.by_ref().take(count).for_each(drop);
                continue;
            }
            let batch = self.waiting.lock().batches.remove(&origin.batch);
            let outcomes: Vec<Outcome> = outcomes.by_ref().take(count).collect();
            if let Some(batch) = batch {
                (batch.done)(Ok(outcomes));
            }
        }
        let is_new_leader = {
            let mut waiting = self.waiting.lock();
            let is_new = entry.leader > waiting.leader;
            waiting.leader = waiting.leader.max(entry.leader);
            is_new
        };
        if is_new_leader {
            self.give_up_if(|batch| Some(batch.leader) < entry.leader, Lost::NothingDone);
        }
        self.applied.send_replace(entry);
    }

    /// A snapshot took the state's place: what it brought is not known by batch.
    pub(super) fn installed(&self, entry: Applied) {
        self.give_up_all(Lost::Unknown);
        let mut waiting = self.waiting.lock();
        waiting.leader = waiting.leader.max(entry.leader);
        drop(waiting);
        self.applied.send_replace(entry);
    }

    /// Waits until the entry with that index is applied; false if the node has stopped.
    pub async fn reached(&self, index: u64) -> bool {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| applied.index >= index).await;
        reached.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    type Answers = Arc<Mutex<Vec<(u64, Result<usize, Lost>)>>>;

    fn register(batches: &Batches, answers: &Answers, name: u64, term: u64) -> Option<Origin> {
        let answers = answers.clone();
        let done = move |result: Result<Vec<Outcome>, Lost>| {
            answers
                .lock()
                .push((name, result.map(|outcomes| outcomes.len())));
        };
        batches.register(leader(term), name, 2, Box::new(done))
    }

    fn leader(term: u64) -> LeaderId {
        LeaderId { term, node_id: 2 }
    }

    fn entry(term: u64, index: u64) -> Applied {
        let leader = Some(leader(term));
        Applied { index, leader }
    }

    fn outcomes(count: usize) -> Vec<Outcome> {
        vec![Outcome::Task(None); count]
    }

    #[test]
    fn outcomes_find_who_waits() {
        let (batches, answers) = (Batches::default(), Answers::default());
        let mine = register(&batches, &answers, 1, 5).unwrap();
        let others = Origin {
            session: mine.session ^ 1,
            ..mine
        };
        batches.applied(entry(5, 1), &[others], outcomes(2));
        assert!(answers.lock().is_empty());
        batches.applied(entry(5, 2), &[others, mine], outcomes(4));
        assert_eq!(*answers.lock(), [(1, Ok(2))]);
    }

    #[test]
    fn a_later_term_ends_the_waiting() {
        let (batches, answers) = (Batches::default(), Answers::default());
        register(&batches, &answers, 1, 5).unwrap();
        let late = register(&batches, &answers, 2, 6).unwrap();
        batches.applied(entry(6, 1), &[], Vec::new());
        assert_eq!(*answers.lock(), [(1, Err(Lost::NothingDone))]);
        assert_eq!(register(&batches, &answers, 3, 5), None);
        assert_eq!(answers.lock().last(), Some(&(3, Err(Lost::NothingDone))));
        batches.applied(entry(6, 2), &[late], outcomes(2));
        assert_eq!(answers.lock().last(), Some(&(2, Ok(2))));
    }

    #[test]
    fn another_leader_of_the_same_term_ends_the_waiting() {
        let (batches, answers) = (Batches::default(), Answers::default());
        register(&batches, &answers, 1, 5).unwrap();
        let (term, node_id) = (5, 3);
        let other = Applied {
            index: 1,
            leader: Some(LeaderId { term, node_id }),
        };
        batches.applied(other, &[], Vec::new());
        assert_eq!(*answers.lock(), [(1, Err(Lost::NothingDone))]);
        assert_eq!(register(&batches, &answers, 2, 5), None);
    }

    #[test]
    fn a_snapshot_hides_what_was_done() {
        let (batches, answers) = (Batches::default(), Answers::default());
        register(&batches, &answers, 1, 5).unwrap();
        batches.installed(entry(7, 9));
        assert_eq!(*answers.lock(), [(1, Err(Lost::Unknown))]);
        assert_eq!(register(&batches, &answers, 2, 6), None);
    }

    #[test]
    fn a_route_is_given_up_as_a_whole() {
        let (batches, answers) = (Batches::default(), Answers::default());
        let first = register(&batches, &answers, 1, 5).unwrap();
        register(&batches, &answers, 2, 5).unwrap();
        batches.give_up_route(2, Lost::Unknown);
        batches.give_up(first.batch, Lost::Overloaded);
        batches.give_up(first.batch, Lost::Unknown);
        assert_eq!(
            *answers.lock(),
            [(2, Err(Lost::Unknown)), (1, Err(Lost::Overloaded))]
        );
    }
}
