//! A loss of power: a server that is killed loses what it had not synced, wholly or in part.
//!
//! `forget.c`, preloaded into the server, keeps beside its files what was synced. After a kill each sector that differs is
//! put back, or stays as it was written: a disk may write what it was not told to yet, and in any order.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::process::Command;

const SOURCE: &str = include_str!("forget.c");
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// The shim of one server.
#[derive(Debug)]
pub(crate) struct Forget {
    library: PathBuf,
    folder: PathBuf,
    kept: PathBuf,
    rng: StdRng,
    /// Whether syncs keep nothing, as on a disk that lies.
    pub(crate) vain: bool,
    /// How many sectors were lost.
    pub(crate) lost: u64,
}

/// Whether there is a compiler for the shim.
pub(crate) fn compiler() -> Result<(), String> {
    let answer = std::process::Command::new("cc").arg("--version").output();
    let there = answer.is_ok_and(|output| output.status.success());
    if there { Ok(()) } else { Err("there is no C compiler: install gcc and libc6-dev".to_owned()) }
}

impl Forget {
    /// Compiles the shim into `place`, for a server whose files are in `folder`.
    pub(crate) fn new(place: &Path, folder: &Path, seed: u64) -> anyhow::Result<Self> {
        let (source, library, kept) = (place.join("forget.c"), place.join("forget.so"), place.join("kept"));
        std::fs::write(&source, SOURCE)?;
        std::fs::create_dir_all(&kept)?;
        let built = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-U_FORTIFY_SOURCE", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()?;
        ensure!(built.status.success(), "the shim does not compile: {}", String::from_utf8_lossy(&built.stderr));
        let rng = StdRng::seed_from_u64(seed);
        std::fs::create_dir_all(folder)?;
        Ok(Self { library, folder: folder.canonicalize()?, kept, rng, vain: false, lost: 0 })
    }

    pub(crate) fn lay_over(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FORGET_FOLDER", &self.folder).env("FORGET_KEPT", &self.kept);
        command.env("FORGET_VAIN", if self.vain { "1" } else { "0" });
    }

    /// Leaves of the files what a loss of power would leave of them.
    pub(crate) fn crash(&mut self, data: &Path) -> anyhow::Result<()> {
        // A disk may have written nothing of what it was not told to, all of it, or any part.
        let written = *[0.0, 0.5, 1.0].get(self.rng.random_range(0..3)).context("one of three")?;
        let written = if self.vain { 0.0 } else { written };
        for entry in std::fs::read_dir(data)? {
            let path = entry?.path();
            let kept = self.kept.join(path.file_name().context("a file has a name")?);
            let synced = match std::fs::read(&kept) {
                Ok(synced) => synced,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    std::fs::remove_file(&path)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let after = self.blend(&synced, &std::fs::read(&path)?, written);
            std::fs::write(&path, &after)?;
            std::fs::write(&kept, &after)?;
        }
        Ok(())
    }

    /// The synced content with each sector that was written since in its place, if the disk wrote it.
    fn blend(&mut self, synced: &[u8], live: &[u8], written: f64) -> Vec<u8> {
        let mut after = synced.to_vec();
        if live.len() < synced.len() && self.rng.random_bool(written) {
            after.truncate(live.len());
        }
        for from in (0..live.len()).step_by(SECTOR) {
            let sector = &live[from..live.len().min(from + SECTOR)];
            if after.get(from..from + sector.len()) == Some(sector) {
                continue;
            }
            if self.rng.random_bool(written) {
                after.resize(after.len().max(from + sector.len()), 0);
                after[from..from + sector.len()].copy_from_slice(sector);
            } else {
                self.lost += 1;
            }
        }
        after
    }
}
