//! The changes that one checkpoint writes.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::answer::{Answer, Expiry, Footprint};
use super::delayed::FrozenDelayed;
use super::disk::Disk;
use super::documents::FrozenDocuments;
use super::figures::FrozenFigures;
use super::keys::{
    Answers, Archive, Buckets, DocumentRows, Expiries, FigureRows, Head, Keyspace, LineCounts,
    Live, StoredHeader, Tree, Unique,
};
use super::lines::FrozenLine;
use super::overlay::Overlay;
use super::packed::Packed;
use super::record::{Bucket, BucketKey, Deadline, Name, Ripening, Task};
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
    pub(super) delayed: FrozenDelayed,
    pub(super) unique: Arc<Overlay<(Name, Name), Uuid>>,
    pub(super) archive: Arc<Overlay<Uuid, Arc<Task>>>,
    pub(super) buckets: Arc<Overlay<BucketKey, Bucket>>,
    pub(super) answers: Arc<Overlay<Name, Arc<Answer>>>,
    pub(super) expiries: Arc<Overlay<Expiry, Footprint>>,
    pub(super) documents: FrozenDocuments,
    pub(super) figures: FrozenFigures,
}

impl Frozen {
    /// The last log entry whose changes are here.
    pub fn index(&self) -> u64 {
        self.header.header.position.index
    }

    /// Writes a redo file and makes it durable, but not its name. Returns its size.
    ///
    /// The chunks of the indexes are worked out from what is in the checkpoint now, so
    /// nothing may change there until they are all written.
    pub fn write_redo(&self, path: &Path, disk: &Disk) -> Result<u64> {
        let mut redo = RedoWriter::create(path)?;
        write::<Live>(&mut redo, &self.live)?;
        self.write_lines(&mut redo, disk)?;
        let deadlines = Packed::<Deadline>::all(disk);
        deadlines.repack(changes(&self.deadlines), |rows| {
            redo.push_together(Tree::Deadlines, rows)
        })?;
        let delayed = Packed::<Ripening>::all(disk);
        delayed.repack(changes(&self.delayed.overlay), |rows| {
            redo.push_together(Tree::Delayed, rows)
        })?;
        write::<Unique>(&mut redo, &self.unique)?;
        write::<Archive>(&mut redo, &self.archive)?;
        write::<Buckets>(&mut redo, &self.buckets)?;
        write::<Answers>(&mut redo, &self.answers)?;
        write::<Expiries>(&mut redo, &self.expiries)?;
        for (key, value) in &self.documents {
            redo.push(Tree::Documents, &DocumentRows::key(key), value.as_deref())?;
        }
        for (key, cell) in &self.figures {
            let value = cell.as_ref().map(FigureRows::value).transpose()?;
            redo.push(Tree::Figures, &FigureRows::key(key), value.as_deref())?;
        }
        self.write_counts(&mut redo)?;
        let header = Head::value(&self.header)?;
        redo.push(Tree::Header, &Head::key(&()), Some(&header))?;
        redo.finish()
    }

    fn write_lines(&self, redo: &mut RedoWriter, disk: &Disk) -> Result<()> {
        for line in &self.lines {
            let base = Packed::line(disk, line.prefix.clone());
            base.repack(changes(&line.overlay), |rows| {
                redo.push_together(Tree::Ready, rows)
            })?;
        }
        Ok(())
    }

    fn write_counts(&self, redo: &mut RedoWriter) -> Result<()> {
        let lines = self.lines.iter().map(|line| (&line.prefix, &line.count));
        let delayed = self.delayed.counts.iter();
        let counts = lines.chain(delayed.map(|(prefix, count)| (prefix, count)));
        for (prefix, count) in counts {
            let value = LineCounts::value(count)?;
            let value = (count.live > 0).then_some(&value[..]);
            redo.push(Tree::Counts, prefix, value)?;
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

fn changes<K: Ord + Copy>(overlay: &Overlay<K, Uuid>) -> impl Iterator<Item = (K, Option<Uuid>)> {
    let changes = overlay.changes();
    changes.map(|(key, uuid)| (*key, uuid.copied()))
}
