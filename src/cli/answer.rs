//! What a client command comes to.

use clap::ValueEnum;
use serde::Serialize;

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned `key: value` lines.
    Human,
    /// One line of JSON with the names of the protocol's fields.
    Json,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The request was wrong before it was sent.
    Usage(String),
    /// It was refused, or its answer did not come.
    Failed(String),
}

/// The answer to a call.
#[derive(Debug)]
pub struct Answer {
    /// For stdout, complete lines.
    pub text: String,
    /// For stderr.
    pub note: Option<String>,
    /// Whether the call found what it was meant for.
    pub matched: bool,
}

impl Answer {
    /// Shows the message as asked.
    pub fn new<M: Serialize>(
        format: Format,
        message: &M,
        human: impl FnOnce(&M) -> String,
    ) -> Result<Self, Failure> {
        let text = match format {
            Format::Human => human(message),
            Format::Json => {
                let mut line = serde_json::to_string(message)
                    .map_err(|error| Failure::Failed(format!("cannot show the answer: {error}")))?;
                line.push('\n');
                line
            }
        };
        Ok(Self {
            text,
            note: None,
            matched: true,
        })
    }

    /// The call was fine but came to nothing.
    pub fn nothing(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self
    }

    /// The call was meant for something that is not there.
    pub fn unmatched(mut self, note: &str) -> Self {
        self.matched = false;
        self.nothing(note)
    }
}
