//! One number in a file of its own: written over the last one in one piece, with a checksum that tells damage.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Magic, the number, the checksum of both.
const NOTE_BYTES: usize = 16;

/// What a file of notes begins with: what its number means.
pub type Magic = [u8; 4];

/// What the file of a note holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// There is none, or none that has come to the disk.
    None,
    /// This number.
    Is(u64),
    /// Something else.
    Damaged,
}

/// What the note says.
///
/// # Errors
/// If the file is there and can't be read.
pub fn look(path: &Path, magic: Magic) -> io::Result<Note> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Note::None),
        Err(error) => return Err(error),
    };
    Ok(match decode(&bytes, magic) {
        Some(number) => Note::Is(number),
        // Not synced, a power cut leaves the file without what was written.
        None if bytes.iter().all(|byte| *byte == 0) => Note::None,
        None => Note::Damaged,
    })
}

/// The number that was noted; 0 without a note, or with a damaged one.
///
/// # Errors
/// If the file is there and can't be read.
pub fn read(path: &Path, magic: Magic) -> io::Result<u64> {
    match look(path, magic)? {
        Note::Is(number) => Ok(number),
        Note::None => Ok(0),
        Note::Damaged => {
            tracing::warn!(
                "{} is damaged and ignored; it is written anew",
                path.display()
            );
            Ok(0)
        }
    }
}

/// Notes a number. It is not synced.
///
/// # Errors
/// If the file can't be written.
pub fn write(path: &Path, magic: Magic, number: u64) -> io::Result<File> {
    let mut options = File::options();
    // In one piece over the last note: there is no moment without one.
    let options = options.create(true).truncate(false).write(true);
    let file = options.open(path)?;
    file.write_all_at(&encode(number, magic), 0)?;
    Ok(file)
}

fn encode(number: u64, magic: Magic) -> [u8; NOTE_BYTES] {
    let mut bytes = [0; NOTE_BYTES];
    bytes[..4].copy_from_slice(&magic);
    bytes[4..12].copy_from_slice(&number.to_be_bytes());
    let checksum = crc32fast::hash(&bytes[..12]);
    bytes[12..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8], magic: Magic) -> Option<u64> {
    let number = u64::from_be_bytes(bytes.get(4..12)?.try_into().ok()?);
    (bytes == encode(number, magic)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_and_a_damaged_one_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("note");
        let read = || read(&path, *b"test").unwrap();
        assert_eq!(read(), 0);
        for number in [7, 1 << 40] {
            write(&path, *b"test", number).unwrap();
            assert_eq!(read(), number);
        }
        assert_eq!(look(&path, *b"else").unwrap(), Note::Damaged);
        let whole = fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).unwrap();
            assert_eq!(read(), 0, "bit {bit}");
        }
        fs::write(&path, &whole[..9]).unwrap();
        assert_eq!(read(), 0);
    }
}
