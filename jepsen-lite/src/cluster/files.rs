//! What is in a node's data directory, and what of it a power cut has lost.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const BLOCK_BYTES: usize = 4096;

/// All files below a directory, in order.
///
/// # Errors
/// What the system says.
pub fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => directories.push(entry.path()),
                _ => files.push(entry.path()),
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The bytes of files, by their paths.
pub type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// What all files hold. One that vanishes meanwhile is left out.
///
/// # Errors
/// What the system says.
pub fn read(directory: &Path) -> io::Result<Contents> {
    let mut contents = Contents::new();
    for file in list(directory)? {
        match fs::read(&file) {
            Ok(bytes) => drop(contents.insert(file, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(contents)
}

/// What is not as it was before.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Bytes that are gone, or are as they were earlier.
    pub bytes: u64,
    /// The files in which they were.
    pub files: u64,
}

impl Loss {
    /// Counts what `after` lacks of `before`.
    pub fn between(before: &Contents, after: &Contents) -> Self {
        let mut loss = Self::default();
        for (path, was) in before {
            let is: &[u8] = after.get(path).map_or(&[], Vec::as_slice);
            let bytes = differing(was, is);
            loss.bytes += bytes;
            loss.files += u64::from(bytes > 0 || !after.contains_key(path));
        }
        loss
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            files: self.files + other.files,
        }
    }
}

/// How many bytes of `was` are others in `is`, or not there.
fn differing(was: &[u8], is: &[u8]) -> u64 {
    let both = was.len().min(is.len());
    let mut bytes = was.len() - both;
    let blocks = was[..both].chunks(BLOCK_BYTES);
    for (was, is) in blocks.zip(is[..both].chunks(BLOCK_BYTES)) {
        if was != is {
            bytes += was.iter().zip(is).filter(|(was, is)| was != is).count();
        }
    }
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(files: &[(&str, &[u8])]) -> Contents {
        let files = files.iter();
        files
            .map(|(name, bytes)| (PathBuf::from(name), bytes.to_vec()))
            .collect()
    }

    #[test]
    fn a_loss_is_what_is_no_more_as_it_was() {
        let before = contents(&[("same", b"abc"), ("short", b"abcdef"), ("gone", b"xy")]);
        let after = contents(&[("same", b"abc"), ("short", b"abX"), ("new", b"zzz")]);
        let loss = Loss::between(&before, &after);
        assert_eq!(loss, Loss { bytes: 6, files: 2 });
        assert_eq!(Loss::between(&before, &before), Loss::default());
    }

    #[test]
    fn all_files_are_read() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("a/b")).unwrap();
        fs::write(home.path().join("a/b/one"), "1").unwrap();
        fs::write(home.path().join("two"), "2").unwrap();
        let contents = read(home.path()).unwrap();
        let bytes: Vec<&[u8]> = contents.values().map(Vec::as_slice).collect();
        assert_eq!(bytes, [b"1", b"2"]);
    }
}
