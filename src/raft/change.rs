//! Changes of who belongs to the group. Only the leader can make them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::impls::BasicNode;
use openraft::{ChangeMembers, Instant};

use super::types::TypeConfig;
use super::{Leadership, Raft};
use crate::clock;

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFailure {
    /// It can't be made as the cluster is now.
    #[error("{0}")]
    Refused(String),
    /// Nobody can make it now; trying again may help.
    #[error("{0}")]
    Unavailable(String),
}

/// A peer that last answered longer ago is not asked to lead.
const ANSWERED_LATELY: Duration = Duration::from_secs(1);

/// How long to wait for a leader to settle, or for another change to end.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);
const SETTLE_PAUSE: Duration = Duration::from_millis(50);

type Change = ChangeMembers<u64, BasicNode>;

impl Raft {
    /// Lets a node follow without a vote.
    ///
    /// # Errors
    /// If this node doesn't lead, or another change is under way.
    pub async fn add_learner(&self, id: u64, address: &str) -> Result<(), ChangeFailure> {
        let nodes = BTreeMap::from([(id, BasicNode::new(address))]);
        self.change_members(Change::AddNodes(nodes)).await
    }

    /// Gives a node that follows a vote.
    ///
    /// # Errors
    /// As [`Raft::add_learner`].
    pub async fn promote(&self, id: u64) -> Result<(), ChangeFailure> {
        self.change_members(Change::AddVoterIds(BTreeSet::from([id])))
            .await
    }

    /// Removes a node, whether it votes or not.
    ///
    /// # Errors
    /// As [`Raft::add_learner`].
    pub async fn remove(&self, id: u64) -> Result<(), ChangeFailure> {
        let is_voter = self
            .status()
            .member(id)
            .is_some_and(|member| member.is_voter);
        let ids = BTreeSet::from([id]);
        let change = if is_voter {
            Change::RemoveVoters(ids)
        } else {
            Change::RemoveNodes(ids)
        };
        self.change_members(change).await
    }

    /// Records other addresses of nodes.
    ///
    /// # Errors
    /// As [`Raft::add_learner`].
    pub async fn set_addresses(
        &self,
        addresses: BTreeMap<u64, String>,
    ) -> Result<(), ChangeFailure> {
        let node = |(id, address)| (id, BasicNode::new(address));
        let nodes = addresses.into_iter().map(node).collect();
        self.change_members(Change::SetNodes(nodes)).await
    }

    async fn change_members(&self, change: Change) -> Result<(), ChangeFailure> {
        let until = clock::monotonic() + SETTLE_LIMIT;
        loop {
            let changed = self.raft.change_membership(change.clone(), false).await;
            let error = match changed {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if !passes_by_itself(&error) || !self.is_leader() || clock::monotonic() >= until {
                return Err(failure(&error));
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
    }

    /// Makes another voter the leader: the one given, or the one that is least behind.
    /// Waits until another node leads, at most `limit`.
    ///
    /// # Errors
    /// If this node doesn't lead, there is no other voter, or it doesn't take the lead in time.
    pub async fn transfer_leader(
        &self,
        to: Option<u64>,
        limit: Duration,
    ) -> Result<u64, ChangeFailure> {
        let Leadership::Mine { term } = self.leadership() else {
            return Err(ChangeFailure::Unavailable(
                "this node is not the leader".into(),
            ));
        };
        let status = self.status();
        let mut voters = status.members.iter().filter(|member| member.is_voter);
        let to = match to {
            Some(to) => voters.find(|member| member.id == to).ok_or_else(|| {
                ChangeFailure::Refused(format!("node {to} is no voter of this cluster"))
            })?,
            None => voters
                .filter(|member| member.id != status.id && self.answered_lately(member.id))
                .max_by_key(|member| member.matched_index)
                .ok_or_else(|| ChangeFailure::Refused("no other voter answers".into()))?,
        };
        let to = to.id;
        if to == status.id {
            return Ok(to);
        }
        if !self.answered_lately(to) {
            return Err(ChangeFailure::Refused(format!("node {to} doesn't answer")));
        }
        let transfer = self.raft.trigger().transfer_leader(to).await;
        transfer.map_err(|fatal| ChangeFailure::Unavailable(fatal.to_string()))?;
        let over = async {
            loop {
                match self.leadership() {
                    Leadership::Of { leader, term: now } if now > term => return leader,
                    _ => self.leadership_changed(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(limit, over).await.map_err(|_| {
            let why = format!("node {to} did not take the lead within {limit:?}");
            ChangeFailure::Unavailable(why)
        })
    }
}

impl Raft {
    /// Whether a peer has answered this leader a moment ago.
    fn answered_lately(&self, id: u64) -> bool {
        let metrics = self.raft.data_metrics();
        let metrics = metrics.borrow_watched();
        let heartbeats = metrics.heartbeat.as_ref();
        let answered = heartbeats.and_then(|heartbeats| *heartbeats.get(&id)?);
        answered.is_some_and(|at| at.into_inner().elapsed() < ANSWERED_LATELY)
    }
}

/// A new leader has no lease yet, or another change is on its way: nothing was done.
fn passes_by_itself(error: &RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> bool {
    use openraft::errors::ChangeMembershipError::{InProgress, UncommittedLeaderLog};
    matches!(
        error,
        RaftError::APIError(
            ClientWriteError::ForwardToLeader(_)
                | ClientWriteError::ChangeMembershipError(InProgress(_) | UncommittedLeaderLog(_))
        )
    )
}

fn failure(error: &RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> ChangeFailure {
    match error {
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => {
            ChangeFailure::Refused(error.to_string())
        }
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => {
            let why = "this node doesn't lead, or no quorum answers it; nothing was done";
            ChangeFailure::Unavailable(why.into())
        }
        other => ChangeFailure::Unavailable(format!("the outcome is not known: {other}")),
    }
}
