//! `corndogs restore`: a backup into a new data directory. Needs no server.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::answer::{Answer, Failure, Format};
use super::human::lines;
use crate::server;

/// Makes a data directory out of a backup.
#[derive(Debug, Args)]
pub struct Restore {
    /// What `corndogs backup` wrote.
    #[arg(value_name = "FILE")]
    backup: PathBuf,
    /// The directory to make; it must be new or empty.
    #[arg(long, value_name = "DIR", default_value = "./corndogs-data")]
    data_dir: PathBuf,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Serialize)]
struct Answered {
    data_dir: String,
    live_tasks: u64,
    log_index: u64,
}

impl Restore {
    pub fn run(self) -> Result<Answer, Failure> {
        let restored = server::restore(&self.data_dir, &self.backup);
        let restored = restored.map_err(|error| Failure::Failed(error.to_string()))?;
        let answer = Answered {
            data_dir: self.data_dir.display().to_string(),
            live_tasks: restored.live,
            log_index: restored.index,
        };
        Answer::new(self.format, &answer, |a| {
            lines(&[
                ("data dir", a.data_dir.clone()),
                ("live tasks", a.live_tasks.to_string()),
                ("log index", a.log_index.to_string()),
            ])
        })
    }
}
