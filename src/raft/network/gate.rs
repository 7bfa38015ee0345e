//! Who may call this node: a peer of its cluster that means it, and speaks its protocol.

use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::peers::{
    CLUSTER_KEY, FROM_KEY, GROUP, GROUP_KEY, PROCESS_KEY, PROTOCOL, PROTOCOL_KEY, Peers, TO_KEY,
};

/// The call comes from a node of this cluster.
#[derive(Clone, Copy)]
pub struct OfThisCluster;

/// Refuses calls that are not meant for this node, before anything is read of them.
#[derive(Clone)]
pub struct Gate {
    peers: Peers,
}

impl Gate {
    /// For the node that those are the peers of.
    pub fn new(peers: Peers) -> Self {
        Self { peers }
    }

    fn refuse(&self, metadata: &MetadataMap, why: &str) -> Status {
        let from = text(metadata, FROM_KEY).unwrap_or("?");
        let me = self.peers.me();
        tracing::warn!(peer = from, "refused a peer: {why}");
        Status::failed_precondition(format!("node {me} refuses node {from}: {why}"))
    }
}

impl Interceptor for Gate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata();
        let get = |key| text(metadata, key);
        let protocol = get(PROTOCOL_KEY);
        if protocol != Some(PROTOCOL) || get(GROUP_KEY) != Some(GROUP) {
            let version = env!("CARGO_PKG_VERSION");
            let why = format!(
                "it speaks peer protocol {}, this node (corndogs {version}) speaks {PROTOCOL}",
                protocol.unwrap_or("none")
            );
            return Err(self.refuse(metadata, &why));
        }
        let me = self.peers.me().to_string();
        if let Some(to) = get(TO_KEY)
            && to != me
        {
            let why = format!("it looks for node {to} and this is node {me}: see --members");
            return Err(self.refuse(metadata, &why));
        }
        let process = self.peers.process().to_string();
        if get(FROM_KEY) == Some(me.as_str()) && get(PROCESS_KEY) != Some(process.as_str()) {
            let why =
                format!("it says that it is node {me} too: two nodes were given one --node-id");
            return Err(self.refuse(metadata, &why));
        }
        let Some(cluster_id) = get(CLUSTER_KEY) else {
            return Ok(request);
        };
        match self.peers.cluster_id() {
            Some(ours) if ours.to_string() == cluster_id => {
                request.extensions_mut().insert(OfThisCluster);
                Ok(request)
            }
            Some(ours) => {
                let why =
                    format!("it belongs to cluster {cluster_id}, this node to cluster {ours}");
                Err(self.refuse(metadata, &why))
            }
            None => {
                let why =
                    format!("this node belongs to no cluster yet (the caller to {cluster_id})");
                Err(Status::unavailable(format!("node {me}: {why}")))
            }
        }
    }
}

/// The node that a call comes from, as it says.
pub(super) fn sender(metadata: &MetadataMap) -> Option<u64> {
    text(metadata, FROM_KEY)?.parse().ok()
}

fn text<'a>(metadata: &'a MetadataMap, key: &str) -> Option<&'a str> {
    metadata.get(key)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tonic::Code;
    use uuid::Uuid;

    use super::*;

    const OURS: Uuid = Uuid::from_u128(7);

    /// What node 2 says to a call with these headers.
    fn called(headers: &[(&'static str, String)]) -> Result<bool, Status> {
        let peers = Peers::new(2, BTreeMap::new(), None);
        peers.join(OURS);
        let mut request = Request::new(());
        for (key, value) in headers {
            request.metadata_mut().insert(*key, value.parse().unwrap());
        }
        let passed = Gate::new(peers).call(request)?;
        Ok(passed.extensions().get::<OfThisCluster>().is_some())
    }

    fn headers(to: u64, from: u64, cluster: Option<Uuid>) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (PROTOCOL_KEY, PROTOCOL.to_owned()),
            (GROUP_KEY, GROUP.to_owned()),
            (FROM_KEY, from.to_string()),
            (TO_KEY, to.to_string()),
        ];
        headers.extend(cluster.map(|id| (CLUSTER_KEY, id.to_string())));
        headers
    }

    fn refusal(headers: &[(&'static str, String)]) -> String {
        let status = called(headers).unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        status.message().to_owned()
    }

    #[test]
    fn a_peer_of_this_cluster_passes() {
        assert!(called(&headers(2, 1, Some(OURS))).unwrap());
        // A greeting names no cluster, and is of none.
        assert!(!called(&headers(2, 1, None)).unwrap());
    }

    #[test]
    fn others_are_told_why_not() {
        let other = Uuid::from_u128(8);
        assert!(refusal(&headers(2, 1, Some(other))).contains("belongs to cluster"));
        assert!(refusal(&headers(3, 1, Some(OURS))).contains("looks for node 3"));
        assert!(refusal(&headers(2, 2, Some(OURS))).contains("two nodes were given one --node-id"));
        assert!(refusal(&[]).contains("speaks peer protocol none"));
        let mut newer = headers(2, 1, Some(OURS));
        newer[0].1 = "2".to_owned();
        assert!(refusal(&newer).contains("it speaks peer protocol 2"));
    }
}
