//! The totals agree with each other and with what clients were told.

use crate::history::{Answer, Deed, Request, Totals, When};

use super::finding::Findings;
use super::op::Op;
use super::origin::{Done, Origin};
use super::view::{Role, TaskView, View};

/// Totals that don't add up, or that too few or too many submits and ends explain.
pub fn check(view: &View, findings: &mut Findings) {
    // A round begins with the totals of the ones before.
    let begin = |op: &&Op| matches!(op.request, Request::Totals { when: When::Begin });
    let base = view
        .ops
        .iter()
        .filter(begin)
        .find_map(|op| match op.answer() {
            Some(Answer::Totals(totals)) => Some((op.returned, *totals)),
            _ => None,
        });
    let (began, from) = base.unwrap_or_default();
    for op in &view.ops {
        let Some(Answer::Totals(totals)) = op.answer() else {
            continue;
        };
        findings.looked();
        check_sum(view, op, totals, findings);
        if op.invoked > began {
            let submitted = totals.submitted - from.submitted;
            check_submits(view, op, submitted, began, findings);
            let archived = totals.archived - from.archived;
            check_ends(view, op, archived, began, findings);
        }
    }
}

fn check_sum(view: &View, op: &Op, totals: &Totals, findings: &mut Findings) {
    let Totals {
        live,
        submitted,
        archived,
    } = *totals;
    if submitted != live + archived {
        let says = format!("{submitted} submitted are not {live} live and {archived} archived");
        findings.broken(&[], says, &[op]);
    }
    // What was submitted by a call in doubt may come when all else has been taken out.
    let doubtful = view.tasks.values().filter(|task| is_doubtful(task)).count();
    let may_come = i64::try_from(doubtful + view.nameless.len()).unwrap_or(i64::MAX);
    let is_end = matches!(op.request, Request::Totals { when: When::End });
    if is_end && live > may_come {
        let says = format!("{live} tasks are left that no claim finds");
        findings.too_much(says, op);
    }
}

/// Whether a call in doubt submitted it, and no answer shows that it has ended.
fn is_doubtful(task: &TaskView) -> bool {
    let mut seen = task.touches.iter().filter_map(|touch| touch.seen);
    let has_ended = seen.any(|seen| seen.is_archived);
    !has_ended && task.origin.is_some_and(|origin| origin.done == Done::Maybe)
}

fn check_submits(view: &View, read: &Op, counted: i64, began: usize, findings: &mut Findings) {
    let mut sure = Vec::new();
    let mut possible = 0;
    let origins = view.tasks.values().filter_map(|task| task.origin.as_ref());
    for origin in origins.filter(|origin| origin.done != Done::No) {
        let is_possible = origin.since < read.returned && origin.op.returned > began;
        possible += i64::from(is_possible);
        if is_sure(origin, read, began) {
            sure.push(&origin.op);
        }
    }
    let nameless = view.nameless.values();
    let nameless = nameless.filter(|op| op.invoked < read.returned).count();
    possible += i64::try_from(nameless).unwrap_or_default();
    check_range("submits", counted, sure, possible, read, findings);
}

/// Whether the read certainly counts it, and the base certainly doesn't.
fn is_sure(origin: &Origin, read: &Op, began: usize) -> bool {
    origin.is_surely_before(read) && origin.since > began
}

fn check_ends(view: &View, read: &Op, counted: i64, began: usize, findings: &mut Findings) {
    let mut sure = Vec::new();
    let mut possible = 0;
    for task in view.tasks.values() {
        let Some(end) = End::of(task) else { continue };
        let is_possible = end.since < read.returned && end.known_at() > began;
        possible += i64::from(is_possible);
        if let Some(op) = end
            .sure
            .filter(|op| op.is_before(read) && end.since > began)
        {
            sure.push(op);
        }
    }
    check_range("ends", counted, sure, possible, read, findings);
}

/// The end of a task, as far as it is known.
struct End<'a> {
    /// The first answer that shows it.
    sure: Option<&'a Op<'a>>,
    /// The place from which on it may have ended.
    since: usize,
}

impl<'a> End<'a> {
    fn of(task: &'a TaskView<'a>) -> Option<Self> {
        let mut since = usize::MAX;
        let mut sure: Option<&Op> = None;
        for touch in &task.touches {
            let ends = touch.role == Role::Act
                && matches!(touch.op.request, Request::Act(act)
                    if matches!(act.deed, Deed::Complete { .. } | Deed::Cancel));
            if ends && (touch.op.is_unknown() || touch.seen.is_some()) {
                since = since.min(touch.op.invoked);
            }
            let is_shown = touch.seen.is_some_and(|seen| seen.is_archived);
            if is_shown && sure.is_none_or(|sure| touch.op.returned < sure.returned) {
                sure = Some(&touch.op);
            }
        }
        (since != usize::MAX).then_some(Self { sure, since })
    }

    fn known_at(&self) -> usize {
        self.sure.map_or(usize::MAX, |op| op.returned)
    }
}

/// `sure` were acknowledged, `possible` are those and all that may have been done.
fn check_range<'a>(
    what: &str,
    counted: i64,
    mut sure: Vec<&'a Op<'a>>,
    possible: i64,
    read: &'a Op<'a>,
    findings: &mut Findings,
) {
    let number = usize::try_from(counted).unwrap_or_default();
    if sure.len() > number {
        let says = format!(
            "{counted} {what} are counted, {} were acknowledged",
            sure.len()
        );
        // One more than were counted is enough to show it.
        sure.truncate(number + 1);
        sure.insert(0, read);
        findings.broken(&[], says, &sure);
    }
    if counted > possible {
        let says = format!("{counted} {what} are counted, {possible} may have been done");
        findings.too_much(says, read);
    }
}
