//! How nodes get to know each other, before there is a cluster and when one joins.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::{Code, Status};
use uuid::Uuid;

use super::peers::{Client, Peers, trouble};
use crate::proto::{durable, peer};

/// One greeting.
const GREET_TIMEOUT: Duration = Duration::from_secs(4);

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeted {
    /// Its id.
    pub id: u64,
    /// The cluster that it belongs to, if any.
    pub cluster_id: Option<Uuid>,
    /// Whether that cluster has been founded.
    pub founded: bool,
    /// The members that it was configured with.
    pub members: BTreeMap<u64, String>,
    /// Whether the asking node is a member, as the cluster's leader says; none while no leader answers.
    pub asker_is_member: Option<bool>,
}

impl Peers {
    /// Greets the member with that id, or whoever is at its address.
    ///
    /// # Errors
    /// If nobody answers there, or not in a way that makes sense.
    pub async fn greet(&self, address: &str) -> Result<Greeted, String> {
        let request = peer::GreetRequest {
            from: self.me(),
            members: members_out(self.configured()),
        };
        let answer = self
            .quickly(address, async |mut client| client.greet(request).await)
            .await?;
        let answer = answer.into_inner();
        let cluster_id = match answer.cluster_id.as_str() {
            "" => None,
            id => Some(Uuid::parse_str(id).map_err(|_| "it names no cluster".to_owned())?),
        };
        Ok(Greeted {
            id: answer.id,
            cluster_id,
            founded: answer.founded,
            members: members_in(answer.members),
            asker_is_member: answer.asker_is_member,
        })
    }

    /// Tells a member the id of the cluster that this node founds.
    ///
    /// # Errors
    /// If it can't be reached, or refuses.
    pub async fn found(&self, address: &str, cluster_id: Uuid) -> Result<(), String> {
        let request = peer::FoundRequest {
            from: self.me(),
            cluster_id: cluster_id.to_string(),
            members: members_out(self.configured()),
        };
        let answer = self
            .quickly(address, async |mut client| client.found(request).await)
            .await;
        answer.map(drop)
    }

    async fn quickly<T>(
        &self,
        address: &str,
        call: impl AsyncFnOnce(Client) -> Result<T, Status>,
    ) -> Result<T, String> {
        let client = self.stranger(address).map_err(|status| trouble(&status))?;
        let answer = tokio::time::timeout(GREET_TIMEOUT, call(client)).await;
        let late = |_| {
            Err(Status::deadline_exceeded(format!(
                "no answer within {GREET_TIMEOUT:?}"
            )))
        };
        answer
            .unwrap_or_else(late)
            .map_err(|status| match status.code() {
                Code::Unimplemented => "no corndogs node listens for peers there".to_owned(),
                _ => trouble(&status),
            })
    }
}

/// Members as they are sent.
pub fn members_out(members: &BTreeMap<u64, String>) -> Vec<durable::Member> {
    let member = |(id, address): (&u64, &String)| durable::Member {
        id: *id,
        address: address.clone(),
    };
    members.iter().map(member).collect()
}

/// Members as they came.
pub fn members_in(members: Vec<durable::Member>) -> BTreeMap<u64, String> {
    members
        .into_iter()
        .map(|member| (member.id, member.address))
        .collect()
}
