//! `corndogs verify`: looks at every file of a stopped node, and changes none.

use std::path::{Path, PathBuf};

use super::error::ServerError;
use super::open::log_dir;
use crate::clock;
use crate::raft::verify::{LogContents, read_log};
use crate::store::directory::{self, Identity};
use crate::store::record::Position;
use crate::store::verify::{self, Sound};

const NEW_IDENTITY: &str = "put the identity file of a copy of this directory in its place; without one, restore a backup into a new \
     directory, or, in a cluster, replace this node";
const NEW_NODE: &str = "a damaged log is never shortened: restore a backup into a new directory, or, in a cluster, replace this node";
const NEXT_SNAPSHOT: &str = "if log and checkpoint are sound, start the node and take a `corndogs backup`: that writes a new snapshot; \
     otherwise restore a backup into a new directory, or, in a cluster, replace this node";
const BY_ITSELF: &str =
    "start the node: it rebuilds the checkpoint from snapshot and log, if those are sound";
const REMOVE_CHECKPOINT: &str = "if snapshot and log are sound, remove this directory and start the node: it rebuilds the checkpoint from \
     them; otherwise restore a backup into a new directory, or, in a cluster, replace this node";

/// What was found in a data directory.
#[derive(Debug)]
pub struct Verified {
    /// Who it belongs to; none if that can't be read.
    pub identity: Option<Identity>,
    /// What was looked at, in order.
    pub parts: Vec<Part>,
}

/// A part of a data directory.
#[derive(Debug)]
pub struct Part {
    /// Which part.
    pub name: &'static str,
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds, or what is damaged.
    pub found: String,
    /// What to do, if it is damaged.
    pub advice: Option<&'static str>,
}

impl Verified {
    fn sound(&mut self, name: &'static str, path: &Path, found: String) {
        self.parts.push(Part {
            name,
            path: path.to_owned(),
            found,
            advice: None,
        });
    }

    fn damaged(
        &mut self,
        name: &'static str,
        path: &Path,
        found: impl ToString,
        advice: &'static str,
    ) {
        self.parts.push(Part {
            name,
            path: path.to_owned(),
            found: found.to_string(),
            advice: Some(advice),
        });
    }
}

/// Checks a stopped node's directory. The checkpoint is checked as a copy under `scratch`;
/// `tell` hears where that goes and how many bytes it takes, before it is made.
///
/// # Errors
/// If a process holds the directory, it is no node's, or the copy can't be made.
pub fn verify(
    data_dir: &Path,
    scratch: &Path,
    tell: impl Fn(&Path, u64),
) -> Result<Verified, ServerError> {
    let _held = directory::hold(data_dir)?;
    let group = data_dir.join("group-0");
    let mut verified = Verified {
        identity: None,
        parts: Vec::new(),
    };
    check_identity(data_dir, &mut verified);
    let log = check_log(&group, &mut verified);
    let redo_is_whole = check_redo(&group, &mut verified);
    let snapshot = check_snapshots(&group, &mut verified);
    if let Some(log) = &log {
        check_snapshot_position(&group, log, snapshot.as_ref(), &mut verified);
    }
    if redo_is_whole {
        check_checkpoint(&group, scratch, tell, log.as_ref(), &mut verified)?;
    } else {
        let why = "nobody can tell what is missing in it: a redo file is damaged";
        verified.damaged("checkpoint", &group.join("checkpoint"), why, BY_ITSELF);
    }
    Ok(verified)
}

fn check_identity(data_dir: &Path, verified: &mut Verified) {
    let path = data_dir.join("identity");
    match directory::read_identity(data_dir) {
        Ok(identity) => {
            verified.identity = Some(identity);
            let found = format!(
                "node {} of cluster {}",
                identity.node_id, identity.cluster_id
            );
            verified.sound("identity", &path, found);
        }
        Err(error) => verified.damaged("identity", &path, error, NEW_IDENTITY),
    }
}

fn check_log(group: &Path, verified: &mut Verified) -> Option<LogContents> {
    let dir = log_dir(group);
    match read_log(&dir) {
        Ok(log) => {
            let mut found = format!(
                "{} files, {} records, entries {} to before {}",
                log.files,
                log.records,
                log.first_index(),
                log.next_index()
            );
            if log.torn_bytes > 0 {
                let torn = format!(
                    "; a crash cut the last record after {} bytes: it was never acknowledged, and the next start drops it",
                    log.torn_bytes
                );
                found.push_str(&torn);
            }
            verified.sound("log", &dir, found);
            Some(log)
        }
        Err(damage) => {
            verified.damaged("log", &damage.path, &damage.detail, NEW_NODE);
            None
        }
    }
}

