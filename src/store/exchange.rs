//! Snapshots of a running store: written beside its checkpoints, and taken in its state's place.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::disk::{Disk, damage_marker};
use super::durable::Record;
use super::files::{self, failed};
use super::handle::Inner;
use super::keys::{Answers, Archive, Buckets, DocumentRows, FigureRows, Keyspace, Live, Tree};
use super::pace::Report;
use super::record::Header;
use super::recovery;
use super::scan::Chunk;
use super::snapshot::{
    SnapshotFile, SnapshotWriter, UNFINISHED, list_snapshots, read_snapshot, remove_others,
    snapshot_path,
};
use super::state::State;
use super::sum::Sum;
use super::verify::check_snapshot;
use super::view::Result;
use super::{StoreError, View};

/// Between two looks whether a checkpoint is whole again.
const HALF_WRITTEN_PAUSE: Duration = Duration::from_millis(50);

impl Inner {
    /// Begins a scan of the last finished checkpoint, and tells what its header is.
    pub fn begin_scan(&self) -> Result<(Arc<Disk>, Header)> {
        loop {
            {
                let writer = self.writer.lock();
                let disk = writer.disk()?;
                // One whose first attempt failed may be half written; it is tried again.
                if !writer.published {
                    disk.begin_scan()?;
                    return Ok((disk, writer.header.clone()));
                }
            }
            if self.signal.borrow().stop {
                return Err(StoreError::Checkpoint("the store is closed".to_owned()));
            }
            std::thread::sleep(HALF_WRITTEN_PAUSE);
        }
    }

    /// Writes the last finished checkpoint.
    pub fn write_snapshot(&self) -> Result<SnapshotFile> {
        let dir = &self.paths.snapshots;
        let (disk, header) = self.begin_scan()?;
        let index = header.position.index;
        let path = snapshot_path(dir, index);
        let newest = list_snapshots(dir)?.into_iter().next();
        if let Some(same) = newest.filter(|newest| newest.index == index) {
            match check_snapshot(&same.path, index) {
                Ok(_) => {
                    disk.end_scan();
                    return Ok(same);
                }
                Err(error) => tracing::error!(%error, "a snapshot is written anew"),
            }
        }
        let tmp = path.with_extension(UNFINISHED);
        let written = (|| {
            let mut snapshot = SnapshotWriter::create(&tmp, &header)?;
            let mut sum = Sum::default();
            while let Some(chunk) = disk.next_chunk()? {
                for record in parse(&chunk)? {
                    sum.add(&record);
                    snapshot.push(&record)?;
                }
            }
            // The log is purged behind it, and older snapshots go: none must take their place that can't be loaded.
            let whole = sum.check(header.state_hash);
            whole.map_err(|why| StoreError::damaged("checkpoint", why))?;
            snapshot.finish()
        })();
        disk.end_scan();
        let bytes = match written {
            Ok(bytes) => bytes,
            Err(error) => {
                files::remove_file(&tmp)?;
                return disk.noting_damage(Err(error));
            }
        };
        files::publish(&tmp, &path)?;
        remove_others(dir, index)?;
        Ok(SnapshotFile { path, index, bytes })
    }

    /// Replaces the whole state.
    pub fn install_snapshot(&self, path: &Path) -> Result<SnapshotFile> {
        let index = read_snapshot(path)?.header().position.index;
        let bytes = fs::metadata(path).map_err(failed("read", path))?.len();
        let mut snapshot = SnapshotFile {
            path: path.to_owned(),
            index,
            bytes,
        };
        recovery::build(&self.paths, Some(&snapshot), &Report::default())?;
        snapshot.path = snapshot_path(&self.paths.snapshots, index);
        let near = snapshot.path.with_extension(UNFINISHED);
        if snapshot.path != path {
            files::sync_file(path)?;
            files::move_file(path, &near)?;
        }
        let mut writer = self.writer.lock();
        let mut state = self.state.lock();
        // From here on only the snapshot counts, whatever happens.
        files::mark(&damage_marker(&self.paths.checkpoint))?;
        if snapshot.path != path {
            files::publish(&near, &snapshot.path)?;
        }
        remove_others(&self.paths.snapshots, index)?;
        files::remove_file(&self.paths.diverged)?;
        state.close();
        writer.disk = None;
        let disk = Arc::new(recovery::swap(&self.paths)?);
        writer.epoch += 1;
        writer.published = false;
        *state = State::new(disk.clone(), writer.epoch)?;
        writer.header = state.header().clone();
        let disk_bytes = disk.size()?;
        writer.disk = Some(disk);
        *self.job.lock() = None;
        self.signal
            .send_modify(|signal| signal.epoch = writer.epoch);
        self.progress.send_modify(|progress| {
            progress.index = index;
            progress.error = None;
            progress.refusals = 0;
            progress.disk_bytes = disk_bytes;
        });
        Ok(snapshot)
    }
}

/// The rows of a piece of a scan.
pub(super) fn parse((tree, rows): &Chunk) -> Result<Vec<Record>> {
    let parse = |(key, value): &(sled::IVec, sled::IVec)| match tree {
        Tree::Live => Live::parse_value(value).map(Record::Live),
        Tree::Archive => Archive::parse_value(value).map(Record::Archived),
        Tree::Answers => Ok(Record::Answer(
            Answers::parse_key(key)?,
            Answers::parse_value(value)?,
        )),
        Tree::Documents => Ok(Record::Document(
            DocumentRows::parse_key(key)?,
            DocumentRows::parse_value(value)?,
        )),
        Tree::Figures => Ok(Record::Figure(
            FigureRows::parse_key(key)?,
            FigureRows::parse_value(value)?.into(),
        )),
        _ => Ok(Record::Bucket(
            Buckets::parse_key(key)?,
            Buckets::parse_value(value)?,
        )),
    };
    rows.iter().map(parse).collect()
}
