//! The data directory: who owns it, and which process holds it.
//!
//! ```text
//! DIR/LOCK       held by one process at a time
//! DIR/identity   magic, format version, cluster id, node id, checksum
//! DIR/group-0/   log/, log-synced, clock-ahead, checkpoint/, redo, snapshot/
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

const MAGIC: &str = "corndogs data directory";
const IDENTITY: &str = "identity";
const IDENTITY_TMP: &str = "identity.tmp";
const LOCK: &str = "LOCK";
/// A process that was just killed may hold the lock until the system has taken its memory back.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// What may lie in a directory that is still taken as empty.
const HARMLESS: [&str; 3] = [LOCK, IDENTITY_TMP, "lost+found"];

/// Who a data directory belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The cluster that it is part of.
    pub cluster_id: Uuid,
    /// The node whose data it holds.
    pub node_id: u64,
}

/// A data directory that this process holds, until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    identity: Option<Identity>,
    _lock: File,
}

/// Why a data directory is refused.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The operating system refused.
    #[error("data directory {}: {action}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// No node has ever used it.
    #[error("{} holds no node's data: give --data-dir the directory of a node", path.display())]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
    /// Another process holds it.
    #[error("data directory {} is in use by another corndogs process; stop that one, or give this one a --data-dir of its own", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It is in use already, and must be new for what is asked.
    #[error("data directory {} holds a node's data already; give --data-dir an empty or new directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// It holds something else.
    #[error("{} is not a corndogs data directory: it holds {found:?} but no identity; give --data-dir an empty or new directory", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// A newer version wrote it.
    #[error("data directory {} has format {format}, this version reads up to {FORMAT}: run the newer version that wrote it, or restore a backup", path.display())]
    TooNew {
        /// The directory.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// It belongs to another node.
    #[error("data directory {} belongs to node {found}, but this is node {expected}: start the node with the directory it was made for", path.display())]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// The node it was made for.
        found: u64,
        /// The node that was started.
        expected: u64,
    },
    /// Its identity can't be read.
    #[error("the identity file in data directory {} is damaged ({reason}): restore it from a backup of the directory, or move the directory away to start empty", path.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl DataDir {
    /// Takes the directory for this process. A new or empty one has no identity yet.
    ///
    /// # Errors
    /// If it is in use, not ours, newer than us, another node's, or damaged.
    pub fn open(path: &Path, node_id: u64) -> Result<Self, DirectoryError> {
        let io = |action| {
            move |source| DirectoryError::Io {
                path: path.to_owned(),
                action,
                source,
            }
        };
        fs::create_dir_all(path).map_err(io("create"))?;
        let identity_path = path.join(IDENTITY);
        let exists = identity_path
            .try_exists()
            .map_err(io("look for the identity"))?;
        if !exists {
            refuse_foreign(path)?;
        }
        let lock = lock(path)?;
        let mut directory = Self {
            path: path.to_owned(),
            identity: None,
            _lock: lock,
        };
        if exists {
            let text = fs::read(&identity_path).map_err(io("read the identity"))?;
            let identity = parse(path, &String::from_utf8_lossy(&text))?;
            if identity.node_id != node_id {
                return Err(DirectoryError::OtherNode {
                    path: path.to_owned(),
                    found: identity.node_id,
                    expected: node_id,
                });
            }
            directory.identity = Some(identity);
        }
        Ok(directory)
    }

    /// Who it belongs to; none as long as it is new.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Gives it its identity, durably.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn claim(&mut self, identity: Identity) -> Result<(), DirectoryError> {
        let written = write_identity(&self.path, &identity);
        written.map_err(|source| DirectoryError::Io {
            path: self.path.clone(),
            action: "write the identity",
            source,
        })?;
        self.identity = Some(identity);
        Ok(())
    }

    /// Its identity, or `fresh` if it has none yet.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn identity_or(&mut self, fresh: Identity) -> Result<Identity, DirectoryError> {
        if self.identity.is_none() {
            self.claim(fresh)?;
        }
        Ok(self.identity.unwrap_or(fresh))
    }

    /// Where a Raft group keeps its files.
    pub fn group(&self, group: u32) -> PathBuf {
        self.path.join(format!("group-{group}"))
    }
}

/// Holds a stopped node's directory as long as the file lives, and changes nothing in it.
///
/// Without a lock file there is nothing to hold: a copy of a directory may have none.
///
/// # Errors
/// If there is no node's directory, or a process holds it.
pub fn hold(path: &Path) -> Result<Option<File>, DirectoryError> {
    if !path.join(IDENTITY).exists() && !path.join("group-0").exists() {
        return Err(DirectoryError::Nothing {
            path: path.to_owned(),
        });
    }
    match File::open(path.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_lock(path)(error)),
        Ok(file) => lock_file(path, file).map(Some),
    }
}

/// Who a stopped node's directory belongs to.
///
/// # Errors
/// If that is damaged, or can't be read.
pub fn read_identity(path: &Path) -> Result<Identity, DirectoryError> {
    let text = fs::read(path.join(IDENTITY)).map_err(|source| DirectoryError::Io {
        path: path.to_owned(),
        action: "read the identity",
        source,
    })?;
    parse(path, &String::from_utf8_lossy(&text))
}

