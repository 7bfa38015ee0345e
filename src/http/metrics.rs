//! `/metrics`, in Prometheus' text format.
//!
//! Two kinds: the five of the contract come from the replicated state at each scrape,
//! the same on every node; all others are this process's own.

use std::fmt::Write;
use std::time::Duration;

use ::metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::node::Node;
use crate::store::counts::Counts;
use crate::store::record::Totals;

/// How long a scrape waits for fresh figures of the replicated state.
const FRESH_TIMEOUT: Duration = Duration::from_secs(1);
/// How often what was recorded is folded into the histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0, 60.0,
];
const COMMANDS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

/// The process's figures.
pub struct Metrics {
    recorder: PrometheusHandle,
    process: metrics_process::Collector,
}

impl Metrics {
    /// Takes over what the process records from now on.
    ///
    /// # Errors
    /// If something else took it over before.
    pub fn install() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("seconds".into()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Full("corndogs_group_commands".into()), &COMMANDS)?
            .install_recorder()?;
        describe();
        describe_waits();
        describe_scrub();
        let process = metrics_process::Collector::default();
        process.describe();
        Ok(Self { recorder, process })
    }

    /// Folds what was recorded into the histograms, for ever: memory stays bounded without scrapes.
    pub async fn upkeep(&self) {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            self.recorder.run_upkeep();
        }
    }

    /// The whole text. Figures that can't be vouched for are left out.
    pub async fn render(&self, node: Option<&Node>) -> String {
        self.process.collect();
        let Some(node) = node else {
            return self.recorder.render();
        };
        own_figures(node);
        let mut text = self.recorder.render();
        let fresh = node.read(|view| Ok((view.header().totals, view.counts().clone())));
        match tokio::time::timeout(FRESH_TIMEOUT, fresh).await {
            Ok(Ok((totals, counts))) => replicated(&mut text, totals, &counts),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a scrape without the replicated figures");
            }
            Err(_) => {
                tracing::debug!("a scrape without the replicated figures: no fresh read in time")
            }
        }
        text
    }
}

fn describe() {
    describe_histogram!(
        "corndogs_call_seconds",
        "Time to answer a call, by method; a claim's wait counts too"
    );
    describe_counter!(
        "corndogs_call_failures_total",
        "Calls that answered with an error, by method"
    );
    describe_counter!(
        "corndogs_tls_handshake_failures_total",
        "Connections that ended before their TLS handshake, by who connects"
    );
    describe_histogram!(
        "corndogs_log_fsync_seconds",
        "Time until a log entry is durable on this node's disk"
    );
    describe_histogram!("corndogs_group_commands", "Commands in a log entry");
    describe_gauge!(
        "corndogs_waiting_commands",
        "Commands that wait for the log"
    );
    describe_gauge!("corndogs_raft_term", "The current term");
    describe_gauge!("corndogs_raft_is_leader", "1 on the leader");
    describe_gauge!("corndogs_raft_last_log_index", "The last index in the log");
    describe_gauge!("corndogs_raft_applied_index", "The last index applied");
    describe_gauge!(
        "corndogs_raft_snapshot_index",
        "The index of the newest snapshot"
    );
    describe_gauge!("corndogs_log_bytes", "Bytes of the log on disk");
    describe_gauge!("corndogs_log_syncs", "Syncs of the log since the start");
    describe_gauge!(
        "corndogs_memtable_bytes",
        "Changes in memory that are not in the checkpoint yet"
    );
    describe_gauge!(
        "corndogs_checkpoint_index",
        "The log index of the newest checkpoint"
    );
    describe_gauge!(
        "corndogs_checkpoints",
        "Checkpoints written since the start"
    );
    describe_gauge!(
        "corndogs_checkpoint_last_seconds",
        "How long the newest checkpoint took"
    );
    describe_gauge!("corndogs_sled_bytes", "Bytes of the checkpoint on disk");
    describe_gauge!(
        "corndogs_checkpoint_failures",
        "Attempts to write a checkpoint that failed since the start"
    );
    describe_gauge!(
        "corndogs_clock_wall_ahead_seconds",
        "How far the wall clock is ahead of the state's clock"
    );
    describe_gauge!(
        "corndogs_peer_lag_entries",
        "Entries of this leader's log that a node does not have; as of when this node last led"
    );
    describe_gauge!("corndogs_ready", "1 while reads and writes are taken");
}

fn describe_waits() {
    describe_gauge!(
        "corndogs_waiting_claims",
        "Claims that wait on this node for a task"
    );
    describe_counter!(
        "corndogs_wait_turns_total",
        "Turns of claims that waited on this node"
    );
    describe_counter!(
        "corndogs_wait_empty_turns_total",
        "Turns that found no task: another claim was quicker"
    );
}

