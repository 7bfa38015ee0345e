//! What peers say, given messages that none of them would send.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Code, Request};
use uuid::Uuid;

use super::gate::{self, Gate, OfThisCluster};
use super::greet::{members_in, members_out};
use super::peers::{
    CLUSTER_KEY, FROM_KEY, GROUP, GROUP_KEY, PROCESS_KEY, PROTOCOL, PROTOCOL_KEY, Peers, TO_KEY,
};
use super::{snapshot, wire};
use crate::fuzz::{Input, Output, fuzz_target};
use crate::proto::{durable, peer};
use crate::queue;
use crate::raft::codec::{StoredPayload, membership_to_bytes};
use crate::raft::types::Payload;

fuzz_target!(
    /// Messages of the peer protocol: understood, and the same again when they are sent on, or refused.
    peer_message, 200_000, seeds, run
);
fuzz_target!(
    /// Who may call this node.
    peer_metadata, 50_000, metadata_seeds, metadata_run
);

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.byte() {
        0 => read(input.rest(), append),
        1 => read(input.rest(), |response: peer::AppendResponse| {
            if let Ok(result) = wire::appended_in(response) {
                let again = wire::appended_out(result.clone());
                assert_eq!(wire::appended_in(again).unwrap(), result);
            }
        }),
        2 => read(input.rest(), |request: peer::VoteRequest| {
            let pre_vote = request.pre_vote;
            if let Ok(asked) = wire::vote_request_in(request) {
                let again = wire::vote_request_out(&asked, pre_vote);
                assert_eq!(again.pre_vote, pre_vote);
                assert_eq!(wire::vote_request_in(again).unwrap(), asked);
            }
        }),
        3 => read(input.rest(), |response: peer::VoteResponse| {
            if let Ok(voted) = wire::voted_in(response) {
                assert_eq!(wire::voted_in(wire::voted_out(&voted, 7)).unwrap(), voted);
            }
        }),
        4 => read(input.rest(), |chunk: peer::SnapshotChunk| {
            let Some(peer::snapshot_chunk::Part::Start(start)) = chunk.part else {
                return;
            };
            if let Ok(meta) = snapshot::meta(&start) {
                membership_to_bytes(&meta.last_membership);
            }
        }),
        5 => read(input.rest(), |greeting: peer::GreetRequest| {
            let members = members_in(greeting.members);
            assert_eq!(members_in(members_out(&members)), members);
        }),
        6 => read(input.rest(), |forward: peer::ForwardRequest| {
            let request = super::forward::request(
                forward.origin.unwrap_or_default(),
                forward.commands.clone(),
                forward.term,
            );
            assert_eq!(
                (request.version, request.commands),
                (queue::VERSION, forward.commands)
            );
        }),
        _ => read(input.rest(), |_: peer::WaitRequest| {}),
    }
}

/// Hands on what can be decoded. Nothing is lost when it is encoded again.
fn read<M: Message + Default + Clone + PartialEq>(bytes: &[u8], check: impl Fn(M)) {
    let Ok(message) = M::decode(bytes) else {
        return;
    };
    assert!(M::decode(&message.encode_to_vec()[..]).unwrap() == message);
    check(message);
}

fn append(request: peer::AppendRequest) {
    let clock_ns = request.clock_ns;
    let Ok(read) = wire::append_in(request) else {
        return;
    };
    let mut next = read
        .prev_log_id
        .map_or(Some(0), |id| id.index.checked_add(1));
    for entry in &read.entries {
        assert_eq!(Some(entry.log_id.index), next);
        next = entry.log_id.index.checked_add(1);
    }
    let sent = wire::append_out(read.clone(), clock_ns);
    assert_eq!(sent.clock_ns, clock_ns);
    let again = wire::append_in(sent).unwrap();
    assert_eq!(again.entries, read.entries);
    assert_eq!(
        (again.vote, again.prev_log_id, again.leader_commit),
        (read.vote, read.prev_log_id, read.leader_commit)
    );
}

fn seed(what: u8, message: &impl Message) -> Vec<u8> {
    let mut seed = Output::default();
    seed.byte(what).rest(&message.encode_to_vec());
    seed.bytes()
}

fn log_id(index: u64) -> durable::LogId {
    let (term, node_id) = (3, 1);
    durable::LogId {
        term,
        node_id,
        index,
    }
}

fn vote() -> peer::Vote {
    peer::Vote {
        term: 3,
        node_id: 1,
        committed: true,
    }
}

