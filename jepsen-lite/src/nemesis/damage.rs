//! Files of a stopped node are damaged. A node that refuses to start and says why is right, and so is one that repairs itself; one that starts must
//! agree with the others. One node at a time: a majority that forgets what it has promised is beyond any replication.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::scene::Scene;
use crate::Failed;
use crate::cluster::{Node, Started, files};
use crate::random::Random;
use crate::report::number;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Some bits are others.
    Flip,
    /// The end is gone.
    Cut,
}

/// A damaged file is of one of these kinds, by what its path within the data directory begins with.
const KINDS: [&str; 5] = [
    "identity",
    "group-0/log/",
    "group-0/checkpoint/",
    "group-0/redo",
    "group-0/snapshot/",
];

/// Damages a file of a killed node, starts it, and replaces it where it refuses.
pub async fn attack(scene: &mut Scene<'_>, harm: Harm) -> Result<(), Failed> {
    let id = scene.victim()?;
    scene.begin(&[id]);
    let node = scene.cluster.node(id)?;
    node.kill().await?;
    let data = node.data().to_owned();
    let Some(file) = choose(&data, &mut scene.random)? else {
        return Err(format!("there is no file to damage in {}", data.display()).into());
    };
    let did = match harm {
        Harm::Flip => flip(&file, &mut scene.random)?,
        Harm::Cut => cut(&file, &mut scene.random)?,
    };
    let name = file.strip_prefix(&data).unwrap_or(&file).display();
    scene.did(format!("{name}: {did}"));
    scene.linger().await;
    let node = scene.cluster.node(id)?;
    node.start()?;
    match node.started(crate::cluster::PATIENCE).await? {
        Started::Ready => {
            scene.did("it starts all the same");
            Ok(())
        }
        Started::Ended(status) => {
            let why = refusal(node, &data, status)?;
            scene.did(format!("it refuses to start: {why}"));
            scene.cluster.replace(id).await?;
            scene.did("replaced");
            Ok(())
        }
        Started::Waits(why) => Err(node.failed(&format!("neither starts nor ends: {why}"))),
    }
}

/// What a node says that refuses to start, if it is fit for an operator.
fn refusal(node: &Node, data: &Path, status: std::process::ExitStatus) -> Result<String, Failed> {
    let why = node.last_words();
    let is_clear = status.code() == Some(1)
        && why.contains(&*data.to_string_lossy())
        && !node.said().contains("panicked");
    match is_clear {
        true => Ok(why.replace(&*data.to_string_lossy(), "…")),
        false => Err(node.failed(&format!(
            "refuses a damaged file without a clear word ({status})"
        ))),
    }
}

/// A file that holds something, each kind as often as the others.
fn choose(data: &Path, random: &mut Random) -> Result<Option<PathBuf>, Failed> {
    let mut kinds: Vec<Vec<PathBuf>> = vec![Vec::new(); KINDS.len()];
    for file in files::list(data)? {
        let name = file.strip_prefix(data)?.to_string_lossy().into_owned();
        let kind = KINDS.iter().position(|kind| name.starts_with(kind));
        let kind = kind.and_then(|kind| kinds.get_mut(kind));
        if let Some(kind) = kind.filter(|_| fs::metadata(&file).is_ok_and(|file| file.len() > 0)) {
            kind.push(file);
        }
    }
    kinds.retain(|kind| !kind.is_empty());
    let kind = random.one_of(&kinds).cloned().unwrap_or_default();
    Ok(random.one_of(&kind).cloned())
}

/// One to eight bits anywhere.
fn flip(path: &Path, random: &mut Random) -> Result<String, Failed> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let bits = 1 + random.below(8);
    let mut places = Vec::new();
    for _ in 0..bits {
        let at = random.below(length);
        let mut byte = [0];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut byte)?;
        file.seek(SeekFrom::Start(at))?;
        let [byte] = byte;
        file.write_all(&[byte ^ (1 << random.below(8))])?;
        places.push(at.to_string());
    }
    Ok(format!(
        "{bits} bits flipped, at {} of {length}",
        places.join(", ")
    ))
}

/// A few bytes of the end, or any part of the file.
fn cut(path: &Path, random: &mut Random) -> Result<String, Failed> {
    const FEW: u64 = 64;
    let file = File::options().write(true).open(path)?;
    let length = file.metadata()?.len();
    let most = if random.below(2) == 0 {
        FEW.min(length)
    } else {
        length
    };
    let gone = 1 + random.below(most);
    file.set_len(length - gone)?;
    Ok(format!(
        "the last {} of {length} bytes cut off",
        number(gone)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harm_is_done() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        for seed in 0..50 {
            let mut random = Random::new(seed, 0);
            fs::write(&path, [7; 1000]).unwrap();
            flip(&path, &mut random).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), 1000);
            cut(&path, &mut random).unwrap();
            assert!(fs::metadata(&path).unwrap().len() < 1000);
        }
    }

    #[test]
    fn all_kinds_of_files_are_damaged() {
        let home = tempfile::tempdir().unwrap();
        let mut random = Random::new(1, 0);
        assert_eq!(choose(home.path(), &mut random).unwrap(), None);
        for name in ["log", "checkpoint", "snapshot"] {
            let directory = home.path().join("group-0").join(name);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("empty"), "").unwrap();
            fs::write(directory.join("file"), "x").unwrap();
        }
        fs::write(home.path().join("group-0/redo"), "x").unwrap();
        fs::write(home.path().join("identity"), "x").unwrap();
        fs::write(home.path().join("LOCK"), "x").unwrap();
        let chosen = (0..200).map(|_| choose(home.path(), &mut random).unwrap().unwrap());
        let chosen: std::collections::BTreeSet<PathBuf> = chosen.collect();
        assert_eq!(chosen.len(), KINDS.len(), "{chosen:?}");
    }
}
