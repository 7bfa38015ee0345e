//! How queues are run: settings, and how fast they are claimed from, decoded once for each change of their documents.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;

use super::StoreError;
use super::documents::{DocumentKey, Documents};
use super::record::Name;
use super::view::Result;
use crate::proto::durable::{Pace, QueueSettings};

/// The kind of the documents that hold a queue's settings.
pub const SETTINGS: u8 = 1;
/// The kind of the documents that hold how fast a queue was claimed from.
pub const PACES: u8 = 3;

/// How one queue is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Its settings.
    pub settings: QueueSettings,
    /// When as many claims are let through at once as ever, nanoseconds since 1970; 0 means now.
    pub rested_ns: i64,
}

impl Control {
    /// The most tasks of one group that workers may hold; `u64::MAX` where there is no limit.
    pub fn group_limit(&self) -> u64 {
        match self.settings.max_in_flight_per_group {
            0 => u64::MAX,
            _ if self.settings.group_by.is_empty() => u64::MAX,
            limit => limit,
        }
    }
}

/// How all queues are run that have settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    queues: BTreeMap<Name, Control>,
    /// The queues whose tasks are being moved to other groups.
    regrouping: BTreeSet<Name>,
}

impl Controls {
    /// What documents say.
    ///
    /// # Errors
    /// If one can't be decoded.
    pub fn read(documents: &Documents) -> Result<Self> {
        let mut controls = Self::default();
        for kind in [SETTINGS, PACES] {
            for (name, value) in documents.of_kind(kind) {
                let name = name.clone();
                controls.change(&DocumentKey { kind, name }, Some(value))?;
            }
        }
        Ok(controls)
    }

    /// How a queue is run; none if it has no settings. Costs nothing where no queue has any.
    pub fn of(&self, queue: &str) -> Option<&Control> {
        match self.queues.is_empty() {
            true => None,
            false => self.queues.get(queue),
        }
    }

    /// The most tasks of one group of a queue that workers may hold; `u64::MAX` where there is no limit.
    pub fn group_limit(&self, queue: &str) -> u64 {
        self.of(queue).map_or(u64::MAX, Control::group_limit)
    }

    /// The queues whose tasks are being moved to other groups.
    pub fn regrouping(&self) -> &BTreeSet<Name> {
        &self.regrouping
    }

    /// Whether no queue has settings.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// How many queues have settings.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// The queues that have settings, by name.
    pub fn all(&self) -> impl Iterator<Item = (&Name, &Control)> {
        self.queues.iter()
    }

    /// Those of them whose names come after another one.
    pub fn after(&self, queue: &str) -> impl Iterator<Item = (&Name, &Control)> {
        let from = (std::ops::Bound::Excluded(queue), std::ops::Bound::Unbounded);
        self.queues.range::<str, _>(from)
    }

    /// Follows a change of a document, whatever it is about. Settings go last: a pace without them is none.
    ///
    /// # Errors
    /// If it can't be decoded.
    pub fn change(&mut self, key: &DocumentKey, after: Option<&Bytes>) -> Result<()> {
        match (key.kind, after) {
            (SETTINGS, Some(value)) => {
                let settings: QueueSettings = decode(key, value)?;
                match settings.regrouping {
                    Some(_) => self.regrouping.insert(key.name.clone()),
                    None => self.regrouping.remove(&key.name),
                };
                self.queues.entry(key.name.clone()).or_default().settings = settings;
            }
            (SETTINGS, None) => {
                self.queues.remove(&key.name);
                self.regrouping.remove(&key.name);
            }
            (PACES, _) => {
                let pace: Pace = after.map_or(Ok(Pace::default()), |value| decode(key, value))?;
                if let Some(control) = self.queues.get_mut(&key.name) {
                    control.rested_ns = pace.rested_ns;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn decode<M: Message + Default>(key: &DocumentKey, value: &Bytes) -> Result<M> {
    M::decode(value.clone()).map_err(|error| {
        let detail = format!("that of queue {:?}: {error}", key.name);
        StoreError::damaged("a queue's document", detail)
    })
}
