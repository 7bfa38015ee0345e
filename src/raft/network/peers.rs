//! The other nodes: where they are, connections to them, and how they are greeted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use uuid::Uuid;

use super::dial::Dial;
use crate::clock;
use crate::proto::peer::peer_service_client::PeerServiceClient;
use crate::tls::ClientTls;

/// The version of the peer protocol.
pub(super) const PROTOCOL: &str = "1";
/// The only group there is; see `ARCHITECTURE.md` on the road past one leader.
pub(super) const GROUP: &str = "0";
pub(super) const PROTOCOL_KEY: &str = "corndogs-protocol";
pub(super) const CLUSTER_KEY: &str = "corndogs-cluster";
pub(super) const GROUP_KEY: &str = "corndogs-group";
pub(super) const FROM_KEY: &str = "corndogs-from";
pub(super) const TO_KEY: &str = "corndogs-to";
/// Tells a node's greeting of itself from that of another node with the same id.
pub(super) const PROCESS_KEY: &str = "corndogs-process";

/// A peer that doesn't answer pings for this long is dialled anew, at its address of then.
const KEEPALIVE_INTERVAL: Duration = Duration::from_millis(500);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_millis(1500);
/// What may be on its way to a peer without being taken there.
const WINDOW_BYTES: u32 = 8 << 20;
/// A group is bounded where it is made; what comes from a peer was a group there.
const MAX_MESSAGE_BYTES: usize = 2 << 30;

/// A client of one peer.
pub type Client = PeerServiceClient<InterceptedService<Channel, Greeting>>;

/// What a connection is for: big things must not hold up small ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Replication, votes, commands.
    Log,
    /// Snapshots.
    Snapshot,
}

/// The other nodes, as this one knows them; clones share them.
#[derive(Clone)]
pub struct Peers {
    inner: Arc<Inner>,
}

struct Inner {
    me: u64,
    process: u64,
    /// Addresses from the configuration: newer than what the log says.
    configured: BTreeMap<u64, String>,
    tls: Option<ClientTls>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cluster_id: Option<Uuid>,
    /// Addresses from the membership.
    learned: BTreeMap<u64, String>,
    channels: BTreeMap<(u64, Purpose), (String, Channel)>,
    /// What was last said of a peer's trouble.
    trouble: BTreeMap<u64, String>,
}

