//! Log ids, votes, memberships and payloads as bytes, for the log and the checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use bytes::{BufMut, Bytes, BytesMut};
use codeq::{Decode, Encode};
use openraft::impls::BasicNode;
use prost::Message;

use super::types::{Group, LeaderId, LogId, Membership, Payload, StoredMembership, Vote};
use crate::proto::durable;

const BLANK: u8 = 0;
const MEMBERSHIP: u8 = 2;

/// A payload longer than this is not one of ours: proposals are far smaller.
const MAX_PAYLOAD_BYTES: u32 = 1 << 30;
/// Memory that is taken for a payload before any of it is read.
const FIRST_BYTES: u32 = 1 << 20;

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("log record: {what}"))
}

fn read_u64(r: &mut impl Read) -> Result<u64, io::Error> {
    <u64 as Decode>::decode(r)
}

/// A log id in a log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredLogId(pub LogId);

impl Encode for StoredLogId {
    fn encode<W: Write>(&self, mut w: W) -> Result<usize, io::Error> {
        let leader = &self.0.leader_id;
        w.write_all(&leader.term.to_be_bytes())?;
        w.write_all(&leader.node_id.to_be_bytes())?;
        w.write_all(&self.0.index.to_be_bytes())?;
        Ok(24)
    }
}

impl Decode for StoredLogId {
    fn decode<R: Read>(mut r: R) -> Result<Self, io::Error> {
        let term = read_u64(&mut r)?;
        let node_id = read_u64(&mut r)?;
        let index = read_u64(&mut r)?;
        let leader_id = LeaderId { term, node_id };
        Ok(Self(LogId { leader_id, index }))
    }
}

/// A vote in a log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub struct StoredVote(pub Vote);

impl Encode for StoredVote {
    fn encode<W: Write>(&self, mut w: W) -> Result<usize, io::Error> {
        w.write_all(&self.0.leader_id.term.to_be_bytes())?;
        w.write_all(&self.0.leader_id.node_id.to_be_bytes())?;
        w.write_all(&[u8::from(self.0.committed)])?;
        Ok(17)
    }
}

impl Decode for StoredVote {
    fn decode<R: Read>(mut r: R) -> Result<Self, io::Error> {
        let term = read_u64(&mut r)?;
        let node_id = read_u64(&mut r)?;
        let committed = match <u8 as Decode>::decode(&mut r)? {
            0 => false,
            1 => true,
            _ => return Err(damaged("a vote is neither committed nor not")),
        };
        let leader_id = LeaderId { term, node_id };
        Ok(Self(Vote {
            leader_id,
            committed,
        }))
    }
}

/// A payload in a log record: one byte that tells what it is, then its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPayload(pub Bytes);

impl StoredPayload {
    /// Takes a payload's bytes; a group's are shared.
    pub fn of(payload: &Payload) -> Self {
        match payload {
            Payload::Blank => Self(Bytes::from_static(&[BLANK])),
            Payload::Normal(group) => Self(group.tagged().clone()),
            Payload::Membership(membership) => {
                let bytes = membership_to_proto(membership).encode_to_vec();
                Self(tagged(MEMBERSHIP, &bytes))
            }
        }
    }

    /// The payload.
    ///
    /// # Errors
    /// If the bytes are none.
    pub fn payload(&self) -> Result<Payload, io::Error> {
        match self.0.first() {
            Some(&BLANK) => Ok(Payload::Blank),
            Some(&Group::TAG) => Ok(Payload::Normal(Group::from_tagged(self.0.clone()))),
            Some(&MEMBERSHIP) => {
                let proto = durable::Membership::decode(self.0.slice(1..))
                    .map_err(|_| damaged("a membership can't be decoded"))?;
                Ok(Payload::Membership(membership_from_proto(&proto)?))
            }
            _ => Err(damaged("a payload is of no known kind")),
        }
    }
}

fn tagged(tag: u8, bytes: &[u8]) -> Bytes {
    let mut all = BytesMut::with_capacity(1 + bytes.len());
    all.put_u8(tag);
    all.put_slice(bytes);
    all.freeze()
}

impl Encode for StoredPayload {
    fn encode<W: Write>(&self, mut w: W) -> Result<usize, io::Error> {
        let length = u32::try_from(self.0.len()).map_err(|_| damaged("a payload is too long"))?;
        w.write_all(&length.to_be_bytes())?;
        w.write_all(&self.0)?;
        Ok(4 + self.0.len())
    }
}

impl Decode for StoredPayload {
    fn decode<R: Read>(mut r: R) -> Result<Self, io::Error> {
        let length = <u32 as Decode>::decode(&mut r)?;
        if length > MAX_PAYLOAD_BYTES {
            return Err(damaged("a payload's length makes no sense"));
        }
        // A damaged length must not take memory for what is not there.
        let mut bytes = Vec::with_capacity(length.min(FIRST_BYTES) as usize);
        if r.take(length.into()).read_to_end(&mut bytes)? < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self(bytes.into()))
    }
}

/// A log id for the checkpoint; none is empty, and one is not: it is delimited by its length.
pub fn log_id_to_bytes(log_id: Option<LogId>) -> Bytes {
    let proto = log_id.map(|log_id| log_id_to_proto(&log_id));
    proto.map_or_else(Bytes::new, |proto| {
        proto.encode_length_delimited_to_vec().into()
    })
}

