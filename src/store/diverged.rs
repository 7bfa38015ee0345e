//! Remembers that this node's state is not that of the others: a restart must not make it serve again.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::Store;
use super::files::{self, failed};
use super::recovery::Paths;
use super::view::Result;

impl Store {
    /// Notes durably that the state is wrong, and why that is known. A snapshot from a peer ends it.
    ///
    /// # Errors
    /// If the note can't be written.
    pub fn mark_diverged(&self, why: &str) -> Result<()> {
        let path = &self.inner.paths.diverged;
        let tmp = path.with_extension("tmp");
        fs::write(&tmp, why).map_err(failed("write", &tmp))?;
        files::sync_file(&tmp)?;
        files::publish(&tmp, path)
    }

    /// Why the state is known to be wrong; none if it isn't.
    ///
    /// # Errors
    /// If that can't be read.
    pub fn diverged(&self) -> Result<Option<String>> {
        read(&self.inner.paths)
    }
}

/// What was noted under a group's directory.
///
/// # Errors
/// If that can't be read.
pub fn diverged_in(group: &Path) -> Result<Option<String>> {
    read(&Paths::new(group))
}

fn read(paths: &Paths) -> Result<Option<String>> {
    match fs::read(&paths.diverged) {
        Ok(why) => Ok(Some(String::from_utf8_lossy(&why).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", &paths.diverged)(error)),
    }
}
