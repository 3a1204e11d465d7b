//! What the kernel says about a process.

use std::time::Duration;

use procfs::process::Process;

use crate::life::per_second;
use crate::sample::{Figure, Unit};

/// What a process has used since it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Time of its own code on a core.
    pub(crate) user: Duration,
    /// Time of the kernel on its behalf.
    pub(crate) kernel: Duration,
    /// Bytes that it sent to the disk.
    pub(crate) written: u64,
    /// Bytes of memory that it has now.
    pub(crate) resident: u64,
}

impl Usage {
    /// Of the process with this id.
    pub(crate) fn of(id: u32) -> anyhow::Result<Self> {
        let process = Process::new(i32::try_from(id)?)?;
        let stat = process.stat()?;
        let time = |ticks: u64| Duration::from_millis(ticks * 1000 / procfs::ticks_per_second());
        Ok(Self {
            user: time(stat.utime),
            kernel: time(stat.stime),
            written: process.io()?.write_bytes,
            resident: stat.rss * procfs::page_size(),
        })
    }

    /// Time on a core.
    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.kernel
    }
}

/// What processes use of the cores while lives are lived.
pub(crate) struct Spent(Vec<(&'static str, u32, Usage)>);

impl Spent {
    pub(crate) fn begin(processes: impl IntoIterator<Item = (&'static str, u32)>) -> anyhow::Result<Self> {
        let used = processes.into_iter().map(|(name, id)| Ok((name, id, Usage::of(id)?)));
        Ok(Self(used.collect::<anyhow::Result<_>>()?))
    }

    /// The time on a core for each life, of the processes' own code and of the kernel.
    pub(crate) fn for_each(self, lives: usize) -> anyhow::Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for (name, id, before) in self.0 {
            let now = Usage::of(id)?;
            for (what, time) in [("user", now.user - before.user), ("kernel", now.kernel - before.kernel)] {
                let each = 1e6 / per_second(lives, time);
                figures.push(Figure::new(format!("{what} {name}, a life"), Unit::Micros, each));
            }
        }
        Ok(figures)
    }
}
