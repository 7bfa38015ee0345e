//! Receives a snapshot: into a file beside the others, and from there into the state's place.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use tonic::{Status, Streaming};

use super::wire;
use crate::proto::durable;
use crate::proto::peer::{SnapshotChunk, SnapshotStart, snapshot_chunk::Part};
use crate::raft::Raft;
use crate::raft::codec::membership_from_bytes;
use crate::raft::machine::{SnapshotData, THREAD};
use crate::raft::types::{TypeConfig, Vote};
use crate::store::SteadyFile;
use crate::store::verify::check_snapshot;
use crate::work;
use prost::Message;

/// Takes the whole stream and installs it; what this node promised by then is the answer.
///
/// Whatever goes wrong leaves nothing behind, and the leader sends the snapshot again. One that is damaged is refused with
/// `DATA_LOSS` before Raft has it, which would stop for good: the leader then looks at its own.
pub async fn receive(raft: &Raft, mut chunks: Streaming<SnapshotChunk>) -> Result<Vote, Status> {
    let Some(Part::Start(start)) = chunks.message().await?.and_then(|chunk| chunk.part) else {
        return Err(Status::invalid_argument(
            "a snapshot must begin with its start",
        ));
    };
    let vote =
        wire::vote_in(start.vote).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let meta = meta(&start)?;
    let path = raft.incoming_snapshot();
    let incoming = Incoming(path.clone());
    tracing::info!(bytes = start.file_bytes, "receiving a snapshot");
    let failed = |error: io::Error| Status::unavailable(format!("{}: {error}", path.display()));
    save(&path, start.file_bytes, &mut chunks)
        .await?
        .map_err(failed)?;
    check(path.clone(), &meta).await?;
    let snapshot = SnapshotOf::<TypeConfig, SnapshotData> {
        meta,
        snapshot: SnapshotData { path: path.clone() },
    };
    let installed = raft.openraft().install_full_snapshot(vote, snapshot).await;
    let installed = installed.map_err(|fatal| Status::unavailable(fatal.to_string()))?;
    drop(incoming);
    Ok(installed.vote)
}

/// Reads what came, row by row.
async fn check(path: PathBuf, meta: &SnapshotMetaOf<TypeConfig>) -> Result<(), Status> {
    let index = meta.last_log_id.map_or(0, |log_id| log_id.index);
    let checked = work::long(THREAD, move || check_snapshot(&path, index)).await;
    let checked = checked.map_err(|error| Status::unavailable(error.to_string()))?;
    checked
        .map(drop)
        .map_err(|error| Status::data_loss(format!("the snapshot that came: {error}")))
}

/// A file that is removed again, unless it was moved into its place.
struct Incoming(PathBuf);

impl Drop for Incoming {
    fn drop(&mut self) {
        // Gone is good.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) fn meta(start: &SnapshotStart) -> Result<SnapshotMetaOf<TypeConfig>, Status> {
    let membership = start
        .membership
        .as_ref()
        .map(durable::Membership::encode_to_vec);
    let membership = membership_from_bytes(&Bytes::from(membership.unwrap_or_default()));
    Ok(SnapshotMetaOf::<TypeConfig> {
        last_log_id: wire::log_id_in(start.last_log_id.as_ref()),
        last_membership: membership.map_err(|error| Status::invalid_argument(error.to_string()))?,
    })
}

/// Writes the pieces as they come, beside the runtime.
async fn save(
    path: &Path,
    file_bytes: u64,
    chunks: &mut Streaming<SnapshotChunk>,
) -> Result<io::Result<()>, Status> {
    let mut file = match File::create(path) {
        Ok(file) => SteadyFile::new(file),
        Err(error) => return Ok(Err(error)),
    };
    let mut written = 0;
    while let Some(chunk) = chunks.message().await? {
        let Some(Part::Data(data)) = chunk.part else {
            return Err(Status::invalid_argument(
                "a snapshot has one start, then data",
            ));
        };
        written += data.len() as u64;
        let wrote = work::blocking(move || file.write_all(&data).map(|()| file)).await;
        file = match wrote.flatten() {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
    }
    if written != file_bytes {
        let what = format!("{written} of the snapshot's {file_bytes} bytes came");
        return Ok(Err(io::Error::new(io::ErrorKind::UnexpectedEof, what)));
    }
    // Synced when it is installed.
    Ok(Ok(()))
}
