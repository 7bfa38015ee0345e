use std::collections::BTreeSet;

use super::{Bug, Plan, history};
use crate::check::check;
use crate::history::Operation;

fn run(seed: u64, bug: Option<Bug>) -> Vec<Operation> {
    run_losing(2, seed, bug)
}

fn run_losing(lost_percent: u64, seed: u64, bug: Option<Bug>) -> Vec<Operation> {
    history(&Plan {
        seed,
        calls: 1_500,
        clients: 6,
        lost_percent,
        bug,
    })
}

#[test]
fn what_a_correct_server_answers_passes() {
    for seed in 0..40 {
        // From hardly any answer lost to every fourth.
        let verdict = check(&run_losing(seed % 7 * 4, seed, None));
        assert_eq!(verdict.violations, [], "seed {seed}");
        for (name, looked) in verdict.checkers {
            assert_eq!(looked.undecided, 0, "{name}, seed {seed}");
        }
    }
}

#[test]
fn a_seed_repeats_its_history() {
    assert_eq!(run(7, None), run(7, None));
    assert_ne!(run(7, None), run(8, None));
}

/// The bug, and the checkers of which at least one run must be caught by each.
const BROKEN: [(Bug, &[&str]); 11] = [
    (Bug::LosesSubmits, &["lost", "linearizable"]),
    (
        Bug::ForgetsFencing,
        &["acted after fencing", "linearizable"],
    ),
    (Bug::ForgetsKeys, &["counted once"]),
    (Bug::OrdersByUpdateTime, &["order"]),
    (Bug::ReadsStale, &["reads go backwards", "linearizable"]),
    (Bug::EndsLeasesEarly, &["early lease"]),
    (Bug::GivesTwice, &["double lease", "linearizable"]),
    (Bug::ForgetsNext, &["lost"]),
    (Bug::SetsClockBack, &["clock goes back"]),
    (Bug::ClaimsForNobody, &["lease to nobody"]),
    (Bug::CountsEnded, &["counts"]),
];

#[test]
fn what_a_broken_server_answers_is_caught() {
    for (bug, checkers) in BROKEN {
        let mut caught: BTreeSet<String> = BTreeSet::new();
        for seed in 0..10 {
            let verdict = check(&run(seed, Some(bug)));
            let broken = verdict.checkers.iter();
            let broken = broken.filter(|(_, looked)| looked.violations > 0);
            caught.extend(broken.map(|(name, _)| name.clone()));
        }
        for checker in checkers {
            assert!(
                caught.contains(*checker),
                "{bug:?} is not caught by {checker}, but by {caught:?}"
            );
        }
    }
}

#[test]
fn the_smallest_history_is_still_a_violation() {
    let operations = run(3, Some(Bug::ReadsStale));
    let verdict = check(&operations);
    let smallest = verdict.violations.first().unwrap();
    // Whatever the other calls did: as if nobody had heard of their answers.
    let part = operations.into_iter().map(|one| {
        if smallest.calls.contains(&one.call) {
            one
        } else {
            one.weakened()
        }
    });
    let part: Vec<Operation> = part.collect();
    let again = check(&part).violations;
    assert!(again.iter().any(|one| one.calls == smallest.calls));
}