fn describe_scrub() {
    describe_gauge!(
        "corndogs_state_differs",
        "1 if the peer's state differs from this node's at the same log index"
    );
    describe_gauge!(
        "corndogs_state_compared_index",
        "The log index at which the state was last compared with the peers'"
    );
    describe_counter!(
        "corndogs_scrub_passes_total",
        "How often all rows on the disk were read and found sound"
    );
    describe_gauge!("corndogs_scrub_rows", "Rows that the last pass has read");
    describe_counter!(
        "corndogs_scrub_failures_total",
        "Passes that found damage, or could not read"
    );
}

fn own_figures(node: &Node) {
    let status = node.status();
    let log = node.raft().log().figures();
    let store = node.store().metrics();
    gauge!("corndogs_waiting_commands").set(node.waiting() as f64);
    gauge!("corndogs_waiting_claims").set(node.waiting_claims() as f64);
    gauge!("corndogs_raft_term").set(status.term as f64);
    gauge!("corndogs_raft_is_leader").set(f64::from(u8::from(node.raft().is_leader())));
    gauge!("corndogs_raft_last_log_index").set(status.last_log_index as f64);
    gauge!("corndogs_raft_applied_index").set(status.applied_index as f64);
    gauge!("corndogs_raft_snapshot_index").set(status.snapshot_index as f64);
    for member in &status.members {
        if let Some(matched) = member.matched_index {
            let behind = status.last_log_index.saturating_sub(matched);
            gauge!("corndogs_peer_lag_entries", "peer" => member.id.to_string()).set(behind as f64);
        }
    }
    gauge!("corndogs_log_bytes").set(log.disk_bytes as f64);
    gauge!("corndogs_log_syncs").set(log.flushes.sync_batch_count as f64);
    gauge!("corndogs_memtable_bytes").set(store.memtable_bytes as f64);
    gauge!("corndogs_checkpoint_index").set(store.checkpoint_index as f64);
    gauge!("corndogs_checkpoints").set(store.checkpoints as f64);
    gauge!("corndogs_checkpoint_last_seconds").set(store.checkpoint_duration.as_secs_f64());
    gauge!("corndogs_sled_bytes").set(store.checkpoint_disk_bytes as f64);
    gauge!("corndogs_checkpoint_failures").set(store.checkpoint_failures as f64);
    gauge!("corndogs_clock_wall_ahead_seconds").set(node.clock().wall_ahead_ns() as f64 / 1e9);
    gauge!("corndogs_ready").set(f64::from(u8::from(node.health().is_ready())));
}

/// The contract's five.
fn replicated(text: &mut String, totals: Totals, counts: &Counts) {
    let counters = [
        ("corndogs_tasks_total", "Tasks submitted", totals.submitted),
        (
            "corndogs_completed_tasks_total",
            "Tasks completed",
            totals.completed,
        ),
        (
            "corndogs_canceled_tasks_total",
            "Tasks canceled",
            totals.canceled,
        ),
        (
            "corndogs_timed_out_tasks_total",
            "Timeouts of tasks",
            totals.timed_out,
        ),
        (
            "corndogs_failed_tasks_total",
            "Attempts that workers gave back as failed",
            totals.failed,
        ),
    ];
    // Writing to a String can't fail.
    for (name, help, value) in counters {
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
        );
    }
    let name = "corndogs_tasks_in_queue";
    let _ = writeln!(
        text,
        "# HELP {name} Live tasks by queue and state\n# TYPE {name} gauge"
    );
    for (queue, counts) in counts.queues() {
        for (state, count) in &counts.states {
            let tasks = count.live;
            let (queue, state) = (escape(queue), escape(state));
            let _ = writeln!(
                text,
                "{name}{{queue=\"{queue}\",current_state=\"{state}\"}} {tasks}"
            );
        }
    }
}

/// Label values: backslashes, quotes and line feeds are escaped.
fn escape(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::counts::LineCount;

    #[test]
    fn the_five_of_the_contract() {
        let mut counts = Counts::default();
        let three = LineCount {
            live: 3,
            ..LineCount::default()
        };
        counts.add(&"a\"b\\".into(), &"submitted".into(), three);
        let totals = Totals {
            submitted: 4,
            completed: 1,
            failed: 2,
            ..Totals::default()
        };
        let mut text = String::new();
        replicated(&mut text, totals, &counts);
        assert!(text.contains("\ncorndogs_tasks_total 4\n"));
        assert!(text.contains("\ncorndogs_completed_tasks_total 1\n"));
        assert!(text.contains("\ncorndogs_failed_tasks_total 2\n"));
        assert!(
            text.contains(r#"corndogs_tasks_in_queue{queue="a\"b\\",current_state="submitted"} 3"#)
        );
    }
}
