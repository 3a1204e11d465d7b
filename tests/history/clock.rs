//! A clock that is wrong for one process alone, by Debian's `faketime`.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// Where Debian keeps the library, below the folder of the machine's libraries.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The clock of one process: its time of day is off by what was last said. What counts durations goes on as ever, as
/// it does when an operator sets a clock.
#[derive(Debug)]
pub(crate) struct WrongClock {
    library: PathBuf,
    offset: PathBuf,
}

/// The library, if it is installed.
pub(crate) fn library() -> Result<PathBuf, String> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let places = folders.chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/local/lib")]);
    let found = places.map(|folder| folder.join(LIBRARY)).find(|path| path.exists());
    found.ok_or_else(|| format!("{LIBRARY} is not installed: install the package faketime"))
}

impl WrongClock {
    /// A clock that is right at first; `offset` is the file that says how wrong it is.
    pub(crate) fn new(offset: &Path) -> anyhow::Result<Self> {
        let library = library().map_err(anyhow::Error::msg)?;
        let clock = Self { library, offset: offset.to_owned() };
        clock.set(0)?;
        Ok(clock)
    }

    pub(crate) fn lay_over(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.offset);
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_CACHE_DURATION", "1");
    }

    /// From now on, within a second, the clock is off by so many seconds.
    pub(crate) fn set(&self, seconds: i64) -> anyhow::Result<()> {
        let draft = self.offset.with_extension("new");
        std::fs::write(&draft, format!("{seconds:+}\n"))?;
        Ok(std::fs::rename(&draft, &self.offset)?)
    }
}
