//! A follower's way to the leader: commands, and the index for reads.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Response, Status, Streaming};

use super::peers::{Peers, Purpose, trouble};
use crate::proto::durable::Origin;
use crate::proto::{cluster, peer};
use crate::queue;
use crate::raft::ChangeFailure;
use crate::raft::batches::Lost;

/// Opening a stream, or one small call.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// Batches that wait for the connection.
const BATCHES_AHEAD: usize = 16;

/// Where batches are passed on to a leader.
pub struct Link {
    /// Takes batches; closed once the connection is gone.
    pub batches: mpsc::Sender<peer::ForwardRequest>,
    /// What the leader refuses.
    pub refusals: Refusals,
}

/// What the leader refuses.
pub struct Refusals(Streaming<peer::ForwardRefusal>);

impl Refusals {
    /// The next batch that was refused; none when the connection is gone.
    pub async fn next(&mut self) -> Option<(u64, Lost)> {
        let refusal = self.0.message().await.ok()??;
        let lost = match refusal.reason() {
            peer::forward_refusal::Reason::NotLeader => Lost::NothingDone,
            peer::forward_refusal::Reason::Overloaded => Lost::Overloaded,
        };
        Some((refusal.batch, lost))
    }
}

/// A batch as it is passed on.
pub fn request(origin: Origin, commands: Bytes, term: u64) -> peer::ForwardRequest {
    peer::ForwardRequest {
        origin: Some(origin),
        commands,
        term,
        version: queue::VERSION,
    }
}

impl Peers {
    /// Opens the stream that commands are passed on through.
    ///
    /// # Errors
    /// If the peer can't be reached, or doesn't take it.
    pub async fn link(&self, to: u64) -> Result<Link, String> {
        let (batches, stream) = mpsc::channel(BATCHES_AHEAD);
        let opened = self
            .small_call(to, async move |mut client| {
                client.forward(ReceiverStream::new(stream)).await
            })
            .await?;
        Ok(Link {
            batches,
            refusals: Refusals(opened.into_inner()),
        })
    }

    /// Asks the leader for the index that the state must have reached before a read.
    ///
    /// # Errors
    /// If the peer can't be reached, or doesn't lead with a quorum behind it.
    pub async fn read_index(&self, leader: u64) -> Result<u64, String> {
        use peer::read_index_response::Result as Answer;
        let answer = self
            .small_call(leader, async |mut client| {
                client.read_index(peer::ReadIndexRequest {}).await
            })
            .await?;
        match answer.into_inner().result {
            Some(Answer::Index(index)) => Ok(index),
            Some(Answer::Refusal(why)) => Err(why),
            None => Err("the leader's answer makes no sense".into()),
        }
    }

    /// Asks a node for its view of itself.
    ///
    /// # Errors
    /// If it can't be reached.
    pub async fn describe(&self, id: u64) -> Result<cluster::Node, String> {
        let answer = self
            .small_call(id, async |mut client| {
                client.describe(peer::DescribeRequest {}).await
            })
            .await?;
        Ok(answer.into_inner())
    }

    /// Asks the leader to change the cluster. Takes as long as it takes.
    ///
    /// # Errors
    /// What the leader says.
    pub async fn change(
        &self,
        leader: u64,
        change: cluster::ChangeRequest,
    ) -> Result<cluster::ChangeResponse, ChangeFailure> {
        let answer = match self.client(leader, Purpose::Log) {
            Ok(mut client) => client.change(change).await,
            Err(status) => Err(status),
        };
        answer
            .map(Response::into_inner)
            .map_err(|status| match status.code() {
                Code::FailedPrecondition => ChangeFailure::Refused(status.message().to_owned()),
                _ => ChangeFailure::Unavailable(trouble(&status)),
            })
    }

    pub(super) async fn small_call<T>(
        &self,
        to: u64,
        call: impl AsyncFnOnce(super::Client) -> Result<T, Status>,
    ) -> Result<T, String> {
        let client = self
            .client(to, Purpose::Log)
            .map_err(|status| trouble(&status))?;
        let answer = tokio::time::timeout(CALL_TIMEOUT, call(client)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!(
                "no answer within {CALL_TIMEOUT:?}"
            )))
        });
        answer.map_err(|status| trouble(&status))
    }
}
