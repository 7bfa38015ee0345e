//! What clients did and were told, and whether one truth explains all of it.
//!
//! A call whose answer did not come is unknown: it may have been done or not. All that was
//! acknowledged must be there, once.

use std::collections::{BTreeMap, BTreeSet};

use corndogs::proto::v1alpha1::Task;

/// What a client was told about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Done,
    /// It changed nothing.
    Nothing,
    /// An error that says that nothing was done.
    Refused,
    Unknown,
}

/// One call of one client. Tasks are named by their payloads, for these never change.
#[derive(Debug, Clone)]
pub enum Event {
    Submit {
        id: String,
        uuid: Option<String>,
        told: Told,
        client_uuid: bool,
    },
    Claim {
        task: Task,
    },
    /// Some task may have been claimed by this worker.
    ClaimUnknown {
        worker: String,
    },
    /// `next` is the task that is submitted with the completion.
    Complete {
        task: Task,
        next: Option<String>,
        told: Told,
    },
}

/// The payload of a task, which names it.
pub fn id_of(task: &Task) -> String {
    String::from_utf8(task.payload.to_vec()).unwrap()
}

/// All that happened, over all restarts.
#[derive(Default)]
pub struct History {
    /// Uuids where known, by id.
    pub submitted: BTreeMap<String, Option<String>>,
    pub maybe_submitted: BTreeSet<String>,
    /// The lease of each uuid: who was told that it holds it.
    pub leases: BTreeMap<String, Task>,
    /// How many claims of each worker may have been done.
    pub unknown_claims: BTreeMap<String, usize>,
    /// Ids that must not be there.
    pub refused: BTreeSet<String>,
    /// Ids by uuid.
    pub completed: BTreeMap<String, String>,
}

impl History {
    /// Adds what one client did, and checks it against what the others were told.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::Submit {
                id,
                uuid,
                told: Told::Done,
                ..
            } => {
                let twice = self.submitted.insert(id.clone(), uuid.clone());
                assert_eq!(twice, None, "{id} was submitted twice");
                self.maybe_submitted.remove(id);
            }
            Event::Submit {
                id,
                told: Told::Refused,
                ..
            } => drop(self.refused.insert(id.clone())),
            Event::Submit { id, .. } => drop(self.maybe_submitted.insert(id.clone())),
            Event::Claim { task } => self.claim(task),
            Event::ClaimUnknown { worker } => {
                *self.unknown_claims.entry(worker.clone()).or_default() += 1;
            }
            Event::Complete { task, next, told } => self.complete(task, next.as_ref(), *told),
        }
    }

    fn claim(&mut self, task: &Task) {
        let id = id_of(task);
        self.assert_known(&id, "claimed");
        // No timeout runs, so nothing is claimed a second time.
        assert_eq!(task.attempt, 1, "{id} was claimed before: {task:?}");
        if let Some(other) = self.leases.insert(task.uuid.clone(), task.clone()) {
            panic!(
                "two workers hold {id}: {} and {}",
                other.worker, task.worker
            );
        }
    }

    fn complete(&mut self, task: &Task, next: Option<&String>, told: Told) {
        match told {
            Told::Done => {
                let twice = self.completed.insert(task.uuid.clone(), id_of(task));
                assert_eq!(twice, None, "completed twice: {task:?}");
                if let Some(next) = next {
                    self.submitted.insert(next.clone(), None);
                    self.maybe_submitted.remove(next);
                }
            }
            Told::Nothing => panic!("the holder's completion found nothing: {task:?}"),
            Told::Refused => self.refused.extend(next.cloned()),
            Told::Unknown => self.maybe_submitted.extend(next.cloned()),
        }
    }

    fn is_known(&self, id: &String) -> bool {
        self.submitted.contains_key(id) || self.maybe_submitted.contains(id)
    }

    /// That an id is in the truth is right only if somebody submitted it.
    fn assert_known(&self, id: &String, what: &str) {
        assert!(
            !self.refused.contains(id),
            "{id} was {what}, but \"nothing was done\" was the answer to its submit"
        );
        assert!(self.is_known(id), "{id} was {what} but never submitted");
    }

    /// Checks a task that a client knows, as the server shows it now that everything is certain.
    pub fn check(&self, uuid: &str, found: Option<&Task>) {
        let Some(found) = found else {
            panic!("{uuid} was acknowledged and is lost")
        };
        if self.completed.contains_key(uuid) {
            assert_eq!(found.current_state, "completed", "{found:?}");
            return;
        }
        match self.leases.get(uuid) {
            Some(lease) => assert_eq!(found, lease, "a lease was lost"),
            None if found.attempt == 0 => assert_eq!(found.current_state, "submitted", "{found:?}"),
            None => {
                assert_eq!(
                    (found.current_state.as_str(), found.attempt),
                    ("submitted-working", 1),
                    "{found:?}"
                );
                let claims = self.unknown_claims.get(&found.worker);
                assert!(claims.is_some(), "nobody claimed {found:?}");
            }
        }
    }

    /// Checks the end: `drained` is all that was still live, by id.
    pub fn check_drained(&self, drained: &[Task]) {
        let mut seen = BTreeSet::new();
        let ends = self
            .completed
            .values()
            .cloned()
            .chain(drained.iter().map(id_of));
        for id in ends {
            self.assert_known(&id, "delivered");
            assert!(seen.insert(id.clone()), "{id} was delivered twice");
        }
        for id in self.submitted.keys() {
            assert!(seen.contains(id), "{id} was acknowledged and is lost");
        }
        let holderless = drained
            .iter()
            .filter(|task| task.attempt == 2 && !self.leases.contains_key(&task.uuid));
        let holderless = holderless.count();
        let unknown = self.unknown_claims.values().sum();
        assert!(
            holderless <= unknown,
            "{holderless} claimed by nobody, {unknown} unknown"
        );
    }
}
