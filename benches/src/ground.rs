//! A store to measure, on fresh files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use graphium_core::clock::{Clock, SystemClock};
use graphium_core::store::{MemoryStore, SqliteStore, StoreSettings, TaskStore};
use tempfile::TempDir;

/// The name of the store without a disk, in tables.
pub(crate) const MEMORY: &str = "memory";
/// The name of the durable store, in tables.
pub(crate) const SQLITE: &str = "SQLite FULL";

/// A store with the folder that it lives in.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn TaskStore>,
    durable: Option<(Arc<SqliteStore>, PathBuf)>,
    _folder: Option<TempDir>,
}

impl Ground {
    /// A fresh store of this name.
    pub(crate) async fn open(name: &str, scratch: &Path) -> anyhow::Result<Self> {
        match name {
            MEMORY => Ok(Self::memory(Arc::new(SystemClock))),
            SQLITE => Self::sqlite(scratch).await,
            other => anyhow::bail!("there is no store {other:?}"),
        }
    }

    /// A fresh store in memory.
    pub(crate) fn memory(clock: Arc<dyn Clock>) -> Self {
        let store = Arc::new(MemoryStore::new(clock, StoreSettings::default()));
        Self { store, durable: None, _folder: None }
    }

    /// A fresh SQLite store.
    pub(crate) async fn sqlite(scratch: &Path) -> anyhow::Result<Self> {
        Self::sqlite_with(scratch, Arc::new(SystemClock)).await
    }

    /// A fresh SQLite store with a clock of its own.
    pub(crate) async fn sqlite_with(scratch: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(scratch)?;
        let path = folder.path().join("graphium.db");
        Ok(Self { _folder: Some(folder), ..Self::at(&path, clock).await? })
    }

    /// The SQLite store in this file, which stays.
    pub(crate) async fn at(path: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let sqlite = Arc::new(SqliteStore::open(path, clock, StoreSettings::default()).await?);
        let store = Arc::<SqliteStore>::clone(&sqlite);
        Ok(Self { store, durable: Some((sqlite, path.to_owned())), _folder: None })
    }

    /// The file, where there is one.
    pub(crate) fn database(&self) -> Option<&Path> {
        self.durable.as_ref().map(|(_, path)| path.as_path())
    }

    /// Closes the store. The folder goes with the ground.
    pub(crate) async fn close(&self) {
        if let Some((sqlite, _)) = &self.durable {
            sqlite.close().await;
        }
    }
}
