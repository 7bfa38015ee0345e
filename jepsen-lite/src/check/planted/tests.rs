use super::script::*;
use super::{planted, script};
use crate::check::{CHECKERS, Violation, check};
use crate::history::{Deed, Event, events, read};

fn violations(script: Script) -> Vec<Violation> {
    check(&script.operations()).violations
}

#[test]
fn a_correct_history_passes() {
    let verdict = check(&correct().operations());
    assert_eq!(verdict.violations, []);
    assert!(verdict.is_valid());
    for (name, looked) in verdict.checkers {
        assert_eq!(looked.undecided, 0, "{name}");
    }
}

#[test]
fn each_planted_bug_is_caught_by_its_checker_with_the_fewest_calls() {
    for planted in planted() {
        assert!(
            planted.caught().is_some(),
            "{}: {} should find {:?}, found is {:#?}",
            planted.bug,
            planted.checker,
            planted.calls,
            planted.found
        );
    }
}

#[test]
fn every_checker_has_a_bug_that_it_caught() {
    let planted = planted();
    for checker in CHECKERS {
        let mut caught = planted.iter();
        assert!(
            caught.any(|planted| planted.checker == checker.name),
            "{}",
            checker.name
        );
    }
}

#[test]
fn what_overlaps_may_go_either_way() {
    let mut script = correct();
    script.done(40, submit("e"), at("e", 0, 20));
    script.done(41, claim(), at("e", 1, 21));
    script.invoke(42, complete("e", 1, None));
    script.invoke(43, get("e"));
    script.done(44, get("e"), at("e", 1, 21));
    script.gives(43, ended("e", 1, 22));
    script.gives(42, ended("e", 1, 22));
    script.totals(45, [0, 5, 5]);
    assert_eq!(violations(script), []);
}

#[test]
fn claims_that_overlap_may_go_either_way() {
    let mut script = correct();
    script.done(40, submit("e"), at("e", 0, 20));
    script.done(41, submit("f"), at("f", 0, 21));
    script.invoke(42, claim());
    script.invoke(43, claim());
    script.gives(42, at("f", 1, 23));
    script.gives(43, at("e", 1, 22));
    assert_eq!(violations(script), []);
}

#[test]
fn a_completion_that_was_done_before_its_retry_submits_its_next_task() {
    let mut script = correct();
    script.done(40, submit("e"), at("e", 0, 20));
    script.done(41, claim(), at("e", 1, 21));
    script.unknown(42, complete("e", 1, Some("f")));
    script.done(43, complete("e", 1, Some("f")), None);
    script.done(44, claim(), at("f", 1, 24));
    assert_eq!(violations(script), []);
}

#[test]
fn what_is_in_doubt_may_come_late() {
    let mut script = correct();
    script.done(40, submit("e"), at("e", 0, 20));
    script.done(41, claim(), at("e", 1, 21));
    script.unknown(42, complete("e", 1, None));
    script.unknown(43, act("e", 1, Deed::Extend));
    script.done(44, get("e"), at("e", 1, 21));
    script.done(45, get("e"), held("e", 1, 22));
    script.done(46, get("e"), ended("e", 1, 23));
    assert_eq!(violations(script), []);
}

#[test]
fn a_holder_that_is_refused_though_its_lease_is_the_last_is_a_violation() {
    let mut script = correct();
    script.done(40, submit("e"), at("e", 0, 20));
    script.done(41, claim(), at("e", 1, 21));
    script.fenced(42, complete("e", 1, None));
    script.done(43, complete("e", 1, None), ended("e", 1, 23));
    let found = violations(script);
    let found: Vec<_> = found
        .iter()
        .map(|one| (&*one.checker, &*one.calls))
        .collect();
    assert_eq!(found, [("linearizable", &[41, 42, 43][..])]);
}

#[test]
fn a_history_is_read_as_it_was_written() {
    let operations = script::correct().operations();
    let lines: Vec<String> = events(&operations)
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    let back = read(lines.join("\n").as_bytes()).unwrap();
    assert_eq!(events(&back), events(&operations));
    for line in &lines {
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(&serde_json::to_string(&event).unwrap(), line);
    }
    assert_eq!(check(&back), check(&operations));
}

#[test]
fn a_line_that_is_none_is_told_by_its_number() {
    let error = read("\n".as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("line 1: "), "{error}");
}
