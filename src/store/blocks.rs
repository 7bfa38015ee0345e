//! Checksummed files, written once from beginning to end.
//!
//! ```text
//! file  = magic (8 bytes), version (u32), block…
//! block = length of bytes (u32), CRC-32 of kind and bytes (u32), kind (u8), bytes
//! ```
//!
//! Numbers are little-endian. What the kinds mean, and which one ends the file, is its owner's.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::files::failed;
use super::steady::SteadyFile;
use super::view::Result;

const MAGIC_BYTES: usize = 8;
const HEAD_BYTES: usize = 9;
const BUFFER_BYTES: usize = 256 * 1024;

/// Whose file it is, and in which version.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// What the file begins with.
    pub magic: [u8; MAGIC_BYTES],
    /// The version that is written, and the only one that is read.
    pub version: u32,
}

/// Writes blocks.
#[derive(Debug)]
pub struct BlockWriter {
    path: PathBuf,
    file: BufWriter<SteadyFile>,
    written: u64,
}

impl BlockWriter {
    /// Begins a file, in place of one that may be there.
    pub fn create(path: &Path, format: Format) -> Result<Self> {
        let file = File::create(path).map_err(failed("create", path))?;
        let mut writer = Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(BUFFER_BYTES, SteadyFile::new(file)),
            written: 0,
        };
        writer.put(&format.magic)?;
        writer.put(&format.version.to_le_bytes())?;
        Ok(writer)
    }

    /// Writes one block.
    pub fn write(&mut self, kind: u8, bytes: &[u8]) -> Result<()> {
        let length = u32::try_from(bytes.len());
        let length = length.map_err(|_| StoreError::Checkpoint("a block over 4 GiB".to_owned()))?;
        self.put(&length.to_le_bytes())?;
        self.put(&checksum(kind, bytes).to_le_bytes())?;
        self.put(&[kind])?;
        self.put(bytes)
    }

    /// Makes the file durable, but not its name. Returns its size.
    pub fn finish(self) -> Result<u64> {
        let file = self.file.into_inner();
        let file = file.map_err(|error| failed("write", &self.path)(error.into_error()))?;
        file.finish().map_err(failed("sync", &self.path))?;
        Ok(self.written)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        let put = self.file.write_all(bytes);
        put.map_err(failed("write", &self.path))
    }
}

/// Reads blocks.
#[derive(Debug)]
pub struct BlockReader {
    path: PathBuf,
    file: BufReader<File>,
    /// How many bytes are left, so that a broken length asks for no memory.
    left: u64,
}

impl BlockReader {
    /// Opens a file.
    pub fn open(path: &Path, format: Format) -> Result<Self> {
        let file = File::open(path).map_err(failed("open", path))?;
        let left = file.metadata().map_err(failed("open", path))?.len();
        let mut reader = Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(BUFFER_BYTES, file),
            left,
        };
        if reader.take::<MAGIC_BYTES>()? != format.magic {
            return Err(reader.damaged("it begins with something else"));
        }
        let version = u32::from_le_bytes(reader.take()?);
        if version != format.version {
            return Err(reader.damaged(&format!("unknown version {version}")));
        }
        Ok(reader)
    }

    /// The next block, or none where the file ends.
    pub fn next(&mut self) -> Result<Option<(u8, Vec<u8>)>> {
        if self.left == 0 {
            return Ok(None);
        }
        let head = self.take::<HEAD_BYTES>()?;
        let [l0, l1, l2, l3, c0, c1, c2, c3, kind] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if u64::from(length) > self.left {
            return Err(self.damaged("it is cut"));
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        if checksum(kind, &bytes) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(self.damaged("a checksum does not match"));
        }
        Ok(Some((kind, bytes)))
    }

    /// How many bytes are still to be read.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// An error that names the file.
    pub fn damaged(&self, detail: &str) -> StoreError {
        StoreError::damaged(self.path.display().to_string(), detail)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let length = bytes.len() as u64;
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => return Err(self.damaged("it is cut")),
        }
        let filled = self.file.read_exact(bytes);
        filled.map_err(failed("read", &self.path))
    }
}

fn checksum(kind: u8, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(bytes);
    hasher.finalize()
}
