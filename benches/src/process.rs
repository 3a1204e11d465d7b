//! What the kernel says about a process.

use std::time::Duration;

use procfs::process::Process;

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
