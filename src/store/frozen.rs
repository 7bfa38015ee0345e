//! The changes that one checkpoint writes.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::keys::{
    Archive, Buckets, Deadlines, Head, Keyspace, Live, Ready, StoredHeader, Tree, ready,
};
use super::lines::FrozenLine;
use super::overlay::Overlay;
use super::record::{Bucket, Deadline, Task};
use super::redo::RedoWriter;
use super::view::Result;

/// Net changes of a number of entries, and the header after them.
#[derive(Debug)]
pub struct Frozen {
    pub(super) epoch: u64,
    pub(super) header: StoredHeader,
    pub(super) live: Arc<Overlay<Uuid, Arc<Task>>>,
    pub(super) lines: Vec<FrozenLine>,
    pub(super) deadlines: Arc<Overlay<Deadline, Uuid>>,
    pub(super) archive: Arc<Overlay<Uuid, Arc<Task>>>,
    pub(super) buckets: Arc<Overlay<u64, Bucket>>,
}

impl Frozen {
    /// The last log entry whose changes are here.
    pub fn index(&self) -> u64 {
        self.header.header.position.index
    }

    /// Writes a redo file and makes it durable, but not its name. Returns its size.
    pub fn write_redo(&self, path: &Path) -> Result<u64> {
        let mut redo = RedoWriter::create(path)?;
        write::<Live>(&mut redo, &self.live)?;
        self.write_lines(&mut redo)?;
        write::<Deadlines>(&mut redo, &self.deadlines)?;
        write::<Archive>(&mut redo, &self.archive)?;
        write::<Buckets>(&mut redo, &self.buckets)?;
        self.write_counts(&mut redo)?;
        let header = Head::value(&self.header)?;
        redo.push(Tree::Header, &Head::key(&()), Some(&header))?;
        redo.finish()
    }

    fn write_lines(&self, redo: &mut RedoWriter) -> Result<()> {
        for line in &self.lines {
            for (place, uuid) in line.overlay.changes() {
                let key = ready::key_in_line(&line.prefix, place);
                let value = uuid.map(Ready::value).transpose()?;
                redo.push(Tree::Ready, &key, value.as_deref())?;
            }
        }
        Ok(())
    }

    fn write_counts(&self, redo: &mut RedoWriter) -> Result<()> {
        for line in &self.lines {
            let count = line.count.to_be_bytes();
            let value = (line.count > 0).then_some(&count[..]);
            redo.push(Tree::Counts, &line.prefix, value)?;
        }
        Ok(())
    }
}

fn write<S: Keyspace<Key: Ord + Clone>>(
    redo: &mut RedoWriter,
    overlay: &Overlay<S::Key, S::Value>,
) -> Result<()> {
    for (key, value) in overlay.changes() {
        let value = value.map(S::value).transpose()?;
        redo.push(S::TREE, &S::key(key), value.as_deref())?;
    }
    Ok(())
}
