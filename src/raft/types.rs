//! Openraft's types, filled in for Corndogs.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use openraft::RaftTypeConfig;
use openraft::impls::{BasicNode, BoxedErrorSource, InlineBatch, TokioRuntime, leader_id_adv};
use openraft::raft::ClientWriteResult;
use openraft::raft::responder::Responder;
use prost::encoding::{self, WireType};
use prost::{DecodeError, Message};

use crate::proto::durable;
use crate::queue;

/// The type configuration of a Corndogs group.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Ord, PartialOrd)]
pub struct TypeConfig;

impl RaftTypeConfig for TypeConfig {
    type D = Group;
    // Outcomes go to `batches`: what raft itself answers is only whether an entry was applied.
    type R = ();
    type NodeId = u64;
    type Node = BasicNode;
    type Term = u64;
    type LeaderId = leader_id_adv::LeaderId<u64, u64>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = openraft::EntryPayload<Group, u64, BasicNode>;
    type Entry = openraft::Entry<Self::LeaderId, Self::Payload>;
    type AsyncRuntime = TokioRuntime;
    type Responder<T>
        = CallBack<T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: openraft::OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

/// A term and the node that leads in it.
pub type LeaderId = leader_id_adv::LeaderId<u64, u64>;
/// Identifies a log entry.
pub type LogId = openraft::LogId<LeaderId>;
/// What a node promised to whom.
pub type Vote = openraft::Vote<LeaderId>;
/// What an entry holds.
pub type Payload = openraft::EntryPayload<Group, u64, BasicNode>;
/// A log entry.
pub type Entry = openraft::Entry<LeaderId, Payload>;
/// Who belongs to the cluster.
pub type Membership = openraft::Membership<u64, BasicNode>;
/// The same, with the entry it came from.
pub type StoredMembership = openraft::StoredMembership<LeaderId, u64, BasicNode>;

/// An encoded `durable::Group`: encoded once, the same bytes go to log, peers and apply.
///
/// They start with the log record's tag, so that storing them copies nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Group(Bytes);

/// The field of a group that its commands stand in.
const COMMANDS: u32 = 2;

impl Group {
    /// The tag of a log record that holds a group.
    pub const TAG: u8 = 1;

    /// Puts commands that are encoded already into a group, without looking at them.
    pub fn splice<'a>(
        now_ns: i64,
        commands: impl Iterator<Item = &'a Bytes> + Clone,
        origins: Vec<durable::Origin>,
    ) -> Self {
        let rest = durable::Group {
            now_ns,
            commands: Vec::new(),
            origins,
            version: queue::VERSION,
        };
        let commands_len: usize = commands.clone().map(Bytes::len).sum();
        let mut bytes = BytesMut::with_capacity(1 + commands_len + rest.encoded_len());
        bytes.put_u8(Self::TAG);
        for command in commands {
            bytes.put_slice(command);
        }
        // A `BytesMut` grows: encoding into it can't run out of room. Fields come in any order.
        rest.encode_raw(&mut bytes);
        Self(bytes.freeze())
    }

    /// Encodes one command as it stands in a group.
    pub fn encode_command(command: &durable::Command) -> Bytes {
        let mut bytes = BytesMut::with_capacity(command.encoded_len() + 8);
        encoding::message::encode(COMMANDS, command, &mut bytes);
        bytes.freeze()
    }

    /// How many commands stand one behind the other, as [`Group::encode_command`] writes them; none if anything else does.
    pub fn count_commands(mut commands: &[u8]) -> Option<u32> {
        let mut count = 0u32;
        while !commands.is_empty() {
            let (field, wire_type) = encoding::decode_key(&mut commands).ok()?;
            if (field, wire_type) != (COMMANDS, WireType::LengthDelimited) {
                return None;
            }
            let length = usize::try_from(encoding::decode_varint(&mut commands).ok()?).ok()?;
            commands = commands.get(length..)?;
            count = count.checked_add(1)?;
        }
        Some(count)
    }

    /// Takes the bytes of a log record with that tag.
    pub fn from_tagged(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes of the log record.
    pub fn tagged(&self) -> &Bytes {
        &self.0
    }

    /// Decodes the group; payloads share its bytes.
    ///
    /// # Errors
    /// If the bytes are none.
    pub fn decode(&self) -> Result<durable::Group, DecodeError> {
        durable::Group::decode(self.0.slice(1.min(self.0.len())..))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({} bytes)", self.0.len())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Hands a result to whoever waits, without a task of its own.
pub struct CallBack<T>(Box<dyn FnOnce(T) + Send>);

impl<T> CallBack<T> {
    /// Calls `on_complete` with the result.
    pub fn new(on_complete: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Box::new(on_complete))
    }
}

impl<T> Responder<TypeConfig, T> for CallBack<T>
where
    T: openraft::OptionalSend + 'static,
{
    fn on_complete(self, result: T) {
        (self.0)(result);
    }
}

/// What openraft answers to a proposal.
pub type WriteResult = ClientWriteResult<TypeConfig>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_if_they_are_whole() {
        let command = Group::encode_command(&durable::Command::default());
        let two = [&command[..], &command[..]].concat();
        assert_eq!(Group::count_commands(b""), Some(0));
        assert_eq!(Group::count_commands(&two), Some(2));
        assert_eq!(Group::count_commands(&two[..two.len() - 1]), None);
        // The time, and a command whose length runs into what follows.
        for wrong in [&[0x08, 5][..], &[0x12, 2, 0x62][..], &[0x12][..]] {
            assert_eq!(Group::count_commands(wrong), None, "{wrong:?}");
        }
    }
}
