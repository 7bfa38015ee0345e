//! Who is right where the states of nodes differ: a majority of the voters, and nobody without one.

use std::collections::{BTreeMap, BTreeSet};

use crate::raft::network::hashes::PeerHashes;

/// What comparing with the peers came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No peer has been where this node was.
    Unknown,
    /// This node's state is that of a majority, or of all that could be compared.
    Same,
    /// States differ, and no majority tells whose is right.
    Split(String),
    /// A majority has another state than this node.
    Odd(String),
}

/// A verdict, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What it came to.
    pub verdict: Verdict,
    /// The log index at which states were compared; 0 if there is none.
    pub index: u64,
    /// The peers that could be compared there, and whether they differ from this node.
    pub peers: BTreeMap<u64, bool>,
}

/// Compares at the index where the most nodes have been, the newest of these.
pub fn judge(
    me: u64,
    voters: &BTreeSet<u64>,
    mine: &PeerHashes,
    others: &BTreeMap<u64, PeerHashes>,
) -> Judged {
    let comparable = others
        .iter()
        .filter(|(_, theirs)| theirs.version == mine.version);
    let comparable: Vec<(&u64, &PeerHashes)> = comparable.collect();
    let mut best: Option<(u64, BTreeMap<u64, u64>)> = None;
    for (index, hash) in mine.hashes.iter().rev() {
        let theirs = comparable
            .iter()
            .filter_map(|(id, theirs)| Some((**id, *theirs.hashes.get(index)?)));
        let mut at: BTreeMap<u64, u64> = theirs.collect();
        if at.len() > best.as_ref().map_or(0, |(_, best)| best.len() - 1) {
            at.insert(me, *hash);
            best = Some((*index, at));
        }
    }
    let Some((index, hashes)) = best else {
        return Judged {
            verdict: Verdict::Unknown,
            index: 0,
            peers: BTreeMap::new(),
        };
    };
    let my_hash = hashes.get(&me).copied().unwrap_or_default();
    let differs = |(id, hash): (&u64, &u64)| (*id != me).then_some((*id, *hash != my_hash));
    Judged {
        verdict: verdict(me, my_hash, index, voters, &hashes),
        index,
        peers: hashes.iter().filter_map(differs).collect(),
    }
}

fn verdict(
    me: u64,
    my_hash: u64,
    index: u64,
    voters: &BTreeSet<u64>,
    hashes: &BTreeMap<u64, u64>,
) -> Verdict {
    if hashes.values().all(|hash| *hash == my_hash) {
        return Verdict::Same;
    }
    let with = |wanted: u64| {
        let ids = hashes.iter().filter(move |(_, hash)| **hash == wanted);
        ids.map(|(id, _)| *id)
    };
    let is_majority =
        |hash: u64| with(hash).filter(|id| voters.contains(id)).count() > voters.len() / 2;
    if is_majority(my_hash) {
        return Verdict::Same;
    }
    match hashes.values().find(|hash| is_majority(**hash)) {
        Some(theirs) => Verdict::Odd(format!(
            "the state of node {me} is not that of the nodes {} at log index {index} (hash {my_hash:016x} instead of {theirs:016x})",
            list(with(*theirs))
        )),
        None => Verdict::Split(format!(
            "the nodes {} have different states at log index {index}, and no majority tells whose is right",
            list(hashes.keys().copied())
        )),
    }
}

fn list(ids: impl Iterator<Item = u64>) -> String {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(version: u32, hashes: &[(u64, u64)]) -> PeerHashes {
        PeerHashes {
            version,
            hashes: hashes.iter().copied().collect(),
        }
    }

    fn judged(voters: &[u64], mine: &[(u64, u64)], others: &[(u64, &[(u64, u64)])]) -> Judged {
        let others = others.iter().map(|(id, theirs)| (*id, hashes(1, theirs)));
        let voters = voters.iter().copied().collect();
        judge(1, &voters, &hashes(1, mine), &others.collect())
    }

    fn odd(judged: &Judged) -> bool {
        matches!(judged.verdict, Verdict::Odd(_))
    }

    fn split(judged: &Judged) -> bool {
        matches!(judged.verdict, Verdict::Split(_))
    }

    #[test]
    fn nothing_in_common_tells_nothing() {
        let alone = judged(&[1, 2, 3], &[(256, 7)], &[(2, &[(512, 7)]), (3, &[])]);
        assert_eq!((alone.verdict, alone.index), (Verdict::Unknown, 0));
        assert!(alone.peers.is_empty());
    }

    #[test]
    fn the_odd_one_out_is_wrong() {
        let others: &[(u64, &[(u64, u64)])] = &[(2, &[(256, 7)]), (3, &[(256, 7)])];
        let all = judged(&[1, 2, 3], &[(256, 7)], others);
        assert_eq!((all.verdict, all.index), (Verdict::Same, 256));
        let wrong = judged(&[1, 2, 3], &[(256, 8)], others);
        assert!(odd(&wrong), "{wrong:?}");
        assert_eq!(wrong.peers, [(2, true), (3, true)].into());
        // The others see it too, and go on.
        let one: &[(u64, &[(u64, u64)])] = &[(2, &[(256, 7)]), (3, &[(256, 8)])];
        let right = judged(&[1, 2, 3], &[(256, 7)], one);
        assert_eq!(right.verdict, Verdict::Same);
        assert_eq!(right.peers, [(2, false), (3, true)].into());
    }

    #[test]
    fn without_a_majority_nobody_is_right() {
        let two = judged(&[1, 2, 3], &[(256, 7)], &[(2, &[(256, 8)])]);
        assert!(split(&two), "{two:?}");
        let all = judged(
            &[1, 2, 3],
            &[(256, 7)],
            &[(2, &[(256, 8)]), (3, &[(256, 9)])],
        );
        assert!(split(&all), "{all:?}");
        let halves: &[(u64, &[(u64, u64)])] = &[(2, &[(9, 7)]), (3, &[(9, 8)]), (4, &[(9, 8)])];
        assert!(split(&judged(&[1, 2, 3, 4], &[(9, 7)], halves)));
    }

    #[test]
    fn only_voters_make_a_majority() {
        // Node 1 follows a single voter.
        assert!(odd(&judged(&[2], &[(256, 7)], &[(2, &[(256, 8)])])));
        // Two followers don't outvote the voter.
        let others: &[(u64, &[(u64, u64)])] = &[(2, &[(256, 8)]), (3, &[(256, 8)])];
        let voter = judged(&[1], &[(256, 7)], others);
        assert_eq!(voter.verdict, Verdict::Same);
    }

    #[test]
    fn where_the_most_have_been_counts_more_than_the_newest() {
        let mine = [(256, 7), (512, 8), (600, 9)];
        let others: &[(u64, &[(u64, u64)])] = &[
            (2, &[(256, 7), (512, 8), (600, 9)]),
            (3, &[(256, 7), (512, 1)]),
        ];
        let judged = judged(&[1, 2, 3], &mine, others);
        assert_eq!((judged.verdict, judged.index), (Verdict::Same, 512));
        assert_eq!(judged.peers, [(2, false), (3, true)].into());
    }

    #[test]
    fn other_versions_hash_otherwise() {
        let others = [(2, hashes(2, &[(256, 8)])), (3, hashes(2, &[(256, 8)]))];
        let voters = [1, 2, 3].into();
        let judged = judge(1, &voters, &hashes(1, &[(256, 7)]), &others.into());
        assert_eq!(judged.verdict, Verdict::Unknown);
    }
}
