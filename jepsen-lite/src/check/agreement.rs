//! The nodes are one cluster: one leader in a term, and one state after a log entry.

use std::collections::BTreeMap;

use crate::history::Answer;

use super::finding::Findings;
use super::op::Op;
use super::view::View;

/// What the nodes said that they can't all be right about.
pub fn check(view: &View, findings: &mut Findings) {
    let mut leaders: BTreeMap<u64, (u64, &Op)> = BTreeMap::new();
    let mut hashes: BTreeMap<u64, (&str, u64, &Op)> = BTreeMap::new();
    let mut cluster: Option<(&str, &Op)> = None;
    for op in &view.ops {
        let Some(Answer::Status(status)) = op.answer() else {
            continue;
        };
        findings.looked();
        // A node with an empty disk belongs to no cluster yet.
        let own = Some(status.cluster_id.as_str()).filter(|own| !own.is_empty());
        let known = own.map(|own| *cluster.get_or_insert((own, op)));
        if let Some((id, first)) = known.filter(|(id, _)| *id != status.cluster_id) {
            let says = format!("one node is of cluster {id}, one of {}", status.cluster_id);
            findings.broken(&[], says, &[first, op]);
        }
        if status.leader != 0 {
            let (leader, first) = *leaders.entry(status.term).or_insert((status.leader, op));
            if leader != status.leader {
                let says = format!(
                    "term {} has two leaders, {leader} and {}",
                    status.term, status.leader
                );
                findings.broken(&[], says, &[first, op]);
            }
        }
        for node in &status.nodes {
            let (hash, other, first) = *hashes
                .entry(node.applied)
                .or_insert((&node.hash, node.id, op));
            if hash != node.hash {
                let says = format!(
                    "after entry {}, node {other} has the state {hash}, node {} has {}",
                    node.applied, node.id, node.hash
                );
                findings.broken(&[], says, &[first, op]);
            }
        }
    }
}
