//! A file system that is full soon.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// How large it is.
const SIZE: &str = "size=12m";
/// What the ballast takes of it.
const BALLAST: usize = 4 << 20;

/// A file system of its own, which goes when it is dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts one, or says why it cannot.
    pub(crate) fn mount() -> Result<Self, String> {
        let folder = TempDir::new().map_err(|error| format!("there is no folder to mount on: {error}"))?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "graphium-test"]).arg(folder.path()).output();
        let mounted = mounted.map_err(|error| format!("mount cannot be run: {error}"))?;
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
            return Err(format!("a small file system cannot be mounted; run as root: {why}"));
        }
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes a part of the room, to be given back.
    pub(crate) fn put_ballast(&self) -> PathBuf {
        let ballast = self.path().join("ballast");
        std::fs::write(&ballast, vec![1; BALLAST]).expect("there is room for the ballast");
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Files in it may still be open for a moment: it goes as soon as they are closed.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} could not be unmounted", self.path().display());
    }
}
