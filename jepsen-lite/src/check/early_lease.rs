//! A task is given on only when its lease is over, or was given back.
//!
//! By the server's clock, which all nodes share, and by the clients' own: the server's goes at twice the real speed at most,
//! whatever happens to the clocks of the nodes.

use std::collections::BTreeMap;

use crate::history::{Deed, Request};

use super::finding::Findings;
use super::op::Op;
use super::view::{Role, TaskView, View};

const NS_PER_S: i64 = 1_000_000_000;
/// Half a second of the clients' clock for each second of a lease.
const LEAST_US_PER_S: u64 = 500_000;

/// How long a claim's lease lasts at least, by what its holder was told.
struct Lease<'a> {
    /// The claim or the extension that the lease runs from.
    op: Op<'a>,
    from_ns: i64,
    timeout_s: i64,
}

/// Pairs of claims of which the later one came too early.
pub fn check(view: &View, findings: &mut Findings) {
    for (uuid, task) in &view.tasks {
        let mut leases: BTreeMap<i64, Lease> = BTreeMap::new();
        for touch in &task.touches {
            let Some(seen) = touch.seen else { continue };
            let is_lease = touch.role == Role::Claim || is_act(&touch.op, &Deed::Extend);
            let known = leases.get(&seen.attempt);
            let is_longer = known.is_none_or(|known| known.from_ns < seen.update_time_ns);
            if is_lease && is_longer && seen.timeout_s > 0 {
                let lease = Lease {
                    op: touch.op,
                    from_ns: seen.update_time_ns,
                    timeout_s: seen.timeout_s,
                };
                leases.insert(seen.attempt, lease);
            }
        }
        for (claim, seen) in task.claims() {
            let before = seen.attempt - 1;
            let Some(lease) = leases.get(&before) else {
                continue;
            };
            if may_be_given_back(task, before, &claim) {
                continue;
            }
            findings.looked();
            check_pair(uuid, lease, &claim, seen.update_time_ns, findings);
        }
    }
}

fn check_pair(uuid: &str, lease: &Lease, claim: &Op, at_ns: i64, findings: &mut Findings) {
    let until_ns = lease
        .from_ns
        .saturating_add(lease.timeout_s.saturating_mul(NS_PER_S));
    let seconds = u64::try_from(lease.timeout_s).unwrap_or_default();
    let real_us = claim.end_us.saturating_sub(lease.op.at_us);
    let what = if at_ns <= until_ns {
        let early_ms = (until_ns - at_ns) / 1_000_000;
        format!("{early_ms} ms before its lease was over, by the server's clock")
    } else if real_us < seconds.saturating_mul(LEAST_US_PER_S) {
        let real_ms = real_us / 1_000;
        format!("{real_ms} ms into a lease of {seconds} s, by the clients' clock")
    } else {
        return;
    };
    let says = format!("task {uuid} was given to another {what}");
    findings.broken(&[uuid], says, &[&lease.op, claim]);
}

/// Whether an act by that attempt may have ended its lease before the claim.
fn may_be_given_back(task: &TaskView, attempt: i64, claim: &Op) -> bool {
    task.touches.iter().any(|touch| match touch.op.request {
        Request::Act(act) if touch.role == Role::Act => {
            let ends = matches!(act.deed, Deed::Fail | Deed::Update { .. });
            let may_be_done = touch.op.is_unknown() || touch.seen.is_some();
            ends && may_be_done && act.attempt == attempt && touch.op.invoked < claim.returned
        }
        _ => false,
    })
}

fn is_act(op: &Op, deed: &Deed) -> bool {
    matches!(op.request, Request::Act(act) if act.deed == *deed)
}
