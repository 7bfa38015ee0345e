//! A queue's counts by state agree with what was certainly there, and with what can have been there, while they were read.

use std::collections::BTreeMap;

use crate::history::{Answer, Request};

use super::finding::Findings;
use super::op::Op;
use super::origin::Done;
use super::stints::{Stint, stints};
use super::sweep::Sweep;
use super::view::View;

/// Counts, with the place of the read among all that read the same queue.
type Read<'a> = (&'a Op<'a>, i64, &'a BTreeMap<String, i64>);

/// Counts that are too low, too high, or don't add up.
pub fn check(view: &View, findings: &mut Findings) {
    let mut reads: BTreeMap<&str, Vec<Read>> = BTreeMap::new();
    for op in &view.ops {
        if let (Request::States { queue }, Some(Answer::States { count, states })) =
            (op.request, op.answer())
        {
            reads.entry(queue).or_default().push((op, *count, states));
        }
    }
    let stints = stints(view);
    for (queue, reads) in reads {
        let mut states: BTreeMap<&str, Vec<&Stint>> = BTreeMap::new();
        for stint in stints.iter().filter(|stint| stint.queue == queue) {
            states.entry(stint.state).or_default().push(stint);
        }
        let mut sure: Vec<BTreeMap<&str, i64>> = vec![BTreeMap::new(); reads.len()];
        for (state, stints) in &mut states {
            for (place, number) in sure_in(stints, &reads).into_iter().enumerate() {
                if let Some(sure) = sure.get_mut(place) {
                    sure.insert(state, number);
                }
            }
        }
        let bounds = Possible::of(view, queue);
        for ((op, count, shown), sure) in reads.iter().zip(&sure) {
            findings.looked();
            let possible = bounds.at(op);
            let check = Count {
                op,
                shown,
                sure,
                possible,
            };
            check.look(*count, &states, findings);
        }
    }
}

/// How many tasks were certainly in that state during each of the reads.
fn sure_in(stints: &mut [&Stint], reads: &[Read]) -> Vec<i64> {
    stints.sort_by_key(|stint| stint.from());
    let ends = stints.iter().map(|stint| stint.to());
    let mut sweep: Sweep<i64> = Sweep::new(ends, 0, |one, other| one + other);
    let mut begun = stints.iter().peekable();
    let mut numbers = Vec::new();
    for (op, _, _) in reads {
        while let Some(stint) = begun.next_if(|stint| stint.from() < op.invoked) {
            sweep.put(stint.to(), 1);
        }
        numbers.push(sweep.after(op.returned));
    }
    numbers
}

/// When tasks of a queue can have come, and when they certainly had gone.
struct Possible {
    came: Vec<usize>,
    gone: Vec<usize>,
    /// Submits in doubt that were never seen again.
    nameless: Vec<usize>,
}

impl Possible {
    fn of(view: &View, queue: &str) -> Self {
        let mut came = Vec::new();
        let mut gone = Vec::new();
        for task in view.tasks.values() {
            let origin = task.origin.filter(|origin| origin.done != Done::No);
            let Some(origin) = origin.filter(|origin| origin.submitted.queue == queue) else {
                continue;
            };
            came.push(origin.since);
            let ended = task
                .touches
                .iter()
                .filter(|touch| touch.seen.is_some_and(|seen| seen.is_archived));
            gone.extend(ended.map(|touch| touch.op.returned).min());
        }
        let nameless = view.nameless.values().filter(|op| match op.request {
            Request::Submit(task) => task.queue == queue,
            request => request.next().is_some_and(|task| task.queue == queue),
        });
        let mut nameless: Vec<usize> = nameless.map(|op| op.invoked).collect();
        for places in [&mut came, &mut gone, &mut nameless] {
            places.sort_unstable();
        }
        Self {
            came,
            gone,
            nameless,
        }
    }

    /// The most tasks that can have been live at some moment of the read.
    fn at(&self, read: &Op) -> i64 {
        let before = |places: &[usize], end: usize| places.partition_point(|place| *place < end);
        let came = before(&self.came, read.returned) + before(&self.nameless, read.returned);
        let gone = before(&self.gone, read.invoked);
        i64::try_from(came).unwrap_or(i64::MAX) - i64::try_from(gone).unwrap_or_default()
    }
}

/// One read with what bounds it.
struct Count<'a> {
    op: &'a Op<'a>,
    shown: &'a BTreeMap<String, i64>,
    sure: &'a BTreeMap<&'a str, i64>,
    possible: i64,
}

impl Count<'_> {
    fn look(&self, count: i64, states: &BTreeMap<&str, Vec<&Stint>>, findings: &mut Findings) {
        let sum: i64 = self.shown.values().sum();
        if sum != count {
            let says = format!("{count} tasks are counted, and {sum} by their states");
            findings.broken(&[], says, &[self.op]);
        }
        if count > self.possible {
            let says = format!(
                "{count} tasks are counted, and no more than {} can be live",
                self.possible
            );
            findings.too_much(says, self.op);
        }
        let all_sure: i64 = self.sure.values().sum();
        for (state, sure) in self.sure {
            let shown = self.shown.get(*state).copied().unwrap_or_default();
            if shown < *sure {
                let stints = states.get(state).into_iter().flatten();
                let there = stints.filter(|stint| self.is_there(stint));
                // One more than are counted is enough to show it.
                let enough = usize::try_from(shown).unwrap_or_default() + 1;
                let mut ops = vec![self.op];
                for stint in there.take(enough) {
                    ops.extend([&stint.first, &stint.last]);
                }
                let says = format!("{shown} tasks are counted in {state}, and {sure} were there");
                findings.broken(&[], says, &ops);
            }
            let most = self.possible - (all_sure - sure);
            if shown > most {
                let says = format!(
                    "{shown} tasks are counted in {state}, and no more than {most} can be there"
                );
                findings.too_much(says, self.op);
            }
        }
    }

    fn is_there(&self, stint: &Stint) -> bool {
        stint.from() < self.op.invoked && stint.to() > self.op.returned
    }
}
