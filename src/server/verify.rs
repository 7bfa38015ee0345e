//! `corndogs verify`: looks at every file of a stopped node, and changes none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ahead;
use super::error::ServerError;
use super::open::log_dir;
use crate::clock;
use crate::node::remedy::Remedy;
use crate::note::{self, Note};
use crate::raft::verify::{LogContents, LogFile, note_path, read_log};
use crate::store::directory::{self, Identity};
use crate::store::diverged_in;
use crate::store::record::Position;
use crate::store::verify::{self, Sound};

/// What to do about a damaged part.
#[derive(Debug, Clone, Copy)]
enum Advice {
    NewIdentity,
    NewNode,
    NextSnapshot,
    ByItself,
    RemoveCheckpoint,
    NewState,
}

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
    pub advice: Option<String>,
}

impl Advice {
    /// In words. Nobody knows here whether the directory is that of a cluster's node.
    fn text(self, identity: Option<Identity>) -> String {
        let replace = match identity {
            Some(Identity { node_id, .. }) => Remedy::Replace { node_id }.to_string(),
            None => "start this node with an empty data directory, and do what it says".to_owned(),
        };
        let anew = format!("{}, or, in a cluster, {replace}", Remedy::Restore);
        match self {
            Self::NewIdentity => format!(
                "put the identity file of a copy of this directory in its place; without one, {anew}"
            ),
            Self::NewNode => format!("a damaged log is never shortened: {anew}"),
            Self::NewState => format!("don't go on with this state: {anew}"),
            Self::NextSnapshot => format!(
                "if log and checkpoint are sound, start the node and take a `corndogs backup`: that writes a new snapshot; otherwise {anew}"
            ),
            Self::ByItself => format!(
                "start the node: it makes it anew, the checkpoint from snapshot and log; if those are not sound, {anew}"
            ),
            Self::RemoveCheckpoint => format!(
                "if snapshot and log are sound, remove this directory and start the node: it rebuilds the checkpoint from them; otherwise {anew}"
            ),
        }
    }
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

