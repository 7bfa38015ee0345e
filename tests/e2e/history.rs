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
    /// Some task may have been claimed.
    ClaimUnknown,
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
    pub unknown_claims: usize,
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
            Event::Submit { id, .. } => drop(self.maybe_submitted.insert(id.clone())),
            Event::Claim { task } => self.claim(task),
            Event::ClaimUnknown => self.unknown_claims += 1,
            Event::Complete { task, next, told } => self.complete(task, next.as_ref(), *told),
        }
    }

    fn claim(&mut self, task: &Task) {
        let id = id_of(task);
        let known = self.submitted.contains_key(&id) || self.maybe_submitted.contains(&id);
        assert!(known, "{id} was claimed but never submitted");
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
            Told::Unknown => self.maybe_submitted.extend(next.cloned()),
        }
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
                assert!(self.unknown_claims > 0, "nobody claimed {found:?}");
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
            let known = self.submitted.contains_key(&id) || self.maybe_submitted.contains(&id);
            assert!(known, "{id} was never submitted");
            assert!(seen.insert(id.clone()), "{id} was delivered twice");
        }
        for id in self.submitted.keys() {
            assert!(seen.contains(id), "{id} was acknowledged and is lost");
        }
        let holderless = drained
            .iter()
            .filter(|task| task.attempt == 2 && !self.leases.contains_key(&task.uuid));
        let holderless = holderless.count();
        assert!(
            holderless <= self.unknown_claims,
            "{holderless} claimed by nobody, {} unknown",
            self.unknown_claims
        );
    }
}

/// The checker itself: it must find what is wrong.
mod tests {
    use super::*;

    fn task(id: &str, attempt: i64, worker: &str) -> Task {
        let current_state = if attempt == 0 {
            "submitted"
        } else {
            "submitted-working"
        };
        Task {
            uuid: format!("uuid of {id}"),
            current_state: current_state.into(),
            payload: id.to_owned().into(),
            attempt,
            worker: worker.into(),
            ..Default::default()
        }
    }

    /// `a` and `b` were submitted, `a` was claimed and completed.
    fn history() -> History {
        let mut history = History::default();
        for id in ["a", "b"] {
            let (id, uuid) = (id.to_owned(), Some(format!("uuid of {id}")));
            history.add(&Event::Submit {
                id,
                uuid,
                told: Told::Done,
                client_uuid: false,
            });
        }
        history.add(&Event::Claim {
            task: task("a", 1, "w"),
        });
        history.add(&Event::Complete {
            task: task("a", 1, "w"),
            next: None,
            told: Told::Done,
        });
        history
    }

    #[test]
    fn what_is_right_passes() {
        let done = Task {
            current_state: "completed".into(),
            ..task("a", 1, "w")
        };
        let mut history = history();
        history.check("uuid of a", Some(&done));
        history.check("uuid of b", Some(&task("b", 0, "")));
        history.check_drained(&[task("b", 1, "")]);
        // What is in doubt may be there or not.
        history.add(&Event::Submit {
            id: "c".into(),
            uuid: None,
            told: Told::Unknown,
            client_uuid: false,
        });
        history.check_drained(&[task("b", 1, "")]);
        history.check_drained(&[task("b", 1, ""), task("c", 1, "")]);
    }

    #[test]
    #[should_panic(expected = "b was acknowledged and is lost")]
    fn a_lost_task() {
        history().check_drained(&[]);
    }

    #[test]
    #[should_panic(expected = "is lost")]
    fn a_lost_task_at_a_look_up() {
        history().check("uuid of b", None);
    }

    #[test]
    #[should_panic(expected = "a was delivered twice")]
    fn a_completed_task_that_comes_again() {
        history().check_drained(&[task("a", 2, ""), task("b", 1, "")]);
    }

    #[test]
    #[should_panic(expected = "z was never submitted")]
    fn a_task_from_nowhere() {
        history().check_drained(&[task("z", 1, ""), task("b", 1, "")]);
    }

    #[test]
    #[should_panic(expected = "two workers hold b")]
    fn two_leases() {
        let mut history = history();
        history.add(&Event::Claim {
            task: task("b", 1, "w1"),
        });
        history.add(&Event::Claim {
            task: task("b", 1, "w2"),
        });
    }

    #[test]
    #[should_panic(expected = "completed twice")]
    fn two_completions() {
        history().add(&Event::Complete {
            task: task("a", 1, "w"),
            next: None,
            told: Told::Done,
        });
    }

    #[test]
    #[should_panic(expected = "a lease was lost")]
    fn a_lost_lease() {
        let mut history = history();
        history.add(&Event::Claim {
            task: task("b", 1, "w1"),
        });
        history.check("uuid of b", Some(&task("b", 0, "")));
    }

    #[test]
    #[should_panic(expected = "nobody claimed")]
    fn a_claim_by_nobody() {
        history().check("uuid of b", Some(&task("b", 1, "")));
    }
}
