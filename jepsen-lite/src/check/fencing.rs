//! Once a later attempt was given, an act by an earlier one changes nothing.

use crate::history::{Request, Seen};

use super::finding::Findings;
use super::op::Op;
use super::view::{Role, View};

/// Acts that succeeded although a claim with a later attempt was over before they began.
pub fn check(view: &View, findings: &mut Findings) {
    for (uuid, task) in &view.tasks {
        let mut claims: Vec<(Op, &Seen)> = task.claims().collect();
        claims.sort_by_key(|(claim, _)| claim.returned);
        for touch in task.touches.iter().filter(|touch| touch.role == Role::Act) {
            let Request::Act(act) = touch.op.request else {
                continue;
            };
            if touch.op.answer().is_none() && !touch.op.is_nothing() {
                continue;
            }
            findings.looked();
            // A task is claimed a few times only.
            let mut earlier = claims
                .iter()
                .take_while(|(claim, _)| claim.is_before(&touch.op));
            let fence = earlier.find(|(_, held)| held.attempt > act.attempt);
            if let (Some(seen), Some((fence, held))) = (touch.seen, fence) {
                let says = format!(
                    "attempt {} at task {uuid} acted after attempt {} had been given: {seen}",
                    act.attempt, held.attempt
                );
                findings.broken(&[uuid], says, &[fence, &touch.op]);
            }
        }
    }
}
