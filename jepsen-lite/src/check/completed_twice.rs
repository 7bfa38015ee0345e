//! A task ends once.

use crate::history::{Deed, Request};

use super::finding::Findings;
use super::op::Op;
use super::view::{Role, View};

/// Pairs of acts that were both told that they ended the task.
pub fn check(view: &View, findings: &mut Findings) {
    for (uuid, task) in &view.tasks {
        let mut end: Option<Op> = None;
        for touch in task.touches.iter().filter(|touch| touch.role == Role::Act) {
            let Request::Act(act) = touch.op.request else {
                continue;
            };
            let is_end = matches!(act.deed, Deed::Complete { .. } | Deed::Cancel);
            if !is_end || touch.seen.is_none() {
                continue;
            }
            findings.looked();
            match &end {
                Some(first) => {
                    let says = format!("task {uuid} was ended twice");
                    findings.broken(&[uuid], says, &[first, &touch.op]);
                }
                None => end = Some(touch.op),
            }
        }
    }
}