    fn damaged(&mut self, name: &'static str, path: &Path, found: impl ToString, advice: Advice) {
        self.parts.push(Part {
            name,
            path: path.to_owned(),
            found: found.to_string(),
            advice: Some(advice.text(self.identity)),
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
    check_ahead(&group, &mut verified);
    let redo_is_whole = check_redo(&group, &mut verified);
    let snapshot = check_snapshots(&group, &mut verified);
    if let Some(log) = &log {
        check_snapshot_position(&group, log, snapshot.as_ref(), &mut verified);
    }
    check_diverged(&group, &mut verified)?;
    if redo_is_whole {
        check_checkpoint(&group, scratch, tell, log.as_ref(), &mut verified)?;
    } else {
        let why = "nobody can tell what is missing in it: a redo file is damaged";
        verified.damaged(
            "checkpoint",
            &group.join("checkpoint"),
            why,
            Advice::ByItself,
        );
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
        Err(error) => verified.damaged("identity", &path, error, Advice::NewIdentity),
    }
}

fn check_log(group: &Path, verified: &mut Verified) -> Option<LogContents> {
    let dir = log_dir(group);
    let log = match read_log(&dir) {
        Ok(log) => log,
        Err(damage) => {
            verified.damaged("log", &damage.path, &damage.detail, Advice::NewNode);
            return None;
        }
    };
    for file in &log.files {
        verified.sound("log", &file.path, describe_file(file));
    }
    let found = format!(
        "entries {} to before {}",
        log.first_index(),
        log.next_index()
    );
    verified.sound("log", &dir, found);
    let note = note_path(&dir);
    if log.note_is_damaged {
        let found = "it can't be read up to where the log was synced";
        verified.damaged("log-synced", &note, found, Advice::ByItself);
    } else {
        let found = format!("the log was synced up to byte {}", log.synced_bytes);
        verified.sound("log-synced", &note, found);
    }
    Some(log)
}

/// Most nodes have none: their wall clock was never ahead.
fn check_ahead(group: &Path, verified: &mut Verified) {
    let path = ahead::path(group);
    let mut damaged = |why: String| {
        verified.damaged("clock-ahead", &path, why, Advice::ByItself);
    };
    match note::look(&path, ahead::MAGIC) {
        Ok(Note::None) => {}
        Ok(Note::Is(ahead_ns)) => {
            let ahead = Duration::from_nanos(ahead_ns);
            let found = format!("the wall clock was {ahead:.1?} ahead of the cluster's");
            verified.sound("clock-ahead", &path, found);
        }
        Ok(Note::Damaged) => damaged("how far the wall clock was ahead can't be read".into()),
        Err(error) => damaged(error.to_string()),
    }
}

fn describe_file(file: &LogFile) -> String {
    let name = file.path.file_name().unwrap_or_default();
    let found = format!("{}: {} records", name.display(), file.records);
    match file.torn_bytes {
        0 => found,
        bytes => format!(
            "{found}; a crash cut the last one after {bytes} bytes: it was never acknowledged, and the next start drops it"
        ),
    }
}

/// Whether the node was found to have another state than the others of its cluster.
fn check_diverged(group: &Path, verified: &mut Verified) -> Result<(), ServerError> {
    if let Some(why) = diverged_in(group)? {
        verified.damaged("state", &group.join("diverged"), why, Advice::NewState);
    }
    Ok(())
}

fn check_redo(group: &Path, verified: &mut Verified) -> bool {
    let names = ["redo", "redo.done"];
    let mut are_whole = true;
    for (name, path) in names.into_iter().zip(verify::redo_files(group)) {
        match verify::check_redo(&path) {
            Ok(None) => verified.sound(name, &path, "none".to_owned()),
            Ok(Some(changes)) => verified.sound(name, &path, format!("{changes} changes")),
            Err(error) => {
                verified.damaged(name, &path, error, Advice::ByItself);
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
            verified.damaged("snapshot", &dir, error, Advice::NextSnapshot);
            return None;
        }
    };
    if files.is_empty() {
        verified.sound("snapshot", &dir, "none".to_owned());
    }
    let mut newest = None;
    for file in files {
        match verify::check_snapshot(&file.path, file.index) {
            Ok(sound) => {
                let name = file.path.file_name().unwrap_or_default();
                let found = format!("{}: {}", name.display(), describe(&sound));
                verified.sound("snapshot", &file.path, found);
                newest.get_or_insert(sound);
            }
            Err(error) => verified.damaged("snapshot", &file.path, error, Advice::NextSnapshot),
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
            verified.damaged("snapshot and log", &dir, why, Advice::NextSnapshot);
        }
        (Err(why), None) => {
            let why = format!("without a sound snapshot: the state: {why}");
            verified.damaged("snapshot and log", &dir, why, Advice::NextSnapshot);
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
        verified.damaged("checkpoint", &dir, error, Advice::ByItself);
        return Ok(());
    }
    let Some(bytes) = verify::copy_bytes(group)? else {
        // A node that was stopped in its first moments has none yet, and nothing to keep in it.
        if log.is_some_and(|log| log.next_index() == 0) {
            verified.sound("checkpoint", &dir, "none".to_owned());
        } else {
            verified.damaged("checkpoint", &dir, "there is none", Advice::ByItself);
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
            verified.damaged("checkpoint", &dir, error, Advice::RemoveCheckpoint);
            return Ok(());
        }
    };
    for (keyspace, rows) in &sound.rows {
        let found = format!("{keyspace}: {rows} rows");
        verified.sound("keyspace", &dir, found);
    }
    verified.sound("checkpoint", &dir, describe(&sound));
    match log.map(|log| log.check_position(&sound.position)) {
        Some(Ok(())) => {
            let found = "the log goes on where the checkpoint ends".to_owned();
            verified.sound("checkpoint and log", &dir, found);
        }
        Some(Err(why)) => {
            let why = format!("the checkpoint, at {}: {why}", sound.position.index);
            verified.damaged("checkpoint and log", &dir, why, Advice::NewNode);
        }
        // What a damaged log would say of it is not to be trusted.
        None => {}
    }
    Ok(())
}
