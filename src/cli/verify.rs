//! `corndogs verify`: is what a stopped node has on disk sound? Needs no server, and changes nothing.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::answer::{Answer, Failure, Format};
use super::complain;
use super::human::lines;
use crate::server::{self, Part, ServerError, Verified};
use crate::store::directory::DirectoryError;

/// Checks every file of a stopped node, and changes nothing.
///
/// Exits with 1 if something is damaged or can't be checked, and says what to do about it.
#[derive(Debug, Args)]
pub struct Verify {
    /// The directory of a node that is not running.
    #[arg(long, value_name = "DIR", default_value = "./corndogs-data")]
    data_dir: PathBuf,
    /// Where a copy of the checkpoint goes while it is checked [default: the system's directory for temporary files].
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Serialize)]
struct Answered {
    data_dir: String,
    ok: bool,
    cluster_id: Option<String>,
    node_id: Option<u64>,
    parts: Vec<AnsweredPart>,
}

#[derive(Serialize)]
struct AnsweredPart {
    part: &'static str,
    path: String,
    ok: bool,
    found: String,
    advice: Option<String>,
}

impl Verify {
    pub fn run(self) -> Result<Answer, Failure> {
        let scratch = self.scratch.unwrap_or_else(std::env::temp_dir);
        let verified = server::verify(&self.data_dir, &scratch, tell).map_err(failure)?;
        let answer = answered(&self.data_dir, verified);
        let damaged = answer.parts.iter().filter(|part| !part.ok);
        let damaged: Vec<_> = damaged.map(|part| part.part).collect();
        let shown = Answer::new(self.format, &answer, human)?;
        if damaged.is_empty() {
            return Ok(shown);
        }
        Ok(shown.unmatched(&format!("damaged: {}", damaged.join(", "))))
    }
}

fn tell(copy: &Path, bytes: u64) {
    complain(&format!(
        "the checkpoint is checked as a copy: {} MiB in {} for as long as that takes",
        bytes.div_ceil(1 << 20),
        copy.display()
    ));
}

fn failure(error: ServerError) -> Failure {
    match error {
        ServerError::Directory(DirectoryError::Nothing { .. }) => Failure::Usage(error.to_string()),
        _ => Failure::Failed(error.to_string()),
    }
}

fn answered(data_dir: &Path, verified: Verified) -> Answered {
    let identity = verified.identity;
    let part = |part: Part| AnsweredPart {
        part: part.name,
        path: part.path.display().to_string(),
        ok: part.advice.is_none(),
        found: part.found,
        advice: part.advice,
    };
    Answered {
        data_dir: data_dir.display().to_string(),
        ok: verified.parts.iter().all(|part| part.advice.is_none()),
        cluster_id: identity.map(|identity| identity.cluster_id.to_string()),
        node_id: identity.map(|identity| identity.node_id),
        parts: verified.parts.into_iter().map(part).collect(),
    }
}

fn human(answer: &Answered) -> String {
    let pairs = answer.parts.iter().map(|part| {
        let text = match &part.advice {
            None => format!("ok: {}", part.found),
            Some(advice) => format!(
                "DAMAGED: {}\nwhere: {}\nwhat to do: {advice}",
                part.found, part.path
            ),
        };
        (part.part, text)
    });
    lines(&pairs.collect::<Vec<_>>())
}
