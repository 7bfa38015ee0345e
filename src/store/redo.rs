//! The redo file: all that one checkpoint changes, durable before the first change is made.
//!
//! sled takes large batches badly, and small ones are not atomic together. With
//! this file they are: a checkpoint that was cut short is made again from it.
//! Each block holds the changes of one piece:
//!
//! ```text
//! piece  = tree (u8), change…
//! change = length of key (u32), length of value + 1 or 0 for a removal (u32), key, value
//! end    = number of changes (u64)
//! ```

use std::path::Path;

use super::blocks::{BlockReader, BlockWriter, Format};
use super::keys::Tree;
use super::view::Result;

const FORMAT: Format = Format {
    magic: *b"cdogredo",
    version: 2,
};
const PIECE: u8 = 1;
const END: u8 = 2;

/// Keys in a piece: a snapshot's scan waits for the rest of one.
pub const PIECE_KEYS: usize = 128;
/// Keys of an index in a piece, unless more belong together: claims wait for the rest of one.
const PACKED_PIECE_KEYS: usize = 16;
/// Payloads can be large: a piece is no larger than this and one more change.
pub const PIECE_BYTES: usize = 256 * 1024;

/// A key and its new value, none if it goes.
pub type ChangeRef<'a> = (&'a [u8], Option<&'a [u8]>);

/// Writes a redo file.
#[derive(Debug)]
pub struct RedoWriter {
    blocks: BlockWriter,
    tree: Option<Tree>,
    piece: Vec<u8>,
    keys: usize,
    total: u64,
}

impl RedoWriter {
    /// Begins a file.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            blocks: BlockWriter::create(path, FORMAT)?,
            tree: None,
            piece: Vec::new(),
            keys: 0,
            total: 0,
        })
    }

    /// Adds a change.
    pub fn push(&mut self, tree: Tree, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let full = self.keys >= PIECE_KEYS || self.piece.len() >= PIECE_BYTES;
        if full || self.tree != Some(tree) {
            self.begin_piece(tree)?;
        }
        self.add(key, value);
        Ok(())
    }

    /// Adds changes that are only right together: they go into one piece.
    pub fn push_together(
        &mut self,
        tree: Tree,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<()> {
        let length = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let bytes = changes.iter().map(|(key, value)| key.len() + length(value));
        let bytes = self.piece.len() + bytes.sum::<usize>();
        let full = self.keys + changes.len() > PACKED_PIECE_KEYS || bytes > PIECE_BYTES;
        if full || self.tree != Some(tree) {
            self.begin_piece(tree)?;
        }
        for (key, value) in changes {
            self.add(key, value.as_deref());
        }
        Ok(())
    }

    fn begin_piece(&mut self, tree: Tree) -> Result<()> {
        self.write_piece()?;
        self.tree = Some(tree);
        self.piece.push(tree.number());
        Ok(())
    }

    fn add(&mut self, key: &[u8], value: Option<&[u8]>) {
        let value_length = value.map_or(0, |value| value.len() + 1);
        let lengths = [key.len(), value_length].map(|length| (length as u32).to_le_bytes());
        self.piece.extend_from_slice(&lengths.concat());
        self.piece.extend_from_slice(key);
        self.piece.extend_from_slice(value.unwrap_or_default());
        self.keys += 1;
        self.total += 1;
    }

    /// Ends the file and makes it durable, but not its name. Returns its size.
    pub fn finish(mut self) -> Result<u64> {
        self.write_piece()?;
        self.blocks.write(END, &self.total.to_le_bytes())?;
        self.blocks.finish()
    }

    fn write_piece(&mut self) -> Result<()> {
        if self.keys > 0 {
            self.blocks.write(PIECE, &self.piece)?;
        }
        self.piece.clear();
        self.keys = 0;
        Ok(())
    }
}

/// Reads a complete redo file piece by piece.
///
/// # Errors
/// If it is damaged, or if `apply` fails.
pub fn read(
    path: &Path,
    mut apply: impl FnMut(Tree, &[ChangeRef<'_>]) -> Result<()>,
) -> Result<()> {
    let mut blocks = BlockReader::open(path, FORMAT)?;
    let mut total = 0u64;
    while let Some((kind, bytes)) = blocks.next()? {
        if kind == END {
            let is_end = bytes == total.to_le_bytes() && blocks.next()?.is_none();
            return if is_end {
                Ok(())
            } else {
                Err(blocks.damaged("a wrong end"))
            };
        }
        let piece = if kind == PIECE { parse(&bytes) } else { None };
        let Some((tree, changes)) = piece else {
            return Err(blocks.damaged("a piece that can't be read"));
        };
        total += changes.len() as u64;
        apply(tree, &changes)?;
    }
    Err(blocks.damaged("it is cut"))
}

fn parse(piece: &[u8]) -> Option<(Tree, Vec<ChangeRef<'_>>)> {
    let (tree, mut rest) = piece.split_first()?;
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (key_length, after) = rest.split_first_chunk::<4>()?;
        let (value_length, after) = after.split_first_chunk::<4>()?;
        let (key, after) = after.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
        rest = after;
        let value = match (u32::from_le_bytes(*value_length) as usize).checked_sub(1) {
            None => None,
            Some(length) => {
                let (value, after) = rest.split_at_checked(length)?;
                rest = after;
                Some(value)
            }
        };
        changes.push((key, value));
    }
    Some((Tree::from_number(*tree)?, changes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path) {
        let mut redo = RedoWriter::create(path).unwrap();
        for number in 0..300u32 {
            let value = format!("value {number}");
            let value = (number % 3 > 0).then_some(value.as_bytes());
            redo.push(Tree::Live, &number.to_be_bytes(), value).unwrap();
        }
        redo.push(Tree::Header, b"h", Some(b"")).unwrap();
        redo.finish().unwrap();
    }

    #[test]
    fn comes_back_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redo");
        write(&path);
        let mut pieces = Vec::new();
        let mut last = None;
        read(&path, |tree, changes| {
            pieces.push((tree, changes.len()));
            last = changes
                .last()
                .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
            Ok(())
        })
        .unwrap();
        let live = |keys| (Tree::Live, keys);
        assert_eq!(pieces, [live(128), live(128), live(44), (Tree::Header, 1)]);
        assert_eq!(last, Some((b"h".to_vec(), Some(Vec::new()))));
    }

    #[test]
    fn what_belongs_together_stays_together() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redo");
        let mut redo = RedoWriter::create(&path).unwrap();
        let group = |keys: u8, bytes| {
            let row = |key| (vec![key], Some(vec![0; bytes]));
            (0..keys).map(row).collect::<Vec<_>>()
        };
        for (keys, bytes) in [(10, 1), (6, 1), (1, 1), (200, 1), (2, 260_000), (3, 2600)] {
            redo.push_together(Tree::Ready, &group(keys, bytes))
                .unwrap();
        }
        redo.finish().unwrap();
        let mut pieces = Vec::new();
        read(&path, |_, changes| {
            pieces.push(changes.len());
            Ok(())
        })
        .unwrap();
        assert_eq!(pieces, [16, 1, 200, 2, 3]);
    }

    #[test]
    fn any_cut_or_flipped_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("redo");
        write(&path);
        let whole = std::fs::read(&path).unwrap();
        for at in (0..40).chain((40..whole.len()).step_by(101)) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for bytes in [&whole[..at], &flipped] {
                std::fs::write(&path, bytes).unwrap();
                assert!(read(&path, |_, _| Ok(())).is_err(), "byte {at}");
            }
        }
    }
}
