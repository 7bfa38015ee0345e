//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use super::StoreError;
use super::view::Result;

/// Turns what the system said into what could not be done.
pub fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io {
        action,
        path,
        source,
    }
}

/// Makes the names in a directory durable.
pub fn sync_dir(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    synced.map_err(failed("sync", path))
}

/// Makes what a file holds durable.
pub fn sync_file(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(failed("sync", path))
}

/// Gives a file or directory its name, durably.
pub fn publish(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(failed("rename", from))?;
    sync_dir(parent(to))
}

/// Moves a file, also to another file system; its new name is not durable yet.
pub fn move_file(from: &Path, to: &Path) -> Result<()> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map_err(failed("copy", from))?;
    sync_file(to)?;
    remove_file(from)
}

/// Removes a file, durably, if it is there.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_dir(parent(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

/// Removes a directory with all it holds, durably, if it is there.
pub fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => sync_dir(parent(path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

/// Makes an empty file whose name says it all, durably.
pub fn mark(path: &Path) -> Result<()> {
    File::create(path).map_err(failed("create", path))?;
    sync_dir(parent(path))
}

/// Makes a directory, and what leads to it.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(failed("create", path))?;
    sync_dir(parent(path))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
