//! Flags that say which tasks are meant.

use clap::Args;

use super::answer::Failure;
use super::fields::{entry, metadata, time};
use crate::proto::v1alpha1::TaskFilter;

/// Which tasks are meant: those that all given flags fit.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which tasks")]
pub struct Filter {
    /// Those of this queue.
    #[arg(short, long, default_value_t, hide_default_value = true)]
    pub queue: String,
    /// Those in this state.
    #[arg(long, value_name = "STATE", default_value_t, hide_default_value = true)]
    pub current_state: String,
    /// Those that this worker claimed last.
    #[arg(long, value_name = "NAME", default_value_t, hide_default_value = true)]
    worker: String,
    /// Those with this in their metadata; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = entry)]
    metadata: Vec<(String, String)>,
    /// Those submitted at this time or later: RFC 3339, or nanoseconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0", hide_default_value = true)]
    submitted_from: i64,
    /// Those submitted before this time.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0", hide_default_value = true)]
    submitted_before: i64,
    /// Those changed last at this time or later.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0", hide_default_value = true)]
    updated_from: i64,
    /// Those changed last before this time.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0", hide_default_value = true)]
    updated_before: i64,
    /// Those that a worker holds, or with =false those that none does.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    in_flight: Option<bool>,
    /// Those that can't be claimed yet, or with =false the others.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    delayed: Option<bool>,
}

impl Filter {
    /// The filter that the flags make.
    pub fn message(self) -> Result<TaskFilter, Failure> {
        Ok(TaskFilter {
            queue: self.queue,
            current_state: self.current_state,
            worker: self.worker,
            metadata: metadata(self.metadata)?,
            submitted_from: self.submitted_from,
            submitted_before: self.submitted_before,
            updated_from: self.updated_from,
            updated_before: self.updated_before,
            is_in_flight: self.in_flight,
            is_delayed: self.delayed,
            is_archived: None,
            or_archived: false,
        })
    }
}
