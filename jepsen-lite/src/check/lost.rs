//! What was acknowledged is there for ever: no read that begins later may miss it.

use std::collections::{HashMap, HashSet};

use crate::history::{Answer, Request, Seen};

use super::finding::Findings;
use super::op::Op;
use super::origin::Origin;
use super::view::{Role, View};

/// Reads and lists that don't show a task whose submit was acknowledged before they began.
pub fn check(view: &View, findings: &mut Findings) {
    for (uuid, task) in &view.tasks {
        let Some(origin) = &task.origin else {
            continue;
        };
        for touch in task.touches.iter().filter(|touch| {
            touch.role == Role::Look
                && touch.op.answer().is_some()
                && origin.is_surely_before(&touch.op)
        }) {
            findings.looked();
            if touch.seen.is_none() {
                let payload = &origin.submitted.payload;
                let says =
                    format!("task {payload} was acknowledged, and a later read does not find it");
                findings.broken(&[uuid], says, &[&origin.op, &touch.op]);
            }
        }
    }
    check_lists(view, findings);
}

fn check_lists(view: &View, findings: &mut Findings) {
    let mut origins: HashMap<&str, Vec<(&str, &Origin)>> = HashMap::new();
    for (uuid, task) in &view.tasks {
        if let Some(origin) = &task.origin {
            let queue = origin.submitted.queue.as_str();
            origins.entry(queue).or_default().push((uuid, origin));
        }
    }
    for op in &view.ops {
        if let (Request::List { queue }, Some(Answer::List { tasks })) = (op.request, op.answer()) {
            let origins = origins.get(queue.as_str()).into_iter().flatten();
            check_list(op, tasks, origins, findings);
        }
    }
}

fn check_list<'a>(
    list: &Op,
    tasks: &[Seen],
    origins: impl Iterator<Item = &'a (&'a str, &'a Origin<'a>)>,
    findings: &mut Findings,
) {
    let mut listed: HashSet<&str> = HashSet::new();
    for task in tasks {
        if !listed.insert(&task.uuid) {
            let says = format!("task {} is listed twice", task.uuid);
            findings.broken(&[&task.uuid], says, &[list]);
        }
    }
    for (uuid, origin) in origins.filter(|(_, origin)| origin.is_surely_before(list)) {
        findings.looked();
        if !listed.contains(uuid) {
            let payload = &origin.submitted.payload;
            let says = format!("task {payload} was acknowledged, and a later list misses it");
            findings.broken(&[uuid], says, &[&origin.op, list]);
        }
    }
}
