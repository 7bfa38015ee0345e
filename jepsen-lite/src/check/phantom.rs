//! Nothing is there that nobody submitted, nor what was submitted in another form.

use super::finding::Findings;
use super::origin::{Done, Origin};
use super::view::{Touch, View};

/// Answers that show a task that can't be there, or another one than was submitted.
pub fn check(view: &View, findings: &mut Findings) {
    for (uuid, task) in &view.tasks {
        for touch in task.touches.iter().filter(|touch| touch.seen.is_some()) {
            findings.looked();
            match &task.origin {
                Some(origin) => check_shown(uuid, origin, touch, findings),
                None => {
                    let says = format!("task {uuid} is shown, and nobody submitted it");
                    findings.broken(&[uuid], says, &[&touch.op]);
                }
            }
        }
    }
}

fn check_shown(uuid: &str, origin: &Origin, touch: &Touch, findings: &mut Findings) {
    let Some(seen) = touch.seen else {
        return;
    };
    let submitted = origin.submitted;
    let mut broken = |what: &str| {
        let says = format!("task {} {what}: {seen}", submitted.payload);
        findings.broken(&[uuid], says, &[&origin.op, &touch.op]);
    };
    if origin.done == Done::No {
        return broken("is shown, and nothing was done by its submit");
    }
    if touch.op.returned < origin.since {
        return broken("is shown before anybody submitted it");
    }
    // The archive keeps no payload.
    if seen.payload != submitted.payload && !seen.is_archived {
        broken("has another payload");
    }
    if seen.priority != submitted.priority {
        broken("has another priority");
    }
    if seen.queue != submitted.queue {
        broken("is in another queue");
    }
}
