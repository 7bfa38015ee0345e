//! Writes a history down while it happens.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use parking_lot::Mutex;

use crate::history::{Event, Outcome, Request, What};

/// How many calls ended in which way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub ok: u64,
    pub fail: u64,
    pub unknown: u64,
}

struct Kept {
    events: Vec<Event>,
    file: BufWriter<File>,
    /// The first line that could not be written.
    error: Option<io::Error>,
    calls: u64,
    tally: Tally,
}

/// The history of one run, in memory and as JSON lines.
pub struct Record {
    began: Instant,
    kept: Mutex<Kept>,
}

impl Record {
    pub fn create(path: &Path, began: Instant) -> io::Result<Self> {
        let kept = Kept {
            events: Vec::new(),
            file: BufWriter::new(File::create(path)?),
            error: None,
            calls: 0,
            tally: Tally::default(),
        };
        Ok(Self {
            began,
            kept: Mutex::new(kept),
        })
    }

    /// Notes a call before it is sent; its number.
    pub fn invoke(&self, client: &str, node: u64, request: &Request) -> u64 {
        let mut kept = self.kept.lock();
        kept.calls += 1;
        let call = kept.calls;
        let request = request.clone();
        self.note(&mut kept, call, client, node, What::Invoke { request });
        call
    }

    /// Notes how it ended, once that is known.
    pub fn finish(&self, call: u64, client: &str, node: u64, outcome: &Outcome) {
        let mut kept = self.kept.lock();
        let what = match outcome.clone() {
            Outcome::Ok(answer) => {
                kept.tally.ok += 1;
                What::Ok { answer }
            }
            Outcome::Fail(why) => {
                kept.tally.fail += 1;
                What::Fail { why }
            }
            Outcome::Unknown(why) => {
                kept.tally.unknown += 1;
                What::Unknown { why }
            }
        };
        self.note(&mut kept, call, client, node, what);
    }

    fn note(&self, kept: &mut Kept, call: u64, client: &str, node: u64, what: What) {
        // Under the lock, so that the order of the lines is the order of the moments.
        let event = Event {
            at_us: self.now_us(),
            call,
            client: client.to_owned(),
            node,
            what,
        };
        let written = serde_json::to_writer(&mut kept.file, &event).map_err(io::Error::from);
        let written = written.and_then(|()| kept.file.write_all(b"\n"));
        if let Err(error) = written {
            kept.error.get_or_insert(error);
        }
        kept.events.push(event);
    }

    /// Microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub fn tally(&self) -> Tally {
        self.kept.lock().tally
    }

    /// The history so far.
    pub fn events(&self) -> Vec<Event> {
        self.kept.lock().events.clone()
    }

    /// The whole history, once all of it stands in the file.
    pub fn take(&self) -> io::Result<Vec<Event>> {
        let mut kept = self.kept.lock();
        if let Some(error) = kept.error.take() {
            return Err(error);
        }
        kept.file.flush()?;
        Ok(std::mem::take(&mut kept.events))
    }
}
