//! What peers tell of their state hashes.

use std::collections::BTreeMap;

use super::peers::Peers;
use crate::proto::peer;

/// The state hashes of a node at some log indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerHashes {
    /// How they are made: only those of one version can be compared.
    pub version: u32,
    /// Hashes by log index.
    pub hashes: BTreeMap<u64, u64>,
}

impl From<PeerHashes> for peer::StateHashesResponse {
    fn from(hashes: PeerHashes) -> Self {
        let pair = |(index, hash)| peer::StateHash { index, hash };
        Self {
            version: hashes.version,
            hashes: hashes.hashes.into_iter().map(pair).collect(),
        }
    }
}

impl Peers {
    /// Asks a node for its state hashes.
    ///
    /// # Errors
    /// If it can't be reached, or is of a version that doesn't tell them.
    pub async fn state_hashes(&self, id: u64) -> Result<PeerHashes, String> {
        let answer = self
            .small_call(id, async |mut client| {
                client.state_hashes(peer::StateHashesRequest {}).await
            })
            .await?
            .into_inner();
        let pair = |at: peer::StateHash| (at.index, at.hash);
        Ok(PeerHashes {
            version: answer.version,
            hashes: answer.hashes.into_iter().map(pair).collect(),
        })
    }
}