impl Peers {
    /// This node, the members that it was configured with, and how it is seen by them.
    pub fn new(me: u64, configured: BTreeMap<u64, String>, tls: Option<ClientTls>) -> Self {
        let inner = Inner {
            me,
            process: clock::random_u64(),
            configured,
            tls,
            state: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// This node's id.
    pub fn me(&self) -> u64 {
        self.inner.me
    }

    /// A number of this process alone.
    pub fn process(&self) -> u64 {
        self.inner.process
    }

    /// The members that this node was configured with.
    pub fn configured(&self) -> &BTreeMap<u64, String> {
        &self.inner.configured
    }

    /// The cluster that this node belongs to.
    pub fn cluster_id(&self) -> Option<Uuid> {
        self.inner.state.lock().cluster_id
    }

    /// From now on this node belongs to that cluster.
    pub fn join(&self, cluster_id: Uuid) {
        self.inner.state.lock().cluster_id = Some(cluster_id);
    }

    /// Remembers an address from the membership.
    pub fn learn(&self, id: u64, address: &str) {
        let mut state = self.inner.state.lock();
        state.learned.insert(id, address.to_owned());
    }

    /// Where a node is reached.
    pub fn address(&self, id: u64) -> Option<String> {
        let configured = self.inner.configured.get(&id).cloned();
        configured.or_else(|| self.inner.state.lock().learned.get(&id).cloned())
    }

    /// A client of a peer; it is dialled when it is first called.
    ///
    /// # Errors
    /// If its address is not known or makes no sense.
    pub fn client(&self, id: u64, purpose: Purpose) -> Result<Client, Status> {
        let address = self.address(id);
        let unknown = || Status::unavailable(format!("the address of node {id} is not known"));
        let address = address.ok_or_else(unknown)?;
        let channel = self.channel(id, &address, purpose)?;
        let cluster_id = self.cluster_id();
        Ok(greeted(channel, self.greeting(Some(id), cluster_id)))
    }

    /// A client of whoever is at that address, whatever its id.
    ///
    /// # Errors
    /// If the address makes no sense.
    pub fn stranger(&self, address: &str) -> Result<Client, Status> {
        Ok(greeted(
            self.connection(address)?,
            self.greeting(None, None),
        ))
    }

    fn greeting(&self, to: Option<u64>, cluster: Option<Uuid>) -> Greeting {
        // A uuid is plain ASCII.
        let cluster = cluster.and_then(|id| MetadataValue::try_from(id.to_string()).ok());
        Greeting {
            from: self.me().into(),
            process: self.process().into(),
            to: to.map(MetadataValue::from),
            cluster,
        }
    }

    fn channel(&self, id: u64, address: &str, purpose: Purpose) -> Result<Channel, Status> {
        let mut state = self.inner.state.lock();
        if let Some((known, channel)) = state.channels.get(&(id, purpose))
            && known == address
        {
            return Ok(channel.clone());
        }
        let channel = self.connection(address)?;
        let entry = (address.to_owned(), channel.clone());
        state.channels.insert((id, purpose), entry);
        Ok(channel)
    }

    fn connection(&self, address: &str) -> Result<Channel, Status> {
        let nonsense = |error: tonic::transport::Error| {
            Status::unavailable(format!("the address {address} makes no sense: {error}"))
        };
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(nonsense)?;
        let endpoint = endpoint
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let dial = Dial {
            address: address.to_owned(),
            tls: self.inner.tls.clone(),
        };
        Ok(endpoint.connect_with_connector_lazy(dial))
    }

    /// Logs what keeps a peer from answering, once each time that it changes.
    pub fn note<T>(&self, id: u64, answer: &Result<T, Status>) {
        let mut state = self.inner.state.lock();
        match answer {
            Ok(_) => {
                if state.trouble.remove(&id).is_some() {
                    tracing::info!(peer = id, "the peer answers again");
                }
            }
            Err(status) => {
                let trouble = trouble(status);
                if state.trouble.get(&id) != Some(&trouble) {
                    let configured = self.inner.configured.get(&id);
                    let address = configured.or_else(|| state.learned.get(&id));
                    tracing::warn!(peer = id, address, "the peer doesn't answer: {trouble}");
                    state.trouble.insert(id, trouble);
                }
            }
        }
    }
}

/// A status in words, with what lies behind it.
pub fn trouble(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let why = error.to_string();
        if !text.contains(&why) {
            text = format!("{text}: {why}");
        }
        cause = error.source();
    }
    text
}

fn greeted(channel: Channel, greeting: Greeting) -> Client {
    PeerServiceClient::with_interceptor(channel, greeting)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// Says on each call who calls whom, in which cluster.
#[derive(Clone)]
pub struct Greeting {
    from: MetadataValue<Ascii>,
    process: MetadataValue<Ascii>,
    to: Option<MetadataValue<Ascii>>,
    cluster: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Greeting {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert(PROTOCOL_KEY, MetadataValue::from_static(PROTOCOL));
        metadata.insert(GROUP_KEY, MetadataValue::from_static(GROUP));
        metadata.insert(FROM_KEY, self.from.clone());
        metadata.insert(PROCESS_KEY, self.process.clone());
        if let Some(to) = &self.to {
            metadata.insert(TO_KEY, to.clone());
        }
        if let Some(cluster) = &self.cluster {
            metadata.insert(CLUSTER_KEY, cluster.clone());
        }
        Ok(request)
    }
}
