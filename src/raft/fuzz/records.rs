//! Records of the log, and what the checkpoint keeps of them.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use codeq::{Decode, Encode};
use openraft::impls::BasicNode;

use crate::fuzz::{Input, Output, fuzz_target};
use crate::proto::durable::{Command, Origin, RunSchedule, command::Kind};
use crate::raft::codec::{
    self, StoredLogId, StoredPayload, StoredVote, log_id_from_bytes, membership_from_bytes,
};
use crate::raft::types::{Group, LeaderId, LogId, Membership, Payload, StoredMembership, Vote};
use crate::raft::{position_alone, synced};
use crate::store::record::Position;

fuzz_target!(
    /// What a record of the log holds, and the ids and memberships of a checkpoint.
    log_record, 20_000, seeds, run
);
fuzz_target!(
    /// Commands that a follower passes on: they go into the log without being looked at.
    forwarded_group, 10_000, group_seeds, group_run
);

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (what, bytes) = (input.byte(), input.rest());
    let shared = Bytes::copy_from_slice(bytes);
    match what {
        0 => drop(decoded::<StoredLogId>(bytes)),
        1 => drop(decoded::<StoredVote>(bytes)),
        2 => {
            if let Some(stored) = decoded::<StoredPayload>(bytes) {
                payload(&stored);
            }
        }
        3 => payload(&StoredPayload(shared)),
        4 => {
            if let Ok(log_id) = log_id_from_bytes(&shared) {
                let again = codec::log_id_to_bytes(log_id);
                assert_eq!(log_id_from_bytes(&again).unwrap(), log_id);
            }
        }
        5 => {
            if let Ok(stored) = membership_from_bytes(&shared) {
                let again = codec::membership_to_bytes(&stored);
                assert_eq!(membership_from_bytes(&again).unwrap(), stored);
            }
        }
        6 => alone(bytes),
        _ => {
            let path = crate::fuzz::scratch().join("log-synced");
            std::fs::write(&path, bytes).unwrap();
            let end = synced::read(&path).unwrap();
            assert!(end == 0 || bytes[4..12] == end.to_be_bytes());
        }
    }
}

fn decoded<T: Encode + Decode + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let record = T::decode(bytes).ok()?;
    let mut again = Vec::new();
    assert_eq!(record.encode(&mut again).unwrap(), again.len());
    assert!(again.len() <= bytes.len());
    assert_eq!(again, bytes[..again.len()]);
    Some(record)
}

fn payload(stored: &StoredPayload) {
    let Ok(payload) = stored.payload() else {
        return;
    };
    if let Payload::Normal(group) = &payload {
        // A group that can't be decoded stops the node, and nothing worse.
        drop(group.decode());
        assert_eq!(group.tagged(), &stored.0);
    }
    assert_eq!(StoredPayload::of(&payload).payload().unwrap(), payload);
}

/// The position of a restored backup.
fn alone(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (node_id, index) = (input.number() as u64, input.number() as u64);
    let position = Position {
        index,
        log_id: Bytes::copy_from_slice(input.chunk()),
        membership: Bytes::copy_from_slice(input.rest()),
    };
    let Ok(alone) = position_alone(node_id, &position) else {
        return;
    };
    if alone != position {
        let stored = membership_from_bytes(&alone.membership).unwrap();
        assert!(stored.voter_ids().eq([node_id]));
        assert_eq!(
            log_id_from_bytes(&alone.log_id).unwrap().map(|id| id.index),
            Some(alone.index)
        );
    }
}

pub(super) fn log_id(index: u64) -> LogId {
    let (term, node_id) = (3, 1);
    let leader_id = LeaderId { term, node_id };
    LogId { leader_id, index }
}

pub(super) fn membership() -> Membership {
    let nodes = BTreeMap::from([(1, BasicNode::new("a:1")), (2, BasicNode::new("b:2"))]);
    Membership::new(vec![[1, 2].into(), [1].into()], nodes).unwrap()
}

fn seed(what: u8, bytes: &[u8]) -> Vec<u8> {
    let mut seed = Output::default();
    seed.byte(what).rest(bytes);
    seed.bytes()
}

fn encoded(record: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let vote = StoredVote(Vote {
        leader_id: log_id(0).leader_id,
        committed: true,
    });
    let mut seeds = vec![
        seed(0, &encoded(&StoredLogId(log_id(7)))),
        seed(1, &encoded(&vote)),
    ];
    let payloads = [
        Payload::Blank,
        Payload::Normal(group()),
        Payload::Membership(membership()),
    ];
    for payload in &payloads {
        let stored = StoredPayload::of(payload);
        seeds.push(seed(2, &encoded(&stored)));
        seeds.push(seed(3, &stored.0));
    }
    let log_id_bytes = codec::log_id_to_bytes(Some(log_id(7)));
    let stored = StoredMembership::new(Some(log_id(5)), membership());
    let membership_bytes = codec::membership_to_bytes(&stored);
    seeds.push(seed(4, &log_id_bytes));
    seeds.push(seed(5, &membership_bytes));
    let mut alone = Output::default();
    alone.byte(6).number(1).number(7);
    alone.chunk(&log_id_bytes).rest(&membership_bytes);
    seeds.push(alone.bytes());
    let path = crate::fuzz::scratch().join("log-synced");
    synced::Synced::new(path.clone(), 7).note().unwrap();
    seeds.push(seed(7, &std::fs::read(path).unwrap()));
    seeds
}

fn command() -> Bytes {
    let run = RunSchedule {
        name: "nightly".into(),
        run_ns: 7,
        ..RunSchedule::default()
    };
    Group::encode_command(&Command {
        kind: Some(Kind::RunSchedule(run)),
        key: None,
    })
}

pub(super) fn group() -> Group {
    let origin = Origin {
        session: 1,
        batch: 2,
        commands: 1,
    };
    Group::splice(7, [command()].iter(), vec![origin])
}

fn group_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let now_ns = input.number();
    let forwarded = Bytes::copy_from_slice(input.rest());
    let own = command();
    // They are let through only if they are whole.
    let Some(count) = Group::count_commands(&forwarded) else {
        return;
    };
    let group = Group::splice(now_ns, [forwarded.clone(), own.clone()].iter(), Vec::new());
    let Ok(group) = group.decode() else {
        // One of them is no command; they can't be read without the others either.
        assert!(
            Group::splice(0, [forwarded].iter(), Vec::new())
                .decode()
                .is_err()
        );
        return;
    };
    assert_eq!(group.commands.len() as u32, count + 1);
    assert_eq!(group.commands.last().map(Group::encode_command), Some(own));
    assert_eq!(
        (group.now_ns, group.version),
        (now_ns, crate::queue::VERSION)
    );
}

fn group_seeds() -> Vec<Vec<u8>> {
    let mut seed = Output::default();
    seed.number(5).rest(&command()).rest(&command());
    vec![seed.bytes()]
}