fn refuse_foreign(path: &Path) -> Result<(), DirectoryError> {
    let io = |source| DirectoryError::Io {
        path: path.to_owned(),
        action: "list",
        source,
    };
    for entry in fs::read_dir(path).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let found = name.to_string_lossy();
        if !HARMLESS.contains(&found.as_ref()) {
            return Err(DirectoryError::Foreign {
                path: path.to_owned(),
                found: found.into_owned(),
            });
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, DirectoryError> {
    let mut options = OpenOptions::new();
    let file = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join(LOCK))
        .map_err(cannot_lock(path))?;
    lock_file(path, file)
}

fn cannot_lock(path: &Path) -> impl Fn(io::Error) -> DirectoryError {
    move |source| DirectoryError::Io {
        path: path.to_owned(),
        action: "lock",
        source,
    }
}

fn lock_file(path: &Path, file: File) -> Result<File, DirectoryError> {
    for _ in 0..LOCK_TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(cannot_lock(path)(error.into())),
        }
    }
    Err(DirectoryError::InUse {
        path: path.to_owned(),
    })
}

fn render(identity: &Identity) -> String {
    let body = format!(
        "{MAGIC}\nformat = {FORMAT}\ncluster-id = {}\nnode-id = {}\n",
        identity.cluster_id, identity.node_id
    );
    let checksum = crc32fast::hash(body.as_bytes());
    format!("{body}checksum = {checksum:08x}\n")
}

fn write_identity(path: &Path, identity: &Identity) -> io::Result<()> {
    let tmp = path.join(IDENTITY_TMP);
    let mut file = File::create(&tmp)?;
    file.write_all(render(identity).as_bytes())?;
    file.sync_all()?;
    fs::rename(&tmp, path.join(IDENTITY))?;
    File::open(path)?.sync_all()
}

fn parse(path: &Path, text: &str) -> Result<Identity, DirectoryError> {
    let damaged = |reason| DirectoryError::Damaged {
        path: path.to_owned(),
        reason,
    };
    if text.lines().next() != Some(MAGIC) {
        return Err(damaged("it doesn't start as one"));
    }
    let field = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(" = "));
        fields.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let format: u32 = field("format")
        .and_then(|format| format.parse().ok())
        .ok_or_else(|| damaged("it has no format"))?;
    if format > FORMAT {
        return Err(DirectoryError::TooNew {
            path: path.to_owned(),
            format,
        });
    }
    let cluster_id = field("cluster-id").and_then(|id| Uuid::parse_str(id).ok());
    let node_id = field("node-id").and_then(|id| id.parse().ok());
    let identity = Identity {
        cluster_id: cluster_id.ok_or_else(|| damaged("it has no cluster id"))?,
        node_id: node_id.ok_or_else(|| damaged("it has no node id"))?,
    };
    if render(&identity) != text {
        return Err(damaged("its checksum doesn't match"));
    }
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Identity = Identity {
        cluster_id: Uuid::from_u128(7),
        node_id: 1,
    };

    fn open(path: &Path) -> Result<Identity, DirectoryError> {
        DataDir::open(path, FRESH.node_id)?.identity_or(FRESH)
    }

    #[test]
    fn an_identity_is_written_once() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("new");
        assert_eq!(open(&path)?, FRESH);
        let other = Identity {
            cluster_id: Uuid::from_u128(8),
            node_id: 1,
        };
        assert_eq!(DataDir::open(&path, 1)?.identity_or(other)?, FRESH);
        Ok(())
    }

    #[test]
    fn one_process_at_a_time() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let held = DataDir::open(dir.path(), 1)?;
        assert!(matches!(
            open(dir.path()),
            Err(DirectoryError::InUse { .. })
        ));
        drop(held);
        assert_eq!(open(dir.path())?, FRESH);
        Ok(())
    }

    #[test]
    fn what_is_not_ours_is_left_alone() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("photo.jpg"), "x")?;
        assert!(matches!(
            open(dir.path()),
            Err(DirectoryError::Foreign { .. })
        ));
        assert_eq!(fs::read_dir(dir.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn newer_damaged_and_other_nodes_are_refused() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        open(dir.path())?;
        let identity = dir.path().join(IDENTITY);
        let good = fs::read_to_string(&identity)?;
        fs::write(&identity, good.replace("format = 1", "format = 2"))?;
        assert!(matches!(
            open(dir.path()),
            Err(DirectoryError::TooNew { format: 2, .. })
        ));
        fs::write(&identity, good.replace("node-id = 1", "node-id = 2"))?;
        assert!(matches!(
            open(dir.path()),
            Err(DirectoryError::Damaged { .. })
        ));
        fs::write(&identity, "")?;
        assert!(matches!(
            open(dir.path()),
            Err(DirectoryError::Damaged { .. })
        ));
        fs::write(&identity, good)?;
        let refused = DataDir::open(dir.path(), 2);
        assert!(matches!(
            refused,
            Err(DirectoryError::OtherNode { found: 1, .. })
        ));
        Ok(())
    }
}
