//! The leader's part: groups commands into log entries.
//!
//! A small window: take all that waits, propose it as one entry, and once the window is full
//! wait for the oldest entry's answer, repeat. Groups size themselves, without a timer: while the
//! disks sync, the next group gathers. A follower's batch is spliced in as it came.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::proposer::{MAX_WAITING, PATIENCE, Proposal, Proposer, no_leader, refuse};
use crate::clock::{self, Clock};
use crate::raft::batches::Lost;
use crate::raft::network::service::Forwarded;
use crate::raft::types::{Group, LeaderId};
use crate::raft::{Leadership, Raft};

/// Entries under way at once on a single node. While one is synced, the next is already being
/// written: a tenth more calls a second than with one; three made it less again.
const WINDOW_ALONE: usize = 2;
/// Entries under way at once in a cluster. An entry costs about as much as twenty commands there,
/// so fewer and larger ones are cheaper: with two, the servers took a sixth more processor time.
const WINDOW_OF_CLUSTER: usize = 1;
/// Commands and batches in one entry.
const MAX_GROUP_ITEMS: usize = 1024;
/// Bytes that the commands in one entry count for, give or take one item.
const MAX_GROUP_BYTES: usize = 4 << 20;
/// How often it is looked at whether commands have waited too long behind an entry.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Batches of this node itself go no way at all.
const OWN_ROUTE: u64 = 0;

/// What the orderer takes.
pub enum Item {
    /// A command that was handed in here.
    Own(Proposal),
    /// Commands that were handed in at a follower.
    Forwarded(Forwarded),
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Own(proposal) => proposal.bytes(),
            Self::Forwarded(forwarded) => forwarded.commands.len(),
        }
    }

    fn is_wanted(&self) -> bool {
        match self {
            Self::Own(proposal) => proposal.is_wanted(),
            Self::Forwarded(_) => true,
        }
    }
}

/// Groups what comes until the node ends.
pub async fn run(proposer: Proposer, clock: Arc<Clock>, mut items_in: mpsc::Receiver<Item>) {
    let group_commands = metrics::histogram!("corndogs_group_commands");
    let mut under_way = VecDeque::with_capacity(WINDOW_ALONE);
    let mut waiting = Vec::with_capacity(MAX_GROUP_ITEMS);
    while items_in.recv_many(&mut waiting, MAX_GROUP_ITEMS).await > 0 {
        waiting.retain(Item::is_wanted);
        while !waiting.is_empty() {
            let rest = waiting.split_off(group_len(&waiting));
            let items = std::mem::replace(&mut waiting, rest);
            let Some(group) = Gathered::of(&proposer, items) else {
                continue;
            };
            group_commands.record(group.commands_count());
            under_way.extend(group.propose(proposer.raft(), &clock).await);
            while under_way.len() >= window(proposer.raft())
                && let Some(mut oldest) = under_way.pop_front()
            {
                // A leader that lost its quorum may wait for long: what waits behind it must not.
                let since = clock::monotonic();
                while tokio::time::timeout(LOOK_AGAIN, &mut oldest).await.is_err() {
                    refuse_overdue(&mut items_in, &mut waiting, since);
                }
            }
        }
    }
}

/// Answers what has waited long enough behind an entry that is under way `since` then: nothing was done. A follower's
/// commands go back to it.
fn refuse_overdue(items: &mut mpsc::Receiver<Item>, waiting: &mut Vec<Item>, since: Duration) {
    while waiting.len() < MAX_WAITING
        && let Ok(item) = items.try_recv()
    {
        waiting.push(item);
    }
    let now = clock::monotonic();
    let is_stuck = now.saturating_sub(since) >= PATIENCE;
    let is_overdue = |item: &mut Item| match item {
        Item::Own(proposal) => proposal.is_overdue(now),
        Item::Forwarded(_) => is_stuck,
    };
    let mut own = Vec::new();
    for item in waiting.extract_if(.., is_overdue) {
        match item {
            Item::Own(proposal) => own.push(proposal),
            Item::Forwarded(batch) => batch.refusals.refuse(batch.origin.batch, Lost::NothingDone),
        }
    }
    refuse(own, &no_leader());
}

