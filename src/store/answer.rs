//! Answers that are remembered under a request key, so that a call may be retried.

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::record::Name;

/// Sets an answer's hash apart from a task's, whatever they hold.
const HASH_TAG: &[u8] = b"answer";

/// What a command came to, kept for whoever asks for the same again.
///
/// Immutable: it is remembered once and forgotten once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Identifies the call and request that it belongs to.
    pub request_digest: u128,
    /// It counts until the replicated clock is there, nanoseconds since 1970.
    pub expires_ns: i64,
    /// An encoded `durable.Outcome`: bytes, so that every copy of the state holds the same ones.
    pub outcome: Bytes,
}

impl Answer {
    /// When it is forgotten.
    pub fn expiry(&self, key: &Name) -> Expiry {
        Expiry {
            expires_ns: self.expires_ns,
            key: key.clone(),
        }
    }

    /// What forgetting it takes away.
    pub fn footprint(&self, key: &str) -> Footprint {
        Footprint {
            hash: self.hash(key),
            outcome_bytes: self.outcome.len() as u64,
        }
    }

    /// This row's share of the state hash: XXH3 over all fields, the same on every machine.
    fn hash(&self, key: &str) -> u64 {
        let mut hasher = Xxh3::new();
        hasher.update(HASH_TAG);
        hasher.update(&(key.len() as u32).to_le_bytes());
        hasher.update(key.as_bytes());
        hasher.update(&self.request_digest.to_le_bytes());
        hasher.update(&self.expires_ns.to_le_bytes());
        hasher.update(&self.outcome);
        hasher.digest()
    }
}

/// The order in which answers are forgotten.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry {
    /// Nanoseconds since 1970.
    pub expires_ns: i64,
    /// The request key.
    pub key: Name,
}

/// What is known of an answer without reading it: an answer may be large, and forgetting it reads none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Its share of the state hash.
    pub hash: u64,
    /// The length of its outcome.
    pub outcome_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::answer;

    #[test]
    fn every_field_counts_in_the_hash() {
        let hash = |answer: &Answer, key| answer.footprint(key).hash;
        let one = answer(7);
        let others = [
            Answer {
                request_digest: 0,
                ..one.clone()
            },
            Answer {
                expires_ns: 0,
                ..one.clone()
            },
            Answer {
                outcome: Bytes::new(),
                ..one.clone()
            },
        ];
        assert_eq!(hash(&one, "k"), hash(&one.clone(), "k"));
        assert_ne!(hash(&one, "k"), hash(&one, "l"));
        for other in others {
            assert_ne!(hash(&one, "k"), hash(&other, "k"), "{other:?}");
        }
    }

    #[test]
    fn the_hash_is_the_same_in_every_version() {
        assert_eq!(answer(7).footprint("key").hash, 5_082_208_475_368_745_871);
    }
}