fn append_seeds() -> Vec<Vec<u8>> {
    use peer::append_response::Result as Appended;
    let entry = |index| peer::Entry {
        log_id: Some(log_id(index)),
        payload: StoredPayload::of(&Payload::Blank).0,
    };
    let append = peer::AppendRequest {
        vote: Some(vote()),
        prev_log_id: Some(log_id(4)),
        entries: vec![entry(5), entry(6)],
        leader_commit: Some(log_id(4)),
        clock_ns: 7,
    };
    let first = peer::AppendRequest {
        prev_log_id: None,
        entries: vec![entry(0)],
        ..append.clone()
    };
    let results = [
        Appended::Matched(peer::Matched {
            log_id: Some(log_id(6)),
        }),
        Appended::Conflict(log_id(6)),
        Appended::HigherVote(vote()),
    ];
    let mut seeds = vec![seed(0, &append), seed(0, &first)];
    for result in results {
        let result = Some(result);
        seeds.push(seed(1, &peer::AppendResponse { result }));
    }
    seeds
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = append_seeds();
    let ask = peer::VoteRequest {
        vote: Some(vote()),
        last_log_id: Some(log_id(6)),
        leadership_transfer: true,
        pre_vote: true,
    };
    seeds.push(seed(2, &ask));
    let voted = peer::VoteResponse {
        vote: Some(vote()),
        granted: true,
        clock_ns: 1_700_000_000_000_000_000,
        last_log_id: Some(log_id(6)),
    };
    seeds.push(seed(3, &voted));
    let members = vec![durable::Member {
        id: 1,
        address: "a:1".into(),
    }];
    let membership = durable::Membership {
        voters: vec![durable::VoterSet { ids: vec![1] }],
        members: members.clone(),
        log_id: Some(log_id(1)),
    };
    let start = peer::SnapshotStart {
        vote: Some(vote()),
        last_log_id: Some(log_id(6)),
        membership: Some(membership),
        file_bytes: 100,
    };
    let part = Some(peer::snapshot_chunk::Part::Start(start));
    seeds.push(seed(4, &peer::SnapshotChunk { part }));
    seeds.push(seed(5, &peer::GreetRequest { from: 1, members }));
    let forward = super::forward::request(
        durable::Origin::default(),
        Bytes::from_static(b"commands"),
        3,
    );
    seeds.push(seed(6, &forward));
    seeds.push(seed(7, &peer::WaitRequest::default()));
    seeds
}

const OURS: Uuid = Uuid::from_u128(7);
const KEYS: [&str; 6] = [
    PROTOCOL_KEY,
    GROUP_KEY,
    FROM_KEY,
    TO_KEY,
    CLUSTER_KEY,
    PROCESS_KEY,
];

fn metadata_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut metadata = MetadataMap::new();
    while !input.is_empty() {
        let key = KEYS[usize::from(input.byte()) % KEYS.len()];
        if let Ok(value) = MetadataValue::try_from(input.chunk()) {
            metadata.append(MetadataKey::from_static(key), value);
        }
    }
    let peers = Peers::new(2, BTreeMap::new(), None);
    peers.join(OURS);
    let mut request = Request::new(());
    *request.metadata_mut() = metadata.clone();
    let said = |key| metadata.get(key).map(|value| value.as_bytes().to_vec());
    let is = |key, expected: &str| said(key) == Some(expected.as_bytes().to_vec());
    gate::sender(&metadata);
    match Gate::new(peers).call(request) {
        Ok(passed) => {
            assert!(is(PROTOCOL_KEY, PROTOCOL) && is(GROUP_KEY, GROUP));
            assert!(
                !is(FROM_KEY, "2")
                    && (said(TO_KEY).is_none()
                        || !metadata
                            .get(TO_KEY)
                            .is_some_and(|to| to.to_str().is_ok_and(|to| to != "2")))
            );
            if passed.extensions().get::<OfThisCluster>().is_some() {
                assert!(is(CLUSTER_KEY, &OURS.to_string()));
            }
        }
        Err(status) => assert_eq!(status.code(), Code::FailedPrecondition),
    }
}

fn metadata_seeds() -> Vec<Vec<u8>> {
    let cluster = OURS.to_string();
    let all = [PROTOCOL, GROUP, "1", "2", &cluster, "5"];
    [6, 5, 4, 2]
        .map(|count| {
            let mut seed = Output::default();
            for (key, value) in all.iter().enumerate().take(count) {
                seed.byte(key as u8).chunk(value.as_bytes());
            }
            seed.bytes()
        })
        .into()
}
