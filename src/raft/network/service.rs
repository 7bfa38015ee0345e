//! The peer protocol's server side: checks who calls, and hands on what they say.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use futures::{Stream, StreamExt};
use openraft::raft::TransferLeaderRequest;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::gate::{self, Gate, OfThisCluster};
use super::greet::{members_in, members_out};
use super::hashes::PeerHashes;
use super::peers::Peers;
use super::wait::Follower;
use super::{snapshot, wire};
use crate::clock::Clock;
use crate::proto::durable::Origin;
use crate::proto::peer::peer_service_server::PeerService;
use crate::proto::{cluster, peer};
use crate::queue;
use crate::raft::batches::Lost;
use crate::raft::types::Group;
use crate::raft::{ChangeFailure, Raft};

/// Commands from another node, on their way into the log.
pub struct Forwarded {
    /// Who waits for them.
    pub origin: Origin,
    /// As they stand in a group.
    pub commands: Bytes,
    /// The leadership that may propose them.
    pub term: u64,
    /// Where a refusal goes.
    pub refusals: Refuse,
}

/// Tells a follower that a batch of its is refused.
#[derive(Clone)]
pub struct Refuse(mpsc::UnboundedSender<Result<peer::ForwardRefusal, Status>>);

impl Refuse {
    /// None of the batch was or will be done by this leadership.
    pub fn refuse(&self, batch: u64, lost: Lost) {
        use peer::forward_refusal::Reason;
        let reason = match lost {
            Lost::Overloaded => Reason::Overloaded,
            _ => Reason::NotLeader,
        };
        let refusal = peer::ForwardRefusal {
            batch,
            reason: reason.into(),
        };
        // A follower that is gone asks again by itself.
        let _ = self.0.send(Ok(refusal));
    }
}

/// What the node above does for its peers.
pub trait Host: Send + Sync {
    /// Puts a follower's commands into the log.
    fn forwarded(&self, commands: Forwarded);
    /// Lets a follower's claims stand in line here, for as long as this node leads.
    fn waits(&self, follower: Follower) -> Result<(), String>;
    /// The index that a follower's state must have reached before it may be read.
    fn read_index(&self) -> BoxFuture<'_, Result<u64, String>>;
    /// Whether that node is a member, as the leader says; none if no leader answers.
    fn is_member(&self, id: u64) -> BoxFuture<'_, Option<bool>>;
    /// The node's state hashes, where it has been.
    fn state_hashes(&self) -> PeerHashes;
    /// The node as it sees itself.
    fn describe(&self) -> cluster::Node;
    /// Changes the cluster, if this node leads.
    fn change(
        &self,
        change: cluster::ChangeRequest,
    ) -> BoxFuture<'_, Result<cluster::ChangeResponse, ChangeFailure>>;
}

/// A cluster that another node founds, and whom to tell whether this node takes part.
pub struct Founding {
    /// Its id.
    pub cluster_id: Uuid,
    /// Who founds it.
    pub from: u64,
    /// Its members, as the founder was configured.
    pub members: std::collections::BTreeMap<u64, String>,
    /// Says yes, or why not.
    pub answer: oneshot::Sender<Result<(), String>>,
}

struct Running {
    raft: Raft,
    host: Arc<dyn Host>,
}

/// Serves peers; clones share it.
#[derive(Clone)]
pub struct PeerServer {
    peers: Peers,
    clock: Arc<Clock>,
    running: Arc<OnceLock<Running>>,
    foundings: mpsc::Sender<Founding>,
}

impl PeerServer {
    /// Serves before there is a node: it only greets, and hands on foundings.
    pub fn new(peers: Peers, clock: Arc<Clock>, foundings: mpsc::Sender<Founding>) -> Self {
        Self {
            peers,
            clock,
            running: Arc::default(),
            foundings,
        }
    }

    /// From now on there is a node.
    pub fn run(&self, raft: Raft, host: Arc<dyn Host>) {
        // The cell is empty: there is one node in a process.
        let _ = self.running.set(Running { raft, host });
    }

    /// What refuses calls that are not meant for this node.
    pub fn gate(&self) -> Gate {
        Gate::new(self.peers.clone())
    }

