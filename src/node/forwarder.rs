//! A follower's part: passes commands on to the leader, in batches over one stream.
//!
//! It follows a change of leaders by itself. Commands that nobody can take yet wait here.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::proposer::{Proposal, Proposer, no_leader, refuse};
use crate::clock;
use crate::proto::peer;
use crate::raft::batches::Lost;
use crate::raft::network::forward::{Refusals, request};
use crate::raft::network::peers::Peers;
use crate::raft::types::LeaderId;
use crate::raft::{Leadership, Raft};

/// Batches on their way at once: while they travel, the next gathers.
const WINDOW: usize = 4;
/// Commands in one batch.
const MAX_BATCH_COMMANDS: usize = 1024;
/// Bytes that the commands in one batch count for, give or take one command.
const MAX_BATCH_BYTES: usize = 1 << 20;
/// How soon to look again for somebody to lead.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long to wait for room on the way before looking whether it is still the right one.
const ROOM_WAIT: Duration = Duration::from_millis(500);
/// Batches on a stream that broke are given up after this long, if no new leader's entry tells before.
const ORPHANS_WAIT: Duration = Duration::from_millis(2500);

/// Passes on what comes until the node ends.
pub async fn run(proposer: Proposer, peers: Peers, mut proposals: mpsc::Receiver<Proposal>) {
    let mut route: Option<Route> = None;
    let mut routes = 0;
    let mut waiting = Vec::with_capacity(MAX_BATCH_COMMANDS);
    loop {
        if waiting.is_empty() && proposals.recv_many(&mut waiting, MAX_BATCH_COMMANDS).await == 0 {
            return;
        }
        give_up_overdue(&mut waiting);
        match proposer.raft().leadership() {
            Leadership::Mine { .. } => {
                waiting
                    .drain(..)
                    .for_each(|proposal| proposer.hand_in(proposal));
                // What comes back at once would go round and round.
                proposer.raft().leadership_changed(LOOK_AGAIN).await;
            }
            Leadership::Of { leader, term } => {
                if !route
                    .as_ref()
                    .is_some_and(|route| route.leads_to(leader, term))
                {
                    routes += 1;
                    route = Route::open(&peers, proposer.raft(), leader, term, routes).await;
                }
                let Some(route) = &route else {
                    proposer.raft().leadership_changed(LOOK_AGAIN).await;
                    continue;
                };
                if let Some(room) = route.room(proposer.raft()).await {
                    // What came meanwhile goes along.
                    while waiting.len() < MAX_BATCH_COMMANDS
                        && let Ok(proposal) = proposals.try_recv()
                    {
                        waiting.push(proposal);
                    }
                    route.pass_on(&proposer, &mut waiting, room).await;
                }
            }
            Leadership::Nobody => proposer.raft().leadership_changed(LOOK_AGAIN).await,
        }
    }
}

/// Refuses those that have waited long enough for a leader.
fn give_up_overdue(waiting: &mut Vec<Proposal>) {
    let now = clock::monotonic();
    waiting.retain(Proposal::is_wanted);
    let overdue = waiting.extract_if(.., |proposal| proposal.is_overdue(now));
    refuse(overdue, &no_leader());
}

/// The stream to one leader, in one term.
struct Route {
    number: u64,
    leader: LeaderId,
    batches: mpsc::Sender<peer::ForwardRequest>,
    window: Arc<Semaphore>,
}

impl Route {
    async fn open(peers: &Peers, raft: &Raft, leader: u64, term: u64, number: u64) -> Option<Self> {
        let link = peers.link(leader).await;
        let link = link
            .inspect_err(|why| tracing::debug!(leader, "commands can't be passed on: {why}"))
            .ok()?;
        tokio::spawn(take_refusals(raft.clone(), number, link.refusals));
        Some(Self {
            number,
            leader: LeaderId {
                term,
                node_id: leader,
            },
            batches: link.batches,
            window: Arc::new(Semaphore::new(WINDOW)),
        })
    }

    fn leads_to(&self, leader: u64, term: u64) -> bool {
        let leads = (self.leader.node_id, self.leader.term) == (leader, term);
        leads && !self.batches.is_closed()
    }

    /// Waits for room on the way; none if the way may be another one now.
    async fn room(&self, raft: &Raft) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            room = self.window.clone().acquire_owned() => room.ok(),
            () = self.batches.closed() => None,
            () = raft.leadership_changed(ROOM_WAIT) => None,
        }
    }

    /// Sends one batch of what waits.
    async fn pass_on(
        &self,
        proposer: &Proposer,
        waiting: &mut Vec<Proposal>,
        room: OwnedSemaphorePermit,
    ) {
        let rest = waiting.split_off(batch_len(waiting));
        let batch = std::mem::replace(waiting, rest);
        self.send(proposer, batch, room).await;
    }

    async fn send(&self, proposer: &Proposer, batch: Vec<Proposal>, room: OwnedSemaphorePermit) {
        let commands = joined(&batch);
        // At most MAX_BATCH_COMMANDS.
        let count = batch.len() as u32;
        let answer = proposer.answering(batch);
        let done = Box::new(move |result| {
            drop(room);
            answer(result);
        });
        let batches = proposer.raft().batches();
        let Some(origin) = batches.register(self.leader, self.number, count, done) else {
            return;
        };
        if self
            .batches
            .send(request(origin, commands, self.leader.term))
            .await
            .is_err()
        {
            // It has not left this node.
            batches.give_up(origin.batch, Lost::NothingDone);
        }
    }
}

fn batch_len(waiting: &[Proposal]) -> usize {
    let mut bytes = 0;
    let fit = waiting.iter().take_while(|proposal| {
        let fits = bytes == 0 || bytes + proposal.bytes() <= MAX_BATCH_BYTES;
        bytes += proposal.bytes();
        fits
    });
    fit.count()
}

fn joined(batch: &[Proposal]) -> Bytes {
    if let [proposal] = batch {
        return proposal.command.clone();
    }
    let bytes = batch.iter().map(|proposal| proposal.command.len()).sum();
    let mut joined = BytesMut::with_capacity(bytes);
    for proposal in batch {
        joined.extend_from_slice(&proposal.command);
    }
    joined.freeze()
}

/// Takes what the leader refuses. When the stream ends, the batches on it are in doubt, until
/// an entry of a later leadership tells that they are not in the log.
async fn take_refusals(raft: Raft, route: u64, mut refusals: Refusals) {
    while let Some((batch, lost)) = refusals.next().await {
        raft.batches().give_up(batch, lost);
    }
    tokio::time::sleep(ORPHANS_WAIT).await;
    raft.batches().give_up_route(route, Lost::Unknown);
}