fn check_redo(group: &Path, verified: &mut Verified) -> bool {
    let names = ["redo", "redo.done"];
    let mut are_whole = true;
    for (name, path) in names.into_iter().zip(verify::redo_files(group)) {
        match verify::check_redo(&path) {
            Ok(None) => verified.sound(name, &path, "none".to_owned()),
            Ok(Some(changes)) => verified.sound(name, &path, format!("{changes} changes")),
            Err(error) => {
                verified.damaged(name, &path, error, BY_ITSELF);
                are_whole = false;
            }
        }
    }
    are_whole
}

/// Checks all snapshots, and returns the newest that is sound.
fn check_snapshots(group: &Path, verified: &mut Verified) -> Option<Sound> {
    let dir = group.join("snapshot");
    let files = match verify::snapshots(group) {
        Ok(files) => files,
        Err(error) => {
            verified.damaged("snapshot", &dir, error, NEXT_SNAPSHOT);
            return None;
        }
    };
    if files.is_empty() {
        verified.sound("snapshot", &dir, "none".to_owned());
    }
    let mut newest = None;
    for file in files {
        match verify::check_snapshot(&file) {
            Ok(sound) => {
                verified.sound("snapshot", &file.path, describe(&sound));
                newest.get_or_insert(sound);
            }
            Err(error) => verified.damaged("snapshot", &file.path, error, NEXT_SNAPSHOT),
        }
    }
    newest
}

fn describe(sound: &Sound) -> String {
    format!(
        "{} live tasks at log index {}, state hash {:016x}",
        sound.live, sound.position.index, sound.state_hash
    )
}

/// The log goes on where the newest sound snapshot ends: nothing is purged that only the log had.
fn check_snapshot_position(
    group: &Path,
    log: &LogContents,
    snapshot: Option<&Sound>,
    verified: &mut Verified,
) {
    let dir = group.join("snapshot");
    let position = snapshot.map(|sound| &sound.position);
    let fits = log.check_position(position.unwrap_or(&Position::default()));
    match (fits, position) {
        (Ok(()), Some(_)) => {
            let found = "the newest snapshot and the log make the whole state".to_owned();
            verified.sound("snapshot and log", &dir, found);
        }
        (Ok(()), None) => {
            let found = "the log alone makes the whole state".to_owned();
            verified.sound("snapshot and log", &dir, found);
        }
        (Err(why), Some(position)) => {
            let why = format!("the newest sound snapshot, at {}: {why}", position.index);
            verified.damaged("snapshot and log", &dir, why, NEXT_SNAPSHOT);
        }
        (Err(why), None) => {
            let why = format!("without a sound snapshot: the state: {why}");
            verified.damaged("snapshot and log", &dir, why, NEXT_SNAPSHOT);
        }
    }
}

fn check_checkpoint(
    group: &Path,
    scratch: &Path,
    tell: impl Fn(&Path, u64),
    log: Option<&LogContents>,
    verified: &mut Verified,
) -> Result<(), ServerError> {
    let dir = group.join("checkpoint");
    if let Err(error) = verify::check_mark(group) {
        verified.damaged("checkpoint", &dir, error, BY_ITSELF);
        return Ok(());
    }
    let Some(bytes) = verify::copy_bytes(group)? else {
        // A node that was stopped in its first moments has none yet, and nothing to keep in it.
        if log.is_some_and(|log| log.next_index() == 0) {
            verified.sound("checkpoint", &dir, "none".to_owned());
        } else {
            verified.damaged("checkpoint", &dir, "there is none", BY_ITSELF);
        }
        return Ok(());
    };
    let copy_dir = scratch.join(format!("corndogs-verify-{}", clock::random_uuid()));
    tell(&copy_dir, bytes);
    let copy = verify::copy(group, copy_dir.clone(), bytes)?;
    let sound = match copy.check() {
        Ok(sound) => sound,
        Err(error) if error.is_full() => return Err(error.into()),
        Err(error) => {
            // The copy is gone by the time that somebody reads this.
            let error = error.to_string();
            let error = error.replace(
                &copy_dir.display().to_string(),
                &group.display().to_string(),
            );
            verified.damaged("checkpoint", &dir, error, REMOVE_CHECKPOINT);
            return Ok(());
        }
    };
    verified.sound("checkpoint", &dir, describe(&sound));
    match log.map(|log| log.check_position(&sound.position)) {
        Some(Ok(())) => {
            let found = "the log goes on where the checkpoint ends".to_owned();
            verified.sound("checkpoint and log", &dir, found);
        }
        Some(Err(why)) => {
            let why = format!("the checkpoint, at {}: {why}", sound.position.index);
            verified.damaged("checkpoint and log", &dir, why, NEW_NODE);
        }
        // What a damaged log would say of it is not to be trusted.
        None => {}
    }
    Ok(())
}
