//! The server's clock is part of its state, and goes on from leader to leader: what is done later has no earlier time.

use crate::history::{Request, Seen};

use super::finding::Findings;
use super::op::Op;
use super::view::View;

/// Changes with a time before one that had been shown when they began.
pub fn check(view: &View, findings: &mut Findings) {
    let ops = view.ops.iter();
    let shown = ops.filter_map(|op| Some((*op, op.task()?.update_time_ns)));
    let mut answered: Vec<(Op, i64)> = shown.collect();
    answered.sort_by_key(|(op, _)| op.returned);
    let mut answered = answered.into_iter().peekable();
    let mut latest: Option<(Op, i64)> = None;
    for op in &view.ops {
        while let Some((earlier, time_ns)) =
            answered.next_if(|(earlier, _)| earlier.returned < op.invoked)
        {
            if latest.is_none_or(|(_, latest_ns)| latest_ns < time_ns) {
                latest = Some((earlier, time_ns));
            }
        }
        let (Some(seen), Some((earlier, time_ns))) = (changed(view, op), latest) else {
            continue;
        };
        findings.looked();
        if seen.update_time_ns < time_ns {
            let says = format!(
                "a change was at {} by the server's clock, after {time_ns} had been shown",
                seen.update_time_ns
            );
            findings.broken(&[&seen.uuid], says, &[&earlier, op]);
        }
    }
}

/// The task right after a change that this call certainly made.
fn changed<'a>(view: &View<'a>, op: &Op<'a>) -> Option<&'a Seen> {
    let seen = op.task()?;
    match op.request {
        Request::Claim(_) | Request::Act(_) => Some(seen),
        // A second submit of the same task is answered what an earlier one did.
        Request::Submit(_) => {
            let origin = view.tasks.get(seen.uuid.as_str())?.origin?;
            (origin.calls == 1).then_some(seen)
        }
        _ => None,
    }
}