/// The log id of a checkpoint.
///
/// # Errors
/// If the bytes are none.
pub fn log_id_from_bytes(bytes: &Bytes) -> Result<Option<LogId>, io::Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let proto = durable::LogId::decode_length_delimited(bytes.clone())
        .map_err(|_| damaged("the checkpoint's log id can't be decoded"))?;
    Ok(Some(log_id_from_proto(&proto)))
}

/// A membership for the checkpoint.
pub fn membership_to_bytes(stored: &StoredMembership) -> Bytes {
    let mut proto = membership_to_proto(stored.membership());
    proto.log_id = stored.log_id().as_ref().map(log_id_to_proto);
    proto.encode_to_vec().into()
}

/// The membership of a checkpoint; empty bytes are the one before the first.
///
/// # Errors
/// If the bytes are none.
pub fn membership_from_bytes(bytes: &Bytes) -> Result<StoredMembership, io::Error> {
    if bytes.is_empty() {
        return Ok(StoredMembership::default());
    }
    let proto = durable::Membership::decode(bytes.clone())
        .map_err(|_| damaged("the checkpoint's membership can't be decoded"))?;
    let log_id = proto.log_id.as_ref().map(log_id_from_proto);
    Ok(StoredMembership::new(
        log_id,
        membership_from_proto(&proto)?,
    ))
}

pub(super) fn log_id_to_proto(log_id: &LogId) -> durable::LogId {
    durable::LogId {
        term: log_id.leader_id.term,
        node_id: log_id.leader_id.node_id,
        index: log_id.index,
    }
}

pub(super) fn log_id_from_proto(proto: &durable::LogId) -> LogId {
    let leader_id = LeaderId {
        term: proto.term,
        node_id: proto.node_id,
    };
    LogId {
        leader_id,
        index: proto.index,
    }
}

pub(super) fn membership_to_proto(membership: &Membership) -> durable::Membership {
    let voters = membership.get_joint_config().iter();
    let members = membership.nodes();
    durable::Membership {
        voters: voters
            .map(|ids| durable::VoterSet {
                ids: ids.iter().copied().collect(),
            })
            .collect(),
        members: members
            .map(|(id, node)| durable::Member {
                id: *id,
                address: node.addr.clone(),
            })
            .collect(),
        log_id: None,
    }
}

pub(super) fn membership_from_proto(proto: &durable::Membership) -> Result<Membership, io::Error> {
    let voters = proto.voters.iter();
    let voters: Vec<BTreeSet<u64>> = voters
        .map(|set| set.ids.iter().copied().collect())
        .collect();
    let members = proto.members.iter();
    let nodes: BTreeMap<u64, BasicNode> = members
        .map(|member| (member.id, BasicNode::new(&member.address)))
        .collect();
    Membership::new(voters, nodes)
        .map_err(|_| damaged("a membership names a voter without address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_id(term: u64, node_id: u64, index: u64) -> LogId {
        let leader_id = LeaderId { term, node_id };
        LogId { leader_id, index }
    }

    #[test]
    fn records_come_back_as_they_went() -> io::Result<()> {
        let id = StoredLogId(log_id(1, 2, 3));
        let mut bytes = Vec::new();
        assert_eq!(id.encode(&mut bytes)?, bytes.len());
        assert_eq!(StoredLogId::decode(&bytes[..])?, id);

        let leader_id = LeaderId {
            term: 7,
            node_id: 8,
        };
        let vote = StoredVote(Vote {
            leader_id,
            committed: true,
        });
        let mut bytes = Vec::new();
        assert_eq!(vote.encode(&mut bytes)?, bytes.len());
        assert_eq!(StoredVote::decode(&bytes[..])?, vote);

        let nodes = BTreeMap::from([(1, BasicNode::new("a:1")), (2, BasicNode::new("b:2"))]);
        let voters = vec![BTreeSet::from([1, 2]), BTreeSet::from([1])];
        let membership = Membership::new(voters, nodes).map_err(io::Error::other)?;
        let payloads = [
            Payload::Blank,
            Payload::Normal(Group::from_tagged(Bytes::from_static(&[Group::TAG, 8, 1]))),
            Payload::Membership(membership.clone()),
        ];
        for payload in payloads {
            let stored = StoredPayload::of(&payload);
            let mut bytes = Vec::new();
            assert_eq!(stored.encode(&mut bytes)?, bytes.len());
            assert_eq!(StoredPayload::decode(&bytes[..])?.payload()?, payload);
        }

        let stored = StoredMembership::new(Some(log_id(1, 2, 3)), membership);
        assert_eq!(
            membership_from_bytes(&membership_to_bytes(&stored))?,
            stored
        );
        for log_id in [None, Some(log_id(0, 0, 0)), Some(id.0)] {
            assert_eq!(log_id_from_bytes(&log_id_to_bytes(log_id))?, log_id);
        }
        Ok(())
    }

    #[test]
    fn strange_bytes_are_an_error() {
        assert!(StoredPayload(Bytes::new()).payload().is_err());
        assert!(StoredPayload(Bytes::from_static(&[9])).payload().is_err());
        assert!(
            StoredPayload(Bytes::from_static(&[MEMBERSHIP, 255]))
                .payload()
                .is_err()
        );
        assert!(StoredPayload::decode(&[255, 255, 255, 255][..]).is_err());
        assert!(log_id_from_bytes(&Bytes::from_static(&[255])).is_err());
    }
}
