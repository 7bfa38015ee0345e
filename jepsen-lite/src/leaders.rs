//! Watches who leads.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use tonic::transport::{Channel, Endpoint};

use crate::Failed;
use crate::api::Place;
use crate::proto::cluster::StatusRequest;
use crate::proto::cluster::cluster_service_client::ClusterServiceClient;
use crate::record::Record;
use crate::timeline::{Reign, Timeline};

/// How often the nodes are asked.
const EVERY: Duration = Duration::from_millis(100);
/// How long one may take to answer.
const LIMIT: Duration = Duration::from_millis(500);

/// Notes each change until it is dropped.
pub async fn watch(
    places: Vec<Place>,
    record: Arc<Record>,
    timeline: Arc<Mutex<Timeline>>,
) -> Result<(), Failed> {
    let mut nodes = Vec::new();
    for place in &places {
        let endpoint = Endpoint::from_shared(format!("http://{}", place.grpc))?;
        let endpoint = endpoint.timeout(LIMIT).connect_timeout(LIMIT);
        nodes.push(ClusterServiceClient::new(endpoint.connect_lazy()));
    }
    loop {
        let (term, leader) = newest(&mut nodes).await;
        {
            let mut timeline = timeline.lock();
            let known = timeline.reigns.last();
            if known.is_none_or(|known| (known.term, known.leader) != (term, leader)) {
                let from_us = record.now_us();
                timeline.reigns.push(Reign {
                    from_us,
                    leader,
                    term,
                });
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The newest term that a node knows, and its leader.
async fn newest(nodes: &mut [ClusterServiceClient<Channel>]) -> (u64, Option<u64>) {
    let answers = nodes.iter_mut().map(async |node| {
        let status = node.status(StatusRequest {}).await.ok()?.into_inner();
        Some((status.term, status.leader))
    });
    let answers = join_all(answers).await.into_iter().flatten();
    let (term, leader) = answers.max().unwrap_or_default();
    (term, (leader != 0).then_some(leader))
}
