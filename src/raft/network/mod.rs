//! The way to peers: openraft's calls over the peer protocol.

use std::fs::File;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::impls::BasicNode;
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption,
    RaftNetworkFactory,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderRequest, VoteRequest,
    VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

mod acks;
mod dial;
pub mod forward;
mod gate;
pub mod greet;
pub mod hashes;
pub mod peers;
pub mod service;
mod snapshot;
pub mod wait;
mod wire;

use super::codec::{log_id_to_proto, membership_to_proto};
use super::machine::{self, SnapshotData};
use super::types::{TypeConfig, Vote};
use crate::clock::{self, Clock};
use crate::proto::peer;
use crate::store::{Store, pieces};
use crate::work;
use peers::{Client, Peers, Purpose};

/// Messages that wait for a slow peer.
const CHUNKS_AHEAD: usize = 4;
/// How fast a snapshot is sent: commands of the leader must not wait behind it.
const SNAPSHOT_BYTES_PER_S: f64 = (32 << 20) as f64;

type Rpc<T> = Result<T, RPCError<TypeConfig>>;
type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// Makes the ways to peers.
pub struct Network {
    peers: Peers,
    clock: Arc<Clock>,
    store: Store,
}

impl Network {
    /// To those peers. Appends carry that clock, and snapshots are of that store.
    pub fn new(peers: Peers, clock: Arc<Clock>, store: Store) -> Self {
        Self {
            peers,
            clock,
            store,
        }
    }

    fn way(&self, target: u64, node: &BasicNode, purpose: Purpose) -> Way {
        self.peers.learn(target, &node.addr);
        Way {
            target,
            purpose,
            peers: self.peers.clone(),
            clock: self.clock.clone(),
            store: self.store.clone(),
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Way;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Way {
        self.way(target, node, Purpose::Log)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &BasicNode) -> Way {
        self.way(target, node, Purpose::Snapshot)
    }
}

/// The way to one peer.
pub struct Way {
    target: u64,
    purpose: Purpose,
    peers: Peers,
    clock: Arc<Clock>,
    store: Store,
}

impl Way {
    fn client(&self) -> Result<Client, Status> {
        self.peers.client(self.target, self.purpose)
    }

    /// One call within its time, logged when it begins or ceases to fail.
    async fn call<T>(
        &self,
        option: &RPCOption,
        call: impl AsyncFnOnce(Client) -> Result<T, Status>,
    ) -> Rpc<T> {
        let limit = option.soft_ttl();
        let answer = match self.client() {
            Ok(client) => tokio::time::timeout(limit, call(client)).await,
            Err(status) => Ok(Err(status)),
        };
        let late = |_| {
            Err(Status::deadline_exceeded(format!(
                "no answer within {limit:?}"
            )))
        };
        let answer = answer.unwrap_or_else(late);
        self.peers.note(self.target, &answer);
        answer.map_err(|status| unreachable(&status))
    }
}

fn unreachable(status: &Status) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::from_string(peers::trouble(status)))
}

fn nonsense(error: &wire::Nonsense) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::from_string(error))
}

/// The policy of openraft's configuration.
impl NetBackoff<TypeConfig> for Way {
    fn backoff(&self) -> Option<Backoff> {
        None
    }
}

impl NetStreamAppend<TypeConfig> for Way {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
    {
        Box::pin(async move {
            let (mut requests, unanswered) = acks::follow(input);
            // The first request waits as long as openraft wants to pause after a failure: dial after it.
            let Some(first) = requests.next().await else {
                return Ok(Box::pin(futures::stream::empty()) as BoxStream<'s, _>);
            };
            let clock = self.clock.clone();
            let requests = futures::stream::iter([first])
                .chain(requests)
                .map(move |request| wire::append_out(request, clock.now_ns()));
            let opened = match self.client() {
                Ok(mut client) => client.append(requests).await,
                Err(status) => Err(status),
            };
            self.peers.note(self.target, &opened);
            let answers = opened.map_err(|status| unreachable(&status))?.into_inner();
            let answers = answers.map(|answer| {
                let answer = answer.map_err(|status| unreachable(&status))?;
                wire::appended_in(answer).map_err(|error| nonsense(&error))
            });
            Ok(Box::pin(unanswered.answered_by(answers)) as BoxStream<'s, _>)
        })
    }
}

impl NetVote<TypeConfig> for Way {
    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        self.ask_vote(&rpc, false, &option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        self.ask_vote(&rpc, true, &option).await
    }
}

impl NetSnapshot<TypeConfig> for Way {
    type SnapshotData = SnapshotData;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            sent = self.send_snapshot(&vote, snapshot) => sent,
            closed = cancel => Err(closed.into()),
        }
    }
}

