//! The line that lives while a run goes on.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::record::Record;
use crate::timeline::Timeline;

/// What the run is at, in words.
pub type Stage = Arc<Mutex<String>>;

/// Tells what is planned, and what was left out.
pub fn announce(timeline: &Timeline) {
    for (nemesis, why) in &timeline.left_out {
        eprintln!("left out: {nemesis}: {why}");
    }
    for planned in &timeline.plan {
        eprintln!("planned: {planned}");
    }
}

/// Shows how things stand each second, until it is dropped. A file gets a line every ten seconds.
pub async fn show(record: Arc<Record>, timeline: Arc<Mutex<Timeline>>, stage: Stage) {
    let is_terminal = stderr().is_terminal();
    let every = Duration::from_secs(if is_terminal { 1 } else { 10 });
    loop {
        tokio::time::sleep(every).await;
        let line = line(&record, &timeline.lock(), &stage.lock());
        let written = if is_terminal {
            write!(stderr(), "\r\x1b[K{line}")
        } else {
            writeln!(stderr(), "{line}")
        };
        if written.is_err() {
            return;
        }
    }
}

fn line(record: &Record, timeline: &Timeline, stage: &str) -> String {
    let tally = record.tally();
    let leader = match timeline.leader() {
        Some(leader) => format!("node {leader} leads"),
        None => "nobody leads".to_owned(),
    };
    let open = timeline.faults.iter().filter(|fault| fault.is_open());
    let open = open.map(|fault| format!(", {} of {:?}", fault.kind, fault.nodes));
    format!(
        "{:>5} s, {stage}: {} ok, {} failed, {} in doubt; {leader}; {} faults{}",
        record.now_us() / 1_000_000,
        tally.ok,
        tally.fail,
        tally.unknown,
        timeline.faults.len(),
        open.collect::<String>()
    )
}
