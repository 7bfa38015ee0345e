//! A page that shows queues and node, without anything to install.

use serde_json::{Value, json};

use crate::node::{Node, NodeError};

/// The page: it asks `/dashboard.json` every two seconds.
pub const PAGE: &str = include_str!("dashboard.html");

/// Queues shown at most; a page with more helps nobody.
const MAX_QUEUES: usize = 200;

/// What the page shows.
///
/// # Errors
/// If the node can't vouch for its state.
pub async fn data(node: &Node) -> Result<Value, NodeError> {
    let status = node.status();
    let (totals, queues, live) = node
        .read(|view| {
            let queues: Vec<Value> = view
                .counts()
                .queues()
                .take(MAX_QUEUES)
                .map(|(queue, counts)| json!({"queue": &**queue, "total": counts.total, "states": states(counts)}))
                .collect();
            Ok((view.header().totals, queues, view.counts().total()))
        })
        .await?;
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": status.id,
        "leader": status.leader,
        "term": status.term,
        "applied_index": status.applied_index,
        "live": live,
        "submitted": totals.submitted,
        "completed": totals.completed,
        "canceled": totals.canceled,
        "timed_out": totals.timed_out,
        "queues": queues,
    }))
}

fn states(counts: &crate::store::counts::QueueCounts) -> Value {
    let states = counts.states.iter();
    states
        .map(|(state, count)| (state.to_string(), Value::from(count.live)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
