//! A disk that fills. Needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::statvfs;
use tempfile::TempDir;

const SIZE_KIB: u64 = 48 << 10;
const MORE: &str = "size=200m";

/// A small file system; it is gone when dropped.
pub struct SmallDisk {
    home: TempDir,
}

impl SmallDisk {
    /// None where this can't be, which is told.
    pub fn mount() -> Option<Self> {
        Self::mount_of(SIZE_KIB)
    }

    pub fn mount_of(kib: u64) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: only root can mount the small disk of this test");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let size = format!("size={kib}k");
        run(
            "mount",
            &["-t", "tmpfs", "-o", &size, "corndogs-test"],
            home.path(),
        );
        Some(Self { home })
    }

    pub fn grow(&self) {
        run(
            "mount",
            &["-o", &format!("remount,{MORE}")],
            self.home.path(),
        );
    }

    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub fn free(&self) -> u64 {
        let space = statvfs(self.home.path()).unwrap();
        space.f_bavail * space.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that is still being killed may hold it.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.home.path())
            .status();
    }
}

fn run(command: &str, args: &[&str], path: &Path) {
    let status = Command::new(command).args(args).arg(path).status().unwrap();
    assert!(status.success(), "{command} {args:?} {}", path.display());
}
