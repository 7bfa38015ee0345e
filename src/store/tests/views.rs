//! One suite for both stores: all answers, after any changes, with checkpoints at any moment.

use proptest::prelude::*;

use super::harness::Harness;
use crate::store::{Options, Store, View};

#[derive(Clone, Debug)]
enum Step {
    Entry(Vec<u32>),
    Freeze,
    Checkpoint,
    Reopen,
    Snapshot,
    Compare,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        40 => prop::collection::vec(any::<u32>(), 0..6).prop_map(Step::Entry),
        4 => Just(Step::Freeze),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::Snapshot),
        6 => Just(Step::Compare),
    ];
    prop::collection::vec(step, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn answers_as_plain_maps(steps in steps()) {
        let mut harness = Harness::new();
        for step in steps {
            match step {
                Step::Entry(numbers) => harness.grow(&numbers),
                Step::Freeze => harness.freeze(),
                Step::Checkpoint => harness.checkpoint(),
                Step::Reopen => {
                    harness.reopen();
                    harness.log.check(harness.store());
                }
                Step::Snapshot => check_snapshot(&harness),
                Step::Compare => {
                    harness.log.compare(&*harness.store().lock(), &harness.log.model);
                }
            }
        }
        harness.log.check(harness.store());
    }
}

fn check_snapshot(harness: &Harness) {
    let snapshot = harness.store().write_snapshot(false).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let other = Store::open(dir.path(), Options::default()).unwrap();
    let copy = dir.path().join("received");
    std::fs::copy(&snapshot.path, &copy).unwrap();
    other.install_snapshot(&copy).unwrap();
    assert_eq!(other.lock().header().position.index, snapshot.index);
    harness.log.check(&other);
}
