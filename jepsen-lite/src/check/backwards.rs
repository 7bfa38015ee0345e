//! What one client was shown, no later answer may take back.

use super::finding::Findings;
use super::op::Op;
use super::view::{TaskView, Touch, View};
use crate::history::Seen;

/// The latest that answers have shown of a task, and who showed it.
#[derive(Default)]
struct Latest<'a> {
    attempt: Option<(Op<'a>, &'a Seen)>,
    update: Option<(Op<'a>, &'a Seen)>,
    end: Option<(Op<'a>, &'a Seen)>,
}

/// Pairs of answers about a task of which the later one shows an earlier state.
pub fn check(view: &View, findings: &mut Findings) {
    for (uuid, task) in &view.tasks {
        check_task(uuid, task, findings);
    }
}

fn check_task(uuid: &str, task: &TaskView, findings: &mut Findings) {
    let shown = task.touches.iter().filter(|touch| touch.seen.is_some());
    let mut answered: Vec<&Touch> = shown.collect();
    answered.sort_by_key(|touch| touch.op.returned);
    let mut answered = answered.into_iter().peekable();
    let mut latest = Latest::default();
    for touch in &task.touches {
        while let Some(earlier) = answered.next_if(|earlier| earlier.op.is_before(&touch.op)) {
            if let Some(seen) = earlier.seen {
                latest.note(earlier.op, seen);
            }
        }
        // An act without a task says nothing of the task, but a read that finds none does.
        let is_read = touch.seen.is_some()
            || touch.role == super::view::Role::Look && touch.op.answer().is_some();
        if !is_read {
            continue;
        }
        findings.looked();
        if let Some((earlier, before)) = latest.beyond(touch.seen) {
            let after = touch.seen.map(ToString::to_string);
            let after = after.unwrap_or_else(|| "nothing".to_owned());
            let says = format!("a task was shown as {before}, and later as {after}");
            findings.broken(&[uuid], says, &[&earlier, &touch.op]);
        }
    }
}

impl<'a> Latest<'a> {
    fn note(&mut self, op: Op<'a>, seen: &'a Seen) {
        if self
            .attempt
            .is_none_or(|(_, known)| known.attempt < seen.attempt)
        {
            self.attempt = Some((op, seen));
        }
        if self
            .update
            .is_none_or(|(_, known)| known.update_time_ns < seen.update_time_ns)
        {
            self.update = Some((op, seen));
        }
        if seen.is_archived && self.end.is_none() {
            self.end = Some((op, seen));
        }
    }

    /// What was shown that the later answer takes back: attempts, the moment of the last change, and the end never go back.
    fn beyond(&self, after: Option<&Seen>) -> Option<(Op<'a>, &'a Seen)> {
        let Some(after) = after else {
            return self.end.or(self.attempt);
        };
        let attempt = self
            .attempt
            .filter(|(_, known)| known.attempt > after.attempt);
        let update = self
            .update
            .filter(|(_, known)| known.update_time_ns > after.update_time_ns);
        let end = self.end.filter(|_| !after.is_archived);
        end.or(attempt).or(update)
    }
}
