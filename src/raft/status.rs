//! A group as one of its nodes sees it.

use super::types::{LogId, TypeConfig};

/// What a node is in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It orders the log.
    Leader,
    /// It votes and follows.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It follows without a vote.
    Learner,
}

/// A node of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Where its peers reach it.
    pub address: String,
    /// Whether it votes, now or before a change that is under way.
    pub is_voter: bool,
    /// The last index that the leader knows to be in its log; only the leader knows.
    pub matched_index: Option<u64>,
}

/// A group as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub id: u64,
    /// What it is.
    pub role: Role,
    /// Who leads, if known.
    pub leader: Option<u64>,
    /// The current term.
    pub term: u64,
    /// The last index in the log.
    pub last_log_index: u64,
    /// The last index applied.
    pub applied_index: u64,
    /// The index of the newest snapshot.
    pub snapshot_index: u64,
    /// Voters and learners.
    pub members: Vec<Member>,
    /// Whether a change of the members is under way.
    pub is_changing: bool,
    /// Why the node has stopped, if it has.
    pub failure: Option<String>,
}

impl Status {
    pub(super) fn of(metrics: &openraft::RaftMetrics<TypeConfig>) -> Self {
        use openraft::ServerState;
        let index = |log_id: &Option<LogId>| log_id.map_or(0, |log_id| log_id.index);
        let membership = metrics.membership_config.membership();
        let matched = |id: &u64| {
            let replication = metrics.replication.as_ref()?;
            Some(index(replication.get(id)?))
        };
        let members = membership.nodes().map(|(id, node)| Member {
            id: *id,
            address: node.addr.clone(),
            is_voter: membership.voter_ids().any(|voter| voter == *id),
            matched_index: matched(id),
        });
        Self {
            id: metrics.id,
            role: match metrics.state {
                ServerState::Leader => Role::Leader,
                ServerState::Candidate => Role::Candidate,
                ServerState::Learner => Role::Learner,
                _ => Role::Follower,
            },
            leader: metrics.current_leader,
            term: metrics.current_term,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            applied_index: index(&metrics.last_applied),
            snapshot_index: index(&metrics.snapshot),
            members: members.collect(),
            is_changing: metrics.membership_config != metrics.committed_membership_config
                || membership.get_joint_config().len() > 1,
            failure: metrics
                .running_state
                .as_ref()
                .err()
                .map(ToString::to_string),
        }
    }

    /// A node of the group.
    pub fn member(&self, id: u64) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Whether this node votes and no other does.
    pub fn is_only_voter(&self) -> bool {
        let mut voters = self.members.iter().filter(|member| member.is_voter);
        voters.next().is_some_and(|voter| voter.id == self.id) && voters.next().is_none()
    }
}
