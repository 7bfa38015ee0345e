//! More due tasks than one entry makes claimable.

use super::{command, submit};
use crate::proto::durable::{Claim, Group, Ripen, Submit, command::Kind};
use crate::queue::{Outcome, apply, query};
use crate::store::record::Position;
use crate::store::{MemoryStore, View};

const TASKS: u64 = 2500;
const NOT_BEFORE_NS: i64 = 1000;

/// A store in which that many tasks wait for the same moment.
fn waiting() -> MemoryStore {
    let mut store = MemoryStore::new();
    let tasks = (0..TASKS).map(|number| {
        Kind::Submit(Submit {
            not_before_ns: NOT_BEFORE_NS,
            ..submit(&format!("task {number}"))
        })
    });
    apply_at(&mut store, NOT_BEFORE_NS - 1, tasks.collect());
    store
}

fn apply_at(store: &mut MemoryStore, now_ns: i64, kinds: Vec<Kind>) -> Vec<Outcome> {
    let group = Group {
        now_ns,
        commands: kinds.into_iter().map(command).collect(),
        ..Group::default()
    };
    let index = store.header().position.index + 1;
    let position = Position {
        index,
        ..Position::default()
    };
    apply(store, group, position).unwrap()
}

fn claimable(store: &MemoryStore) -> u64 {
    store.claimable("default", "submitted")
}

#[test]
fn the_rest_comes_with_the_entries_that_follow() {
    let mut store = waiting();
    assert_eq!(claimable(&store), 0);
    apply_at(&mut store, NOT_BEFORE_NS - 1, Vec::new());
    assert_eq!(claimable(&store), 0);
    for claimable_then in [1000, 2000, TASKS, TASKS] {
        apply_at(&mut store, NOT_BEFORE_NS, Vec::new());
        assert_eq!(claimable(&store), claimable_then);
        assert_eq!(store.counts().of("default", "submitted"), TASKS);
    }
    let claim = Claim {
        queue: "default".into(),
        current_state: "submitted".into(),
        ..Claim::default()
    };
    let outcomes = apply_at(&mut store, NOT_BEFORE_NS, vec![Kind::Claim(claim)]);
    let Outcome::Task(Some(task)) = &outcomes[0] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(task.seq, 0);
}

#[test]
fn ripen_goes_on_where_its_entry_began() {
    let mut store = waiting();
    let ripen = |limit| vec![Kind::Ripen(Ripen { limit })];
    let outcomes = apply_at(&mut store, NOT_BEFORE_NS, ripen(700));
    let (tasks, more) = (700, true);
    assert_eq!(outcomes, [Outcome::Ripened { tasks, more }]);
    assert_eq!(claimable(&store), 1700);
    let outcomes = apply_at(&mut store, NOT_BEFORE_NS, ripen(0));
    let (tasks, more) = (0, false);
    assert_eq!(outcomes, [Outcome::Ripened { tasks, more }]);
    assert_eq!(claimable(&store), TASKS);
}

#[test]
fn a_claim_may_find_what_is_due_by_then() {
    let mut store = waiting();
    let may_claim = |store: &MemoryStore, state: &str, now_ns| {
        let claim = Claim {
            queue: "default".into(),
            current_state: state.into(),
            ..Claim::default()
        };
        !query::finds_nothing(store, &claim, now_ns).unwrap()
    };
    assert!(!may_claim(&store, "submitted", NOT_BEFORE_NS - 1));
    assert!(may_claim(&store, "submitted", NOT_BEFORE_NS));
    assert!(!may_claim(&store, "other", NOT_BEFORE_NS));
    apply_at(&mut store, NOT_BEFORE_NS, Vec::new());
    assert!(may_claim(&store, "submitted", NOT_BEFORE_NS - 1));
    assert!(!may_claim(&MemoryStore::new(), "submitted", NOT_BEFORE_NS));
}
