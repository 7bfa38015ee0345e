//! The state hash, as the sum over rows that it is: what is kept with each change must be what the rows add up to.

use super::durable::Record;
use super::figures;

impl Record {
    /// What the row adds to the state hash.
    pub fn hash(&self) -> u64 {
        match self {
            Self::Live(task) | Self::Archived(task) => task.hash(),
            // The tasks of a bucket are hashed themselves.
            Self::Bucket(..) => 0,
            Self::Answer(key, answer) => answer.footprint(key).hash,
            Self::Document(key, value) => key.hash(value),
            Self::Figure(key, cell) => figures::hash(key, cell),
        }
    }
}

/// Adds up rows as they are read.
#[derive(Debug, Default)]
pub struct Sum {
    /// The state hash of all of them.
    pub hash: u64,
    /// How many they are.
    pub rows: u64,
    archived: u64,
    in_buckets: u64,
}

impl Sum {
    /// Adds a row.
    pub fn add(&mut self, record: &Record) {
        let hash = record.hash();
        self.rows += 1;
        self.hash = self.hash.wrapping_add(hash);
        match record {
            Record::Archived(_) => self.archived = self.archived.wrapping_add(hash),
            Record::Bucket(_, bucket) => {
                self.in_buckets = self.in_buckets.wrapping_add(bucket.hash_sum);
            }
            _ => {}
        }
    }

    /// Whether these rows are all those of a state with that hash.
    ///
    /// # Errors
    /// What doesn't match.
    pub fn check(&self, state_hash: u64) -> Result<(), &'static str> {
        if self.hash != state_hash {
            return Err("its rows do not match its state hash");
        }
        // The archive is forgotten by its buckets: a task in none would stay for ever.
        if self.in_buckets != self.archived {
            return Err("its archived tasks do not match their buckets");
        }
        Ok(())
    }
}
