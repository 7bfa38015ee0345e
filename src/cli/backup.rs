//! `corndogs backup`: a snapshot of the state in a file. The file appears once it is complete and on disk.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tonic::Streaming;

use super::answer::{Answer, Failure};
use super::client::{Client, MAX_MESSAGE};
use super::human::lines;
use crate::proto::cluster::cluster_service_client::ClusterServiceClient;
use crate::proto::cluster::{BackupChunk, BackupRequest};

/// Writes a snapshot of the state to a file.
///
/// The deadline is for each piece of it, not for the whole.
#[derive(Debug, Args)]
pub struct Backup {
    /// The file; one that is there already is replaced once the new one is complete.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    client: Client,
}

#[derive(Serialize)]
struct Written {
    file: String,
    bytes: u64,
}

impl Backup {
    pub async fn run(self) -> Result<Answer, Failure> {
        let channel = self.client.connect().await?;
        let mut service = ClusterServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let chunks = self
            .client
            .in_time(service.backup(BackupRequest {}))
            .await?
            .into_inner();
        let partial = partial(&self.out).map_err(|error| self.failed(&error))?;
        let copied = self.copy(chunks, &partial).await;
        if copied.is_err() {
            // The failure is what counts; a file left behind is named like no backup.
            _ = std::fs::remove_file(&partial);
        }
        let written = Written {
            file: self.out.display().to_string(),
            bytes: copied?,
        };
        Answer::new(self.client.format, &written, |w| {
            lines(&[("file", w.file.clone()), ("bytes", w.bytes.to_string())])
        })
    }

    /// Everything into `partial`, then that into place.
    async fn copy(
        &self,
        mut chunks: Streaming<BackupChunk>,
        partial: &Path,
    ) -> Result<u64, Failure> {
        // It holds payloads: for its owner only.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(partial)
            .map_err(|error| self.failed(&error))?;
        let mut bytes = 0;
        while let Some(chunk) = self.client.in_time(chunks.message()).await? {
            file.write_all(&chunk.data)
                .map_err(|error| self.failed(&error))?;
            bytes += chunk.data.len() as u64;
        }
        if bytes == 0 {
            return Err(self.failed(&"the server sent nothing"));
        }
        let durable = || {
            file.sync_all()?;
            std::fs::rename(partial, &self.out)?;
            File::open(directory(&self.out))?.sync_all()
        };
        durable().map_err(|error: std::io::Error| self.failed(&error))?;
        Ok(bytes)
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> Failure {
        Failure::Failed(format!("{}: {reason}", self.out.display()))
    }
}

/// Where the backup grows: beside its place, so that it can be renamed.
fn partial(out: &Path) -> std::io::Result<PathBuf> {
    let name = out.file_name().filter(|_| !out.is_dir());
    let Some(name) = name else {
        return Err(std::io::Error::from(std::io::ErrorKind::IsADirectory));
    };
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.partial", std::process::id()));
    Ok(directory(out).join(partial))
}

fn directory(out: &Path) -> &Path {
    match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
