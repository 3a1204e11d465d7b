//! The machine that the figures are of.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::ground::Ground;
use crate::spread::Latencies;

/// How often the disk is asked for its promise.
const SYNCS: usize = 200;
/// What is written before each: a page of the log.
const PAGE: [u8; 4096] = [7; 4096];
/// Where a SQLite file says which version wrote it last.
const VERSION_AT: usize = 96;

/// What the figures depend on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    pub(crate) sqlite: String,
    /// Half of the writes of a page with `fdatasync` were faster, in milliseconds.
    pub(crate) fdatasync_p50_ms: f64,
    pub(crate) fdatasync_p99_ms: f64,
    /// Seconds since the Unix epoch.
    pub(crate) measured_at: i64,
}

/// Looks at this machine, and at the disk under this folder.
pub(crate) async fn look(scratch: &Path) -> anyhow::Result<Machine> {
    use graphium_core::clock::{Clock, SystemClock};
    use procfs::{CpuInfo, Current, Meminfo};

    let cpu = CpuInfo::current()?;
    let syncs = fdatasync(scratch)?;
    Ok(Machine {
        cores: std::thread::available_parallelism()?.get(),
        processor: cpu.model_name(0).unwrap_or("unknown").to_owned(),
        memory_bytes: Meminfo::current()?.mem_total,
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        sqlite: sqlite_version(scratch).await?,
        fdatasync_p50_ms: syncs.millis(50.0),
        fdatasync_p99_ms: syncs.millis(99.0),
        measured_at: SystemClock.now().as_micros() / 1_000_000,
    })
}

/// Appends pages to a file and waits for the disk each time, as the write-ahead log does.
fn fdatasync(scratch: &Path) -> anyhow::Result<Latencies> {
    let mut file = tempfile::tempfile_in(scratch)?;
    let mut latencies = Latencies::new()?;
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        latencies.add(began.elapsed())?;
    }
    Ok(latencies)
}

/// The version that the store is built with, as it notes it in the head of its file.
async fn sqlite_version(scratch: &Path) -> anyhow::Result<String> {
    let ground = Ground::sqlite(scratch).await?;
    let path = ground.database().context("a SQLite store has a file")?.to_owned();
    ground.close().await;
    let head = std::fs::read(&path)?;
    let bytes = head.get(VERSION_AT..VERSION_AT + 4).context("the file has a head")?;
    let number = u32::from_be_bytes(bytes.try_into()?);
    Ok(format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000))
}
