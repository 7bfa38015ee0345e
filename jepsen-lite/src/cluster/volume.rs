//! A file system of a node's own: ext4 on a loop device, which can be filled, and whose power can be cut.
//!
//! The power is cut by the ioctl `EXT4_IOC_SHUTDOWN` without a flush of its journal, as `xfs_io -x` asks for it: from
//! then on nothing reaches the device, and what was not synced is gone with the page cache at the unmount. The next mount
//! replays the journal like a machine that starts again. What ext4 wrote back by itself before counts as written: the device here
//! has no cache of its own to lose.
//!
//! Whoever writes there must be stopped before: a sync that meets the ioctl may report success for what is lost (2 of 60 tries
//! with Linux 6.18), and no machine without power tells that to anybody.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::tools::{find, run, text};
use crate::Failed;

/// The size of a node's disk. The image is sparse: it takes what was once written.
pub const VOLUME_BYTES: u64 = 1 << 30;
/// The file that fills it.
const FILLER: &str = "filler";
/// Nothing that holds a volume up lasts longer, in tenths of a second.
const UNMOUNT_TRIES: u32 = 50;

/// A mounted file system. It is unmounted when it is dropped, which lets the loop device go, too.
pub struct Volume {
    image: PathBuf,
    directory: PathBuf,
}

impl Volume {
    /// Makes and mounts one of that size; image and directory have that name in `home`.
    ///
    /// # Errors
    /// Where the machine can't do that.
    pub async fn create(home: &Path, name: &str, bytes: u64) -> Result<Self, Failed> {
        let image = home.join(format!("{name}.ext4"));
        let directory = home.join(name);
        fs::File::create(&image)?.set_len(bytes)?;
        fs::create_dir_all(&directory)?;
        run("mkfs.ext4", &["-q", "-F", "-m", "0", text(&image)?]).await?;
        let volume = Self { image, directory };
        volume.mount().await?;
        Ok(volume)
    }

    /// Where it is mounted.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Mounts it, and so replays its journal.
    ///
    /// # Errors
    /// What `mount` says.
    pub async fn mount(&self) -> Result<(), Failed> {
        let (image, directory) = (text(&self.image)?, text(&self.directory)?);
        run("mount", &["-t", "ext4", "-o", "loop", image, directory]).await?;
        Ok(())
    }

    /// Unmounts it. No process may use it any more.
    ///
    /// # Errors
    /// What `umount` says.
    pub async fn unmount(&self) -> Result<(), Failed> {
        let mut tries = 0;
        loop {
            let unmounted = run("umount", &[text(&self.directory)?]).await;
            tries += 1;
            if unmounted.is_ok() || tries == UNMOUNT_TRIES {
                return unmounted.map(drop);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// The switch of its power. Made before it is used, so that turning it off takes no time.
    ///
    /// # Errors
    /// Where `xfs_io` does not start.
    pub fn switch(&self) -> Result<Switch, Failed> {
        let program = find("xfs_io").ok_or("xfs_io is not installed")?;
        let mut command = Command::new(program);
        command.args(["-x", text(&self.directory)?]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        Ok(Switch(command.stderr(Stdio::piped()).spawn()?))
    }

    /// Fills it but for so many bytes; how many bytes that took.
    ///
    /// # Errors
    /// What the system says.
    pub fn fill(&self, but_bytes: u64) -> Result<u64, Failed> {
        let space = rustix::fs::statvfs(&self.directory)?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let file = fs::File::create(self.directory.join(FILLER))?;
        let mut bytes = free.saturating_sub(but_bytes);
        // The file system needs a little for the file itself.
        while bytes > 0 {
            let none = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&file, none, 0, bytes) {
                Ok(()) => break,
                Err(rustix::io::Errno::NOSPC) => bytes = bytes.saturating_sub(64 << 10),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(bytes)
    }

    /// Takes the filling away.
    ///
    /// # Errors
    /// What the system says.
    pub fn empty(&self) -> Result<(), Failed> {
        Ok(fs::remove_file(self.directory.join(FILLER))?)
    }
}

/// What a volume's power hangs on.
pub struct Switch(Child);

impl Switch {
    /// Cuts the power: from now on all reads and writes fail, and nothing that was not synced will be found.
    ///
    /// # Errors
    /// What `xfs_io` says.
    pub fn turn_off(mut self) -> Result<(), Failed> {
        let input = self.0.stdin.take();
        input
            .ok_or("xfs_io takes no input")?
            .write_all(b"shutdown\n")?;
        let ended = self.0.wait_with_output()?;
        let said = String::from_utf8_lossy(&ended.stderr);
        match ended.status.success() && said.is_empty() {
            true => Ok(()),
            false => Err(format!("xfs_io: {}: {}", ended.status, said.trim()).into()),
        }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        unmount_now(&self.directory);
    }
}

/// Unmounts without waiting for whoever still uses it.
pub fn unmount_now(directory: &Path) {
    let Some(umount) = find("umount") else { return };
    let mut umount = Command::new(umount);
    umount.arg("-l").arg(directory);
    // It may not be mounted just now, and nobody is left who could be told.
    let _ = umount.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Why this machine can't do it.
pub async fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it mounts file systems; run it as root".to_owned());
    }
    for (program, package) in [
        ("mkfs.ext4", "e2fsprogs"),
        ("mount", "mount"),
        ("xfs_io", "xfsprogs"),
    ] {
        if find(program).is_none() {
            return Some(format!(
                "{program} is not there; install it (`apt-get install {package}`)"
            ));
        }
    }
    try_out().await.err().map(|error| {
        format!("{error}; it needs loop devices and ext4 (in a container: --privileged)")
    })
}

/// A volume that loses what was not synced, and keeps what was.
async fn try_out() -> Result<(), Failed> {
    let home = super::home::Home::create()?;
    let volume = Volume::create(home.path(), "trial", 16 << 20).await?;
    let (kept, lost) = (
        volume.directory.join("synced"),
        volume.directory.join("unsynced"),
    );
    fs::write(&kept, "x")?;
    fs::File::open(&kept)?.sync_all()?;
    fs::File::open(&volume.directory)?.sync_all()?;
    fs::write(&lost, "x")?;
    volume.switch()?.turn_off()?;
    volume.unmount().await?;
    volume.mount().await?;
    if fs::read(&kept)? != b"x" || fs::read(&lost).is_ok_and(|bytes| bytes == b"x") {
        return Err("a power cut does not lose what was not synced, and only that".into());
    }
    Ok(())
}