impl NetTransferLeader<TypeConfig> for Way {
    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<openraft::raft::TransferLeaderResponse<TypeConfig>> {
        let request = peer::TransferLeaderRequest {
            from_leader: Some(wire::vote_out(req.from_leader())),
            to: *req.to_node_id(),
            last_log_id: wire::log_id_out(req.last_log_id().copied()),
        };
        let answer = self
            .call(&option, async |mut client| {
                client.transfer_leader(request).await
            })
            .await?;
        let refusal = answer.into_inner().refusal;
        if !refusal.is_empty() {
            tracing::warn!(
                peer = self.target,
                "the peer doesn't take the lead: {refusal}"
            );
        }
        // Whoever takes the lead shows by its vote; openraft only logs this answer.
        Ok(Ok(()))
    }
}

impl Way {
    async fn ask_vote(
        &self,
        rpc: &VoteRequest<TypeConfig>,
        pre_vote: bool,
        option: &RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        let request = wire::vote_request_out(rpc, pre_vote);
        let answer = self
            .call(option, async |mut client| client.vote(request).await)
            .await?
            .into_inner();
        if answer.granted && !pre_vote && answer.clock_ns > 0 {
            self.clock.voted_for(answer.clock_ns);
        }
        wire::voted_in(answer).map_err(|error| nonsense(&error))
    }

    /// The peer refused this node's snapshot as damaged: one that is whole takes its place, and is sent next.
    async fn renew_snapshot(&self) {
        match machine::write_snapshot(&self.store).await {
            Ok(_) => {
                tracing::warn!("a peer found this node's snapshot damaged: it is written anew")
            }
            Err(error) => tracing::error!(%error, "no new snapshot can be written; will try again"),
        }
    }

    /// Streams the file as fast as the peer takes it, then waits until it is installed there.
    /// A peer that is gone is noticed by the connection's pings.
    async fn send_snapshot(
        &self,
        vote: &Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotData>,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let failed = |error: std::io::Error| StreamingError::Network(NetworkError::new(&error));
        // Held open, it can be read even when a newer snapshot takes its place.
        let file = File::open(&snapshot.snapshot.path).map_err(failed)?;
        let start = peer::SnapshotStart {
            vote: Some(wire::vote_out(vote)),
            last_log_id: wire::log_id_out(snapshot.meta.last_log_id),
            membership: Some({
                let stored = &snapshot.meta.last_membership;
                let mut membership = membership_to_proto(stored.membership());
                membership.log_id = stored.log_id().as_ref().map(log_id_to_proto);
                membership
            }),
            file_bytes: file.metadata().map_err(failed)?.len(),
        };
        tracing::info!(
            peer = self.target,
            bytes = start.file_bytes,
            "sending a snapshot"
        );
        let (chunks, stream) = mpsc::channel(CHUNKS_AHEAD);
        tokio::spawn(send(start, file, chunks));
        let answer = match self.client() {
            Ok(mut client) => client.install_snapshot(ReceiverStream::new(stream)).await,
            Err(status) => Err(status),
        };
        self.peers.note(self.target, &answer);
        let answer = match answer {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                if status.code() == Code::DataLoss {
                    self.renew_snapshot().await;
                }
                let trouble = Unreachable::from_string(peers::trouble(&status));
                return Err(StreamingError::Unreachable(trouble));
            }
        };
        let vote = wire::vote_in(answer.vote)
            .map_err(|error| StreamingError::Network(NetworkError::from_string(error)))?;
        tracing::info!(peer = self.target, "the snapshot is installed there");
        Ok(SnapshotResponse::new(vote))
    }
}

/// Sends a file as fast as the peer takes it and [`SNAPSHOT_BYTES_PER_S`] allow; stops when the
/// peer is gone. A file that can't be read ends the stream early, which the receiver notices by its length.
async fn send(start: peer::SnapshotStart, file: File, chunks: mpsc::Sender<peer::SnapshotChunk>) {
    use peer::snapshot_chunk::Part;
    let started = clock::monotonic();
    let mut sent_bytes = 0;
    let mut pieces = pieces(file);
    let mut part = Part::Start(start);
    loop {
        if let Part::Data(data) = &part {
            sent_bytes += data.len();
        }
        let chunk = peer::SnapshotChunk { part: Some(part) };
        if chunks.send(chunk).await.is_err() {
            return;
        }
        let due = started + Duration::from_secs_f64(sent_bytes as f64 / SNAPSHOT_BYTES_PER_S);
        tokio::time::sleep(due.saturating_sub(clock::monotonic())).await;
        let read = work::blocking(move || (pieces.next(), pieces)).await;
        part = match read {
            Ok((Some(Ok(data)), rest)) => {
                pieces = rest;
                Part::Data(data)
            }
            Ok((None, _)) => return,
            Ok((Some(Err(error)), _)) | Err(error) => {
                tracing::warn!(%error, "the snapshot can't be read");
                return;
            }
        };
    }
}

#[cfg(test)]
mod fuzz;
