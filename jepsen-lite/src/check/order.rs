//! A claim gives the first by priority, then submit time, then arrival, and finds what is there.
//!
//! Whatever runs at the same time may go either way. But a task that certainly waited during the whole of a claim must be what the claim
//! gives, or come after it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::history::{Claim, Request, Seen};

use super::finding::Findings;
use super::op::Op;
use super::stints::{Stint, stints};
use super::sweep::Sweep;
use super::view::View;

/// A task's place in its line: priority, submit time, and when its submit was over.
type Place = (Reverse<i64>, i64, usize);
type Best<'a> = Option<(Place, usize)>;

/// Claims that passed over a task, or that found nothing while one was there.
pub fn check(view: &View, findings: &mut Findings) {
    let stints = stints(view);
    let mut lines: BTreeMap<(&str, &str), Vec<&Stint>> = BTreeMap::new();
    for stint in &stints {
        let line = (stint.queue, stint.state);
        lines.entry(line).or_default().push(stint);
    }
    let mut claims: BTreeMap<(&str, &str), Vec<(&Op, &Claim)>> = BTreeMap::new();
    for op in &view.ops {
        if let (Request::Claim(claim), Some(_)) = (op.request, op.answer()) {
            let line = (claim.queue.as_str(), claim.state.as_str());
            claims.entry(line).or_default().push((op, claim));
        }
    }
    for (line, claims) in claims {
        if let Some(stints) = lines.get_mut(&line) {
            check_line(view, stints, &claims, findings);
        }
    }
}

/// The claims stand in the order in which they began.
fn check_line(
    view: &View,
    stints: &mut [&Stint],
    claims: &[(&Op, &Claim)],
    findings: &mut Findings,
) {
    stints.sort_by_key(|stint| stint.from());
    let ends = stints.iter().map(|stint| stint.to());
    let mut sweep: Sweep<Best> = Sweep::new(ends, None, first);
    let mut begun = 0;
    for (claim, _) in claims {
        while let Some(stint) = stints
            .get(begun)
            .filter(|stint| stint.from() < claim.invoked)
        {
            sweep.put(
                stint.to(),
                Some((place(stint.seen, stint.submitted), begun)),
            );
            begun += 1;
        }
        let Some((place, at)) = sweep.after(claim.returned) else {
            continue;
        };
        findings.looked();
        let passed = stints.get(at).filter(|_| is_passed(view, place, claim));
        if let Some(stint) = passed {
            tell(stint, claim, findings);
        }
    }
}

fn first<'a>(one: Best<'a>, other: Best<'a>) -> Best<'a> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn place(seen: &Seen, submitted: usize) -> Place {
    (Reverse(seen.priority), seen.submit_time_ns, submitted)
}

/// Whether the task at that place must have come before what the claim gave.
fn is_passed(view: &View, waiting: Place, claim: &Op) -> bool {
    let Some(given) = claim.task() else {
        return true;
    };
    let (priority, submit_time_ns, submitted) = waiting;
    let given_place = (Reverse(given.priority), given.submit_time_ns);
    if (priority, submit_time_ns) != given_place {
        return (priority, submit_time_ns) < given_place;
    }
    // At the same moment they go by arrival: that is certain only where one submit was over before the other began.
    let origin = view.tasks.get(given.uuid.as_str());
    let origin = origin.and_then(|task| task.origin);
    origin.is_some_and(|origin| submitted < origin.since)
}

fn tell(stint: &Stint, claim: &Op, findings: &mut Findings) {
    let waiting = stint.seen;
    let task = format!(
        "task {} (priority {}, submitted at {})",
        stint.uuid, waiting.priority, waiting.submit_time_ns
    );
    let ops = [&stint.first, claim, &stint.last];
    match claim.task() {
        Some(given) => {
            let says = format!(
                "{task} waited in {}, and a claim gave {} (priority {}, submitted at {})",
                stint.state, given.uuid, given.priority, given.submit_time_ns
            );
            findings.broken(&[stint.uuid, &given.uuid], says, &ops);
        }
        None => {
            let says = format!(
                "{task} waited in {}, and a claim found nothing",
                stint.state
            );
            findings.broken(&[stint.uuid], says, &ops);
        }
    }
}
