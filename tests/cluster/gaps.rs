//! How long nobody got an answer: figures for people, nothing is asserted of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest stretch between two acknowledgements that touches the time between the moments.
pub fn longest(acks: &[Instant], from: Instant, to: Instant) -> Duration {
    let mut acks = acks.to_vec();
    acks.sort_unstable();
    let gaps = acks.windows(2).map(|pair| (pair[0], pair[1]));
    let touching = gaps.filter(|(before, after)| *after > from && *before < to);
    let longest = touching.map(|(before, after)| after - before).max();
    longest.unwrap_or_default()
}

/// The gaps of one fault, round by round.
#[derive(Default)]
struct Gaps {
    /// Over all clients, from the blow until the node was started again.
    down: Vec<Duration>,
    /// Over all clients, from then until it was ready.
    back: Vec<Duration>,
    /// Of each client, over all that time.
    alone: Vec<Duration>,
    /// Calls whose outcome the client did not learn.
    unknown: usize,
}

/// A row for each fault.
#[derive(Default)]
pub struct Table {
    rows: BTreeMap<String, Gaps>,
}

impl Table {
    /// One round: the blow, the moment when the node was started again, and when it was ready.
    pub fn add(
        &mut self,
        fault: &str,
        clients: &[Vec<Instant>],
        moments: [Instant; 3],
        unknown: usize,
    ) {
        let [blow, mended, ready] = moments;
        let all = clients.concat();
        let gaps = self.rows.entry(fault.to_owned()).or_default();
        gaps.down.push(longest(&all, blow, mended));
        gaps.back.push(longest(&all, mended, ready));
        let alone = clients.iter().map(|acks| longest(acks, blow, ready));
        gaps.alone.extend(alone);
        gaps.unknown += unknown;
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "longest time without an acknowledgement, in ms (p50 / p99 / max)"
        )?;
        writeln!(
            f,
            "| fault | rounds | all clients, node down | all clients, node back | one client | outcomes unknown |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|")?;
        for (fault, gaps) in &self.rows {
            let [down, back, alone] = [&gaps.down, &gaps.back, &gaps.alone].map(|gaps| shown(gaps));
            let (rounds, unknown) = (gaps.down.len(), gaps.unknown);
            writeln!(
                f,
                "| {fault} | {rounds} | {down} | {back} | {alone} | {unknown} |"
            )?;
        }
        Ok(())
    }
}

fn shown(gaps: &[Duration]) -> String {
    let mut gaps = gaps.to_vec();
    gaps.sort_unstable();
    let at = |percent: usize| {
        let rank = (gaps.len() * percent).div_ceil(100).max(1);
        gaps.get(rank - 1).map_or(0, Duration::as_millis)
    };
    format!("{} / {} / {}", at(50), at(99), at(100))
}

#[test]
fn the_gap_that_contains_a_moment() {
    let base = Instant::now();
    let at = |ms: u64| base + Duration::from_millis(ms);
    let acks = [at(900), at(0), at(100), at(350), at(360)];
    let gap = |from, to| longest(&acks, at(from), at(to)).as_millis();
    assert_eq!(gap(10, 20), 100);
    assert_eq!(gap(10, 200), 250);
    assert_eq!(gap(352, 355), 10);
    assert_eq!(gap(300, 400), 540);
    assert_eq!(gap(900, 1000), 0);
}

#[test]
fn percentiles_of_few_and_many() {
    let gaps = |ms: &[u64]| {
        ms.iter()
            .map(|ms| Duration::from_millis(*ms))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&gaps(&[7])), "7 / 7 / 7");
    assert_eq!(shown(&gaps(&[3, 1, 2])), "2 / 3 / 3");
    let many: Vec<u64> = (1..=200).rev().collect();
    assert_eq!(shown(&gaps(&many)), "100 / 198 / 200");
    assert_eq!(shown(&[]), "0 / 0 / 0");
}
