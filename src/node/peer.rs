//! What a node does for its peers.

use std::time::Duration;

use futures::future::BoxFuture;

use super::proposer::Proposer;
use super::{Node, members, scrub};
use crate::proto::cluster;
use crate::raft::network::hashes::PeerHashes;
use crate::raft::network::service::{Forwarded, Host};
use crate::raft::network::wait::Follower;
use crate::raft::{ChangeFailure, Leadership, RaftFailure, Role};
use crate::store::View;

/// A node that greets has an answer within this time, with or without a leader's word.
const MEMBER_LIMIT: Duration = Duration::from_secs(2);

impl Host for Node {
    fn forwarded(&self, commands: Forwarded) {
        Proposer::forwarded(&self.proposer, commands);
    }

    fn waits(&self, follower: Follower) -> Result<(), String> {
        self.serve_waits(follower)
    }

    fn read_index(&self) -> BoxFuture<'_, Result<u64, String>> {
        Box::pin(async {
            let Leadership::Mine { .. } = self.raft.leadership() else {
                return Err(RaftFailure::NotLeader.to_string());
            };
            let index = self.raft.read_index().await;
            index.map_err(|failure| failure.to_string())
        })
    }

    fn is_member(&self, id: u64) -> BoxFuture<'_, Option<bool>> {
        Box::pin(async move {
            // Whoever asks waits no longer than this.
            let fresh = tokio::time::timeout(MEMBER_LIMIT, self.reader.fresh()).await;
            fresh.ok()?.ok()?;
            Some(self.raft.status().member(id).is_some())
        })
    }

    fn state_hashes(&self) -> PeerHashes {
        scrub::own_hashes(&self.store)
    }

    fn describe(&self) -> cluster::Node {
        Node::describe(self)
    }

    fn change(
        &self,
        change: cluster::ChangeRequest,
    ) -> BoxFuture<'_, Result<cluster::ChangeResponse, ChangeFailure>> {
        Box::pin(members::change(self, change))
    }
}

impl Node {
    /// The node as it sees itself.
    pub fn describe(&self) -> cluster::Node {
        let status = self.raft.status();
        let header = self.store.lock().header().clone();
        let address = status
            .member(status.id)
            .map(|member| member.address.clone());
        cluster::Node {
            id: status.id,
            role: role(status.role).into(),
            address: self
                .peers
                .address(status.id)
                .or(address)
                .unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").into(),
            last_log_index: status.last_log_index,
            applied_index: header.position.index,
            snapshot_index: status.snapshot_index,
            disk_bytes: self.store.metrics().checkpoint_disk_bytes
                + self.raft.log().figures().disk_bytes,
            state_hash: header.state_hash,
            lag: None,
            refuses_writes: self.health.get().refuses_writes().unwrap_or_default(),
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
    }
}
