//! Writes a history down while it happens.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::history::{Event, Operation, Outcome, Request, UNKNOWN, What, events};

/// How many calls of a run ended in which way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub ok: u64,
    pub fail: u64,
    pub unknown: u64,
}

struct Kept {
    /// Those of this round.
    operations: Vec<Operation>,
    file: BufWriter<File>,
    /// The first line that could not be written.
    error: Option<io::Error>,
    /// Beginnings and ends so far, of all rounds.
    places: usize,
    calls: u64,
    tally: Tally,
}

/// The history of one round, in memory and as JSON lines. Numbers, places and times go on from round to round.
pub struct Record {
    began: Instant,
    path: PathBuf,
    kept: Mutex<Kept>,
}

impl Record {
    pub fn create(path: PathBuf, began: Instant) -> io::Result<Self> {
        let kept = Kept {
            operations: Vec::new(),
            file: BufWriter::new(File::create(&path)?),
            error: None,
            places: 0,
            calls: 0,
            tally: Tally::default(),
        };
        Ok(Self {
            began,
            path,
            kept: Mutex::new(kept),
        })
    }

    /// Notes a call before it is sent; where it stands.
    pub fn invoke(
        &self,
        client: &Arc<str>,
        node: u64,
        request: &Request,
        key: Option<&str>,
    ) -> usize {
        let mut kept = self.kept.lock();
        kept.calls += 1;
        kept.places += 1;
        // Under the lock, so that the order of the places is the order of the moments.
        let at_us = self.now_us();
        let operation = Operation {
            call: kept.calls,
            client: client.clone(),
            node,
            key: key.map(str::to_owned),
            at_us,
            end_us: at_us,
            invoked: kept.places,
            returned: UNKNOWN,
            request: request.clone(),
            outcome: Outcome::Unknown("no answer".into()),
        };
        let what = What::Invoke {
            request: operation.request.clone(),
            key: operation.key.clone(),
        };
        kept.write(&event(&operation, at_us, what));
        kept.operations.push(operation);
        kept.operations.len() - 1
    }

    /// Notes how it ended, once that is known.
    pub fn finish(&self, at: usize, outcome: &Outcome) {
        let mut kept = self.kept.lock();
        kept.places += 1;
        let (place, now_us) = (kept.places, self.now_us());
        match outcome {
            Outcome::Ok(_) => kept.tally.ok += 1,
            Outcome::Fenced(_) | Outcome::Fail(_) => kept.tally.fail += 1,
            Outcome::Unknown(_) => kept.tally.unknown += 1,
        }
        let Some(operation) = kept.operations.get_mut(at) else {
            return;
        };
        operation.end_us = now_us;
        operation.outcome = outcome.clone();
        if outcome.is_certain() {
            operation.returned = place;
        }
        let event = event(operation, now_us, outcome.clone().into());
        kept.write(&event);
    }

    /// Microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub fn tally(&self) -> Tally {
        self.kept.lock().tally
    }

    /// What this round's calls are so far, as the function sees them.
    pub fn look<T>(&self, look: impl FnOnce(&[Operation]) -> T) -> T {
        look(&self.kept.lock().operations)
    }

    /// The round's history, once all of it stands in the file.
    pub fn take(&self) -> io::Result<Vec<Operation>> {
        let mut kept = self.kept.lock();
        if let Some(error) = kept.error.take() {
            return Err(error);
        }
        kept.file.flush()?;
        Ok(std::mem::take(&mut kept.operations))
    }

    /// Begins the next round, with those calls of earlier ones, in a new file in the old one's place.
    pub fn begin(&self, carried: Vec<Operation>) -> io::Result<()> {
        let mut kept = self.kept.lock();
        kept.file = BufWriter::new(File::create(&self.path)?);
        for event in events(&carried) {
            kept.write(&event);
        }
        kept.operations = carried;
        Ok(())
    }
}

fn event(operation: &Operation, at_us: u64, what: What) -> Event {
    Event {
        at_us,
        call: operation.call,
        client: operation.client.clone(),
        node: operation.node,
        what,
    }
}

impl Kept {
    fn write(&mut self, event: &Event) {
        let written = serde_json::to_writer(&mut self.file, event).map_err(io::Error::from);
        let written = written.and_then(|()| self.file.write_all(b"\n"));
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
    }
}