    /// The node, for calls that must come from its cluster.
    fn node<T>(&self, request: &Request<T>) -> Result<&Running, Status> {
        if request.extensions().get::<OfThisCluster>().is_none() {
            return Err(Status::failed_precondition("the call names no cluster"));
        }
        let starting = || Status::unavailable(format!("node {} is starting", self.peers.me()));
        self.running.get().ok_or_else(starting)
    }

    /// Takes note of a leader's message: it is alive, and this is its time.
    fn heard(&self, node: &Running, request: &peer::AppendRequest) {
        let Ok(vote) = wire::vote_in(request.vote) else {
            return;
        };
        if node.raft.heard_from_leader(vote.leader_id) && request.clock_ns > 0 {
            self.clock.follow(request.clock_ns);
        }
    }
}

fn invalid(error: wire::Nonsense) -> Status {
    Status::invalid_argument(error.to_string())
}

fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(format!("the node has stopped: {error}"))
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl PeerService for PeerServer {
    async fn greet(
        &self,
        request: Request<peer::GreetRequest>,
    ) -> Result<Response<peer::GreetResponse>, Status> {
        let from = request.into_inner().from;
        let cluster_id = self.peers.cluster_id();
        let (founded, asker_is_member) = match (self.running.get(), cluster_id) {
            (Some(node), _) if node.raft.is_founded().await => {
                (true, node.host.is_member(from).await)
            }
            (None, Some(_)) => {
                return Err(Status::unavailable("the node is starting"));
            }
            _ => (false, None),
        };
        Ok(Response::new(peer::GreetResponse {
            id: self.peers.me(),
            version: env!("CARGO_PKG_VERSION").into(),
            cluster_id: cluster_id.map(|id| id.to_string()).unwrap_or_default(),
            founded,
            members: members_out(self.peers.configured()),
            asker_is_member,
        }))
    }

    async fn found(
        &self,
        request: Request<peer::FoundRequest>,
    ) -> Result<Response<peer::FoundResponse>, Status> {
        let request = request.into_inner();
        let cluster_id = Uuid::parse_str(&request.cluster_id)
            .map_err(|_| Status::invalid_argument("cluster_id: must be a uuid"))?;
        let (answer, answered) = oneshot::channel();
        let founding = Founding {
            cluster_id,
            from: request.from,
            members: members_in(request.members),
            answer,
        };
        let over = || Status::failed_precondition("this node has started already");
        self.foundings.try_send(founding).map_err(|_| over())?;
        let answer = answered.await.map_err(|_| over())?;
        answer.map_err(Status::failed_precondition)?;
        Ok(Response::new(peer::FoundResponse {}))
    }

    type AppendStream = Answers<peer::AppendResponse>;

    async fn append(
        &self,
        request: Request<Streaming<peer::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let node = self.node(&request)?;
        let raft = node.raft.clone();
        let server = self.clone();
        // A message that can't be read ends the stream: the leader begins another one.
        let read = move |request: Result<peer::AppendRequest, Status>| {
            let request = request.ok()?;
            server.heard(server.running.get()?, &request);
            let read = wire::append_in(request);
            read.inspect_err(|error| tracing::warn!("a leader is cut off: {error}"))
                .ok()
        };
        let requests = request.into_inner().map(read);
        let requests = requests.take_while(|request| ready(request.is_some()));
        let requests = requests.filter_map(ready);
        let answers = raft.openraft().stream_append(requests).map(|result| {
            result
                .map(wire::appended_out)
                .map_err(|fatal| stopped(&fatal))
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn vote(
        &self,
        request: Request<peer::VoteRequest>,
    ) -> Result<Response<peer::VoteResponse>, Status> {
        let raft = self.node(&request)?.raft.clone();
        let request = request.into_inner();
        let pre_vote = request.pre_vote;
        let request = wire::vote_request_in(request).map_err(invalid)?;
        let answer = if pre_vote {
            raft.openraft().pre_vote(request).await
        } else {
            raft.openraft().vote(request).await
        };
        let answer = answer.map_err(stopped)?;
        Ok(Response::new(wire::voted_out(
            &answer,
            self.clock.voters_ns(),
        )))
    }

    async fn transfer_leader(
        &self,
        request: Request<peer::TransferLeaderRequest>,
    ) -> Result<Response<peer::TransferLeaderResponse>, Status> {
        let raft = self.node(&request)?.raft.clone();
        let request = request.into_inner();
        let from = wire::vote_in(request.from_leader).map_err(invalid)?;
        let last_log_id = wire::log_id_in(request.last_log_id.as_ref());
        let request = TransferLeaderRequest::new(from, request.to, last_log_id);
        let answer = raft
            .openraft()
            .handle_transfer_leader(request)
            .await
            .map_err(stopped)?;
        let refusal = answer.err().map(|error| error.to_string());
        Ok(Response::new(peer::TransferLeaderResponse {
            refusal: refusal.unwrap_or_default(),
        }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<peer::SnapshotChunk>>,
    ) -> Result<Response<peer::SnapshotResponse>, Status> {
        let raft = self.node(&request)?.raft.clone();
        let vote = snapshot::receive(&raft, request.into_inner()).await?;
        Ok(Response::new(peer::SnapshotResponse {
            vote: Some(wire::vote_out(&vote)),
        }))
    }

    type ForwardStream = Answers<peer::ForwardRefusal>;

    async fn forward(
        &self,
        request: Request<Streaming<peer::ForwardRequest>>,
    ) -> Result<Response<Self::ForwardStream>, Status> {
        let host = self.node(&request)?.host.clone();
        let mut requests = request.into_inner();
        let (refusals, refused) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let refusals = Refuse(refusals);
            while let Ok(Some(request)) = requests.message().await {
                let Some(origin) = request.origin else {
                    return;
                };
                if request.version > queue::VERSION {
                    // Spliced into an entry of an earlier version, they would mean another thing.
                    refusals.refuse(origin.batch, Lost::NothingDone);
                    continue;
                }
                if Group::count_commands(&request.commands) != Some(origin.commands) {
                    // They would run into those of others, whose answers would then go to the wrong clients.
                    tracing::warn!(
                        "refused commands of a follower: they are not as many as it says"
                    );
                    refusals.refuse(origin.batch, Lost::NothingDone);
                    continue;
                }
                host.forwarded(Forwarded {
                    origin,
                    commands: request.commands,
                    term: request.term,
                    refusals: refusals.clone(),
                });
            }
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(
            refused,
        ))))
    }

    type WaitStream = Answers<peer::WaitWake>;

    async fn wait(
        &self,
        request: Request<Streaming<peer::WaitRequest>>,
    ) -> Result<Response<Self::WaitStream>, Status> {
        let host = self.node(&request)?.host.clone();
        let nobody = || Status::invalid_argument("the call names no node that it comes from");
        let from = gate::sender(request.metadata()).ok_or_else(nobody)?;
        let (follower, woken) = Follower::new(from, request.into_inner());
        host.waits(follower).map_err(Status::unavailable)?;
        Ok(Response::new(Box::pin(woken)))
    }

    async fn read_index(
        &self,
        request: Request<peer::ReadIndexRequest>,
    ) -> Result<Response<peer::ReadIndexResponse>, Status> {
        use peer::read_index_response::Result as Answer;
        let result = match self.node(&request)?.host.read_index().await {
            Ok(index) => Answer::Index(index),
            Err(why) => Answer::Refusal(why),
        };
        Ok(Response::new(peer::ReadIndexResponse {
            result: Some(result),
        }))
    }

    async fn state_hashes(
        &self,
        request: Request<peer::StateHashesRequest>,
    ) -> Result<Response<peer::StateHashesResponse>, Status> {
        let hashes = self.node(&request)?.host.state_hashes();
        Ok(Response::new(hashes.into()))
    }

    async fn describe(
        &self,
        request: Request<peer::DescribeRequest>,
    ) -> Result<Response<cluster::Node>, Status> {
        Ok(Response::new(self.node(&request)?.host.describe()))
    }

    async fn change(
        &self,
        request: Request<cluster::ChangeRequest>,
    ) -> Result<Response<cluster::ChangeResponse>, Status> {
        let host = self.node(&request)?.host.clone();
        match host.change(request.into_inner()).await {
            Ok(response) => Ok(Response::new(response)),
            Err(ChangeFailure::Refused(why)) => Err(Status::failed_precondition(why)),
            Err(ChangeFailure::Unavailable(why)) => Err(Status::unavailable(why)),
        }
    }
}
