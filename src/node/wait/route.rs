//! The way of this node's waiting claims to the leader, wherever it is.
//!
//! It follows a change of leaders by itself: all that stand in line enter again, at their old places.

use std::pin::pin;
use std::time::Duration;

use super::leader::LeaderLines;
use super::tickets::Tickets;
use crate::raft::network::peers::Peers;
use crate::raft::{Leadership, Raft};

/// How soon to look again for somebody to lead.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How often to look whether the leader is the same, should a change not be noticed at once.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Lets the claims stand in the leader's line until the node ends.
pub async fn run(tickets: Tickets, leader: LeaderLines, raft: Raft, peers: Peers) {
    loop {
        while tickets.count() == 0 {
            tickets.news().await;
        }
        tickets.tell_all();
        match raft.leadership() {
            Leadership::Mine { term } => stand_here(&tickets, &leader, &raft, &peers, term).await,
            there @ Leadership::Of { leader, .. } => {
                stand_there(&tickets, &raft, &peers, leader, there).await;
            }
            Leadership::Nobody => {}
        }
        raft.leadership_changed(LOOK_AGAIN).await;
    }
}

/// This node leads: the lines are here.
async fn stand_here(
    tickets: &Tickets,
    leader: &LeaderLines,
    raft: &Raft,
    peers: &Peers,
    term: u64,
) {
    let called = tickets.clone();
    let wake = Box::new(move |ticket| called.call(ticket));
    let Some(seat) = leader.join(term, peers.me(), wake) else {
        return;
    };
    let mut changed = pin!(raft.leadership_changed(LOOK_INTERVAL));
    loop {
        while let Some(step) = tickets.next_step() {
            seat.take(step);
        }
        tokio::select! {
            () = tickets.news() => {}
            () = &mut changed => {
                if raft.leadership() != (Leadership::Mine { term }) || !seat.is_kept() {
                    return;
                }
                changed.set(raft.leadership_changed(LOOK_INTERVAL));
            }
        }
    }
}

/// Another node leads: the lines are there.
async fn stand_there(
    tickets: &Tickets,
    raft: &Raft,
    peers: &Peers,
    leader: u64,
    leadership: Leadership,
) {
    let mut link = match peers.wait(leader).await {
        Ok(link) => link,
        Err(why) => {
            tracing::debug!(leader, "claims can't stand in the leader's line: {why}");
            return;
        }
    };
    let mut changed = pin!(raft.leadership_changed(LOOK_INTERVAL));
    loop {
        tokio::select! {
            turn = link.turns.next() => match turn {
                Some(ticket) => tickets.call(ticket),
                None => return,
            },
            room = link.steps.reserve(), if tickets.has_news() => match room {
                Ok(room) => if let Some(step) = tickets.next_step() {
                    room.send(step.into_message());
                },
                Err(_) => return,
            },
            () = tickets.news() => {}
            () = &mut changed => {
                if raft.leadership() != leadership {
                    return;
                }
                changed.set(raft.leadership_changed(LOOK_INTERVAL));
            }
        }
    }
}