fn window(raft: &Raft) -> usize {
    match raft.is_alone() {
        true => WINDOW_ALONE,
        false => WINDOW_OF_CLUSTER,
    }
}

/// How many of the items, in order, go into one entry.
fn group_len(items: &[Item]) -> usize {
    let mut bytes = 0;
    let fit = items.iter().take_while(|item| {
        let fits = bytes == 0 || bytes + item.bytes() <= MAX_GROUP_BYTES;
        bytes += item.bytes();
        fits
    });
    fit.count()
}

/// One entry's commands and who waits for them.
struct Gathered {
    term: u64,
    commands: Vec<Bytes>,
    origins: Vec<crate::proto::durable::Origin>,
    /// This node's own batch, if it has commands in the entry.
    own: Option<u64>,
    refusals: Vec<(u64, crate::raft::network::service::Refuse)>,
}

impl Gathered {
    /// Sorts out what this leadership may propose; the rest goes back.
    fn of(proposer: &Proposer, items: Vec<Item>) -> Option<Self> {
        let Leadership::Mine { term } = proposer.raft().leadership() else {
            return_all(proposer, items);
            return None;
        };
        let mut gathered = Self {
            term,
            commands: Vec::with_capacity(items.len()),
            origins: Vec::new(),
            own: None,
            refusals: Vec::new(),
        };
        let mut proposals = Vec::new();
        for item in items {
            match item {
                Item::Own(proposal) => proposals.push(proposal),
                Item::Forwarded(batch) if batch.term == term => gathered.add(batch),
                Item::Forwarded(batch) => {
                    batch.refusals.refuse(batch.origin.batch, Lost::NothingDone);
                }
            }
        }
        gathered.add_own(proposer, proposals);
        (!gathered.commands.is_empty()).then_some(gathered)
    }

    fn add(&mut self, batch: Forwarded) {
        self.commands.push(batch.commands);
        self.refusals.push((batch.origin.batch, batch.refusals));
        self.origins.push(batch.origin);
    }

    fn add_own(&mut self, proposer: &Proposer, proposals: Vec<Proposal>) {
        if proposals.is_empty() {
            return;
        }
        let commands: Vec<Bytes> = proposals
            .iter()
            .map(|proposal| proposal.command.clone())
            .collect();
        // At most MAX_GROUP_ITEMS.
        let count = commands.len() as u32;
        let done = proposer.answering(proposals);
        let batches = proposer.raft().batches();
        let leader = LeaderId {
            term: self.term,
            node_id: proposer.raft().id(),
        };
        if let Some(origin) = batches.register(leader, OWN_ROUTE, count, done) {
            self.own = Some(origin.batch);
            self.commands.extend(commands);
            self.origins.push(origin);
        }
    }

    fn commands_count(&self) -> f64 {
        let counts = self.origins.iter().map(|origin| f64::from(origin.commands));
        counts.sum()
    }

    /// Hands the group to Raft. What comes back resolves when it is settled.
    async fn propose(self, raft: &Raft, clock: &Clock) -> Option<oneshot::Receiver<()>> {
        let group = Group::splice(clock.now_ns(), self.commands.iter(), self.origins);
        let (finished, settled) = oneshot::channel();
        let batches = raft.clone();
        let on_settled = move |is_done: bool| {
            if !is_done {
                for (batch, refusals) in self.refusals {
                    refusals.refuse(batch, Lost::NothingDone);
                }
                if let Some(batch) = self.own {
                    batches.batches().give_up(batch, Lost::NothingDone);
                }
            }
            // If the orderer is gone, nobody is left to tell.
            let _ = finished.send(());
        };
        let proposed = raft.propose(group, self.term, on_settled).await;
        proposed.ok().map(|()| settled)
    }
}

/// This node doesn't lead any more: its own commands look for the leader, others' go back.
fn return_all(proposer: &Proposer, items: Vec<Item>) {
    for item in items {
        match item {
            Item::Own(proposal) => proposer.hand_in(proposal),
            Item::Forwarded(batch) => {
                batch.refusals.refuse(batch.origin.batch, Lost::NothingDone);
            }
        }
    }
}
